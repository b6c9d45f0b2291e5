"""The table precompute unit: a stream of activations to a stream of tables.

One unit serves all N columns (LUT Tensor Core: precompute once, broadcast). Latency: one cycle,
or two with ``--pipeline 2``; one set of tables a cycle. A spare register at the activations, the
narrower side, keeps the ready of the tables from reaching theirs.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutCoreParameters, LutTableParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward, forward, of_port, to_port
from .align import AlignActivation, term_bits
from .half_table import HalfTable
from .streams import activation_layout, table_layout

__all__ = ["LutTable"]


class LutTable(Design[LutTableParameters | LutCoreParameters]):
    """Streams: ``activation`` in, ``table`` out (fields: :mod:`.streams`).

    Aligned: the beats of an operation come twice. With ``scan`` set they only raise the running
    maximum of each row's exponents; the beat with ``first`` then takes that maximum as the shared
    exponent of the operation and starts a new one, so that the next operation's scan may run
    between the tables of this one.
    """

    def __init__(self, p: LutTableParameters | LutCoreParameters) -> None:
        self.rows = p.M
        self.stages = p.pipeline if isinstance(p, LutTableParameters) else 1
        super().__init__(p, {"activation": In(stream.Signature(activation_layout(p, p.M))),
                             "table": Out(stream.Signature(table_layout(p, p.M)))})

    def timing(self) -> Timing:
        return Timing(self.stages, 1, "activations taken to their tables; an activation beat a "
                      "cycle", {"passes": 2 if self.parameters.is_aligned else 1})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        source = backward(m, of_port(self.activation), "activation_beat")
        per_row = p.groups * p.K
        values = source["values"]
        words = [values[row][group][k].as_unsigned()
                 for row in range(self.rows) for group in range(p.groups) for k in range(p.K)]
        scan = source["scan"] if p.is_aligned else Const(0, 1)
        exponent: list[Value] = []
        if p.is_aligned:
            exponent = self._shared_exponents(m, source, words)

        terms, finite = list(words), []
        if isinstance(p.activation, FloatFormat):
            for i, word in enumerate(words):
                m.submodules[f"align_{i}"] = align = Shared(AlignActivation(p), "lut_align")
                m.d.comb += align.code.eq(word)
                if p.is_aligned:
                    m.d.comb += align.exponent.eq(exponent[i // per_row])
                terms[i] = align.term
                finite.append(align.finite)
        side: dict[str, Value] = {}
        if finite:
            rows = [Cat(finite[r * per_row:(r + 1) * per_row]) for r in range(self.rows)]
            side["invalid"] = ~Cat(row.all() for row in rows)
        if p.is_aligned:
            side["exponent"] = Cat(exponent)

        # a scanned beat goes no further, and needs no room there
        side["terms"] = Cat(terms)
        beat = Beat(source.valid & ~scan, side, Signal(name="terms_ready"))
        m.d.comb += source.ready.eq(beat.ready | scan)
        if self.stages == 2:
            beat = forward(m, beat, "aligned")
        width = p.K * term_bits(p)
        entries = []
        for t in range(self.rows * p.groups):
            m.submodules[f"table_{t}"] = table = Shared(HalfTable(p), "lut_entries")
            m.d.comb += table.terms.eq(beat["terms"].word_select(t, width))
            entries.append(table.entries)
        made = {name: value for name, value in beat.fields.items() if name != "terms"}
        made["entries"] = Cat(entries)
        to_port(m, forward(m, Beat(beat.valid, made, beat.ready), "table_beat"), self.table)
        return m

    def _shared_exponents(self, m: Module, beat: Beat, words: list[Value]) -> list[Value]:
        """Shared exponent of each row for the tables of this beat."""
        p = self.parameters
        fmt = p.activation
        assert isinstance(fmt, FloatFormat)
        per_row = p.groups * p.K
        shared: list[Value] = []
        for row in range(self.rows):
            running = Signal(fmt.ebits, name=f"running_{row}", init=0)
            held = Signal(fmt.ebits, name=f"shared_{row}", reset_less=True)
            peak: Value = Mux(running == 0, 1, running)
            current = Mux(beat["first"], peak, held)
            fields: list[Value] = [running]
            for word in words[row * per_row:(row + 1) * per_row]:
                field, fraction = word[fmt.mbits:-1], word[:fmt.mbits]
                finite = ~(field.all() & fraction.all()) if fmt.fn else ~field.all()
                fields.append(field & finite.replicate(fmt.ebits))
            largest = _largest(m, fields, f"largest_{row}")
            with m.If(beat.valid & beat["scan"]):
                m.d.sync += running.eq(largest)
            with m.Elif(beat.valid & beat.ready & beat["first"]):
                m.d.sync += [held.eq(peak), running.eq(0)]
            shared.append(current)
        return shared


def _largest(m: Module, values: list[Value], name: str) -> Value:
    """The largest of unsigned values, by a tree of comparators; every choice has a name, since
    an unnamed one would be written out wherever it is used, exponentially often."""
    level = 0
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        chosen: list[Value] = []
        for i, (a, b) in enumerate(pairs):
            larger = Signal(len(a), name=f"{name}_{level}_{i}")
            m.d.comb += larger.eq(Mux(b > a, b, a))
            chosen.append(larger)
        values = chosen + values[len(values) & ~1:]
        level += 1
    return values[0]
