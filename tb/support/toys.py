"""Small components for the tests of emission and simulation."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lowbit.hdl.common.field import Field
from lowbit.hdl.common.shared import Shared


def unused(component):
    """The component, without Amaranth's warning when it is never elaborated."""
    component._MustUse__used = True
    return component


class Accumulator(wiring.Component):
    """Sums its input; reset to 0."""

    def __init__(self):
        super().__init__({"x": In(Field(8, "addend", name="unsigned")), "total": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.total.eq(self.total + self.x)
        return m


class Twins(wiring.Component):
    """An accumulator and its copy: a module that a design repeats."""

    def __init__(self):
        super().__init__({"x": In(8), "total": Out(16), "copy": Out(16)})

    def elaborate(self, platform):
        m = Module()
        for output in (self.total, self.copy):
            m.submodules[output.name] = unit = Shared(Accumulator(), "toy_accumulator", key=())
            m.d.comb += [unit.x.eq(self.x), output.eq(unit.total)]
        return m


class Alu(wiring.Component):
    """Combinational: signed and unsigned operators, slices, a Switch; a repeated expression."""

    def __init__(self):
        super().__init__({"a": In(signed(7)), "b": In(signed(5)), "c": In(6), "op": In(3),
                          "y": Out(12), "z": Out(signed(6))})

    def elaborate(self, platform):
        m = Module()
        product = Signal(signed(12), name="product")
        m.d.comb += product.eq(self.a * self.b)
        repeated = (self.a + self.b) ^ self.c
        with m.Switch(self.op):
            with m.Case(0):
                m.d.comb += self.y.eq(product)
            with m.Case(1):
                m.d.comb += self.y.eq(self.a - self.b)
            with m.Case(2):
                m.d.comb += self.y.eq(Cat(repeated[0:3], repeated[2:5], repeated[7]))
            with m.Case(3):
                m.d.comb += self.y.eq((self.c << self.op) + Mux(self.c[0], self.a, -2))
            with m.Case(4, 5):
                m.d.comb += self.y.eq((self.a >> 2) + ~(self.b & self.c))
            with m.Default():
                m.d.comb += self.y.eq((self.a < self.b) + (self.c >= 17) + (self.b == -3))
        m.d.comb += self.z.eq(-(self.a - product))
        return m


@dataclass(frozen=True)
class PeParameters:
    width: int = 8


class Pe(wiring.Component):
    """Multiply-accumulate with a cleared start."""

    def __init__(self, parameters=PeParameters()):
        self.parameters = parameters
        width = parameters.width
        super().__init__({"a": In(signed(width)), "b": In(signed(width)), "clear": In(1),
                          "sum": Out(signed(2 * width + 4))})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.sum.eq(Mux(self.clear, 0, self.sum) + self.a * self.b)
        return m


class Pair(wiring.Component):
    """Two PEs: a unit that contains units."""

    def __init__(self):
        super().__init__({"a": In(16), "b": In(16), "clear": In(1), "sums": Out(40)})

    def elaborate(self, platform):
        m = Module()
        sums = []
        for i in range(2):
            m.submodules[f"pe_{i}"] = pe = Shared(Pe(), "toy_pe")
            m.d.comb += [pe.a.eq(self.a.word_select(i, 8)), pe.b.eq(self.b.word_select(i, 8)),
                         pe.clear.eq(self.clear)]
            sums.append(pe.sum)
        m.d.comb += self.sums.eq(Cat(sums))
        return m


class Grid(wiring.Component):
    """``pairs`` nested units side by side."""

    def __init__(self, pairs=3):
        self.pairs = pairs
        super().__init__({"a": In(16 * pairs), "b": In(16 * pairs), "clear": In(1),
                          "sums": Out(40 * pairs)})

    def elaborate(self, platform):
        m = Module()
        sums = []
        for i in range(self.pairs):
            m.submodules[f"pair_{i}"] = pair = Shared(Pair(), "toy_pair", key=())
            m.d.comb += [pair.a.eq(self.a.word_select(i, 16)), pair.clear.eq(self.clear),
                         pair.b.eq(self.b.word_select(i, 16))]
            sums.append(pair.sums)
        m.d.comb += self.sums.eq(Cat(sums))
        return m


class Register(wiring.Component):
    """A stream register with a struct payload, some of it in a plain submodule."""

    def __init__(self):
        layout = data.StructLayout({"index": 4, "data": data.ArrayLayout(signed(4), 3), "last": 1})
        super().__init__({"source": In(stream.Signature(layout)),
                          "sink": Out(stream.Signature(layout)), "count": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.counter = counter = Accumulator()
        m.d.comb += self.source.ready.eq(self.sink.ready | ~self.sink.valid)
        with m.If(self.source.ready):
            m.d.sync += self.sink.valid.eq(self.source.valid)
            m.d.sync += self.sink.payload.index.eq(self.source.payload.index + 1)
            m.d.sync += self.sink.payload.data.eq(self.source.payload.data)
            m.d.sync += self.sink.payload.last.eq(self.source.payload.last)
        m.d.comb += counter.x.eq(self.source.valid & self.source.ready)
        m.d.comb += self.count.eq(counter.total)
        return m


class ReadsReset(wiring.Component):
    """Uses the reset in its logic."""

    def __init__(self):
        super().__init__({"x": In(1), "y": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.y.eq(self.x & ~ResetSignal())
        return m
