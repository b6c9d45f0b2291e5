"""The execute unit: buffers of operands, their feeds, and the engine."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.pipeline import register
from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.bank import Bank
from ..fabric.elastic import Beat, forward, of_port, to_port
from .activation_feed import ActivationFeed
from .engines import engine_class
from .instruction import fields, instruction_bits
from .offset_feed import OffsetFeed
from .result_walk import ResultWalk
from .scale_feed import ScaleFeed
from .weight_feed import WeightFeed

__all__ = ["Execute", "buffer_ports"]


def buffer_ports(p: AccelParameters) -> dict[str, Any]:
    """Write ports of the operand buffers: of activations and exponents a bank a row; of patterns,
    scales and offsets as many words as a beat of the bus fills."""
    ports: dict[str, Any] = {"a_write": In(p.M), "a_address": In(16), "a_data": In(p.a_word)}
    if p.compute.exponent_bits:
        ports |= {"e_write": In(p.M), "e_address": In((p.e_depth - 1).bit_length()),
                  "e_data": In(p.compute.exponent_bits)}
    for name, word, bits in (("w", p.w_word, 16), ("s", p.s_word, 12), ("o", p.o_word, 12)):
        if word:
            ports |= {f"{name}_write": In(1), f"{name}_address": In(bits),
                      f"{name}_data": In(word * p.ratio(word))}
    return ports


class Execute(StructComponent):
    """Runs LMMA instructions.

    The feeds take an instruction each when they are done with the one before; so weights of the
    next one are read while results of this one come. Its partial sums are read when all results
    before are written. An LMMA with ``keep`` has no results, and reads no partial sums.

    Ports
    -----
    instruction:
        stream of LMMA instructions; their tokens are there.
    a_write, ... :
        write ports of the buffers (:func:`buffer_ports`).
    partial, partial_values:
        streams: the ``address`` of a word of partial sums of all rows, or that it is ``zero``; and
        the words in that order.
    result_write, result_address, result_values:
        results of all rows, to be written in this cycle.
    freed, finished:
        pulses: the operands (results) of an instruction with ``push_prev`` (``push_next``) are
        read (written).
    fault, idle:
        an address is beyond its buffer; nothing is left to do.
    beat, held:
        a word of patterns is taken by the engine, or waits for it.
    special, ... :
        registers that belong to the engine.
    """

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        words = p.M * p.p_word
        super().__init__(buffer_ports(p) | {
            "instruction": In(stream.Signature(instruction_bits("execute"))),
            "partial": Out(stream.Signature(data.StructLayout({"address": 12, "zero": 1}))),
            "partial_values": In(stream.Signature(words)),
            "result_write": Out(1), "result_address": Out(12), "result_values": Out(words),
            "freed": Out(1), "finished": Out(1), "fault": Out(1), "idle": Out(1),
            "beat": Out(1), "held": Out(1)}
            | {name.lower(): In(32) for name in p.compute.settings})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        kind = engine_class(p)
        m.submodules.engine = engine = kind(p)
        m.submodules.weights = weights = WeightFeed(p, kind.notes, "weights" in kind.frees)
        m.submodules.activations = activations = ActivationFeed(p)
        m.submodules.scales = scales = ScaleFeed(p)
        m.submodules.partials = partials = ResultWalk(p)
        m.submodules.results = results = ResultWalk(p, 1 + kind.tells_fresh)
        operands: dict[str, Any] = {"weights": weights, "activations": activations,
                                    "scales": scales}
        if p.o_word and not p.compute.offsets_of_groups:
            m.submodules.offsets = operands["offsets"] = OffsetFeed(p)

        source = forward(m, _bits(self.instruction), "head")
        self._start(m, source, [*operands.values(), results, partials])
        self._weights(m, weights, engine)
        self._activations(m, activations, engine)
        self._scales(m, operands, engine)
        place, outcome = results.place, engine.result
        m.d.comb += [
            self.partial.valid.eq(partials.place.valid),
            self.partial.payload.address.eq(partials.place.payload.address),
            self.partial.payload.zero.eq(partials.place.payload.flag),
            partials.place.ready.eq(self.partial.ready),
            engine.partial.valid.eq(self.partial_values.valid),
            self.partial_values.ready.eq(engine.partial.ready),
            engine.partial.payload.eq(self.partial_values.payload),
            outcome.ready.eq(place.valid), place.ready.eq(outcome.valid),
            self.result_write.eq(outcome.valid & place.valid),
            self.result_address.eq(place.payload.address),
            self.result_values.eq(outcome.payload),
            self.finished.eq(results.done & place.payload.flag[0]),
            self.fault.eq(Cat(feed.fault for feed in (*operands.values(), partials, results))
                          .any()),
            self.idle.eq(~source.valid & ~results.busy & ~partials.busy
                         & ~Cat(feed.request.valid for feed in operands.values()).any())]
        if kind.tells_fresh:
            m.d.comb += engine.fresh.eq(place.payload.flag[1])
        m.d.comb += [getattr(engine, name.lower()).eq(getattr(self, name.lower()))
                     for name in p.compute.settings]
        self._freed(m, [operands[name] for name in kind.frees if name in operands])
        return m

    def _start(self, m: Module, source: Beat, feeds: list[Any]) -> None:
        """Hand an LMMA to the feeds, the last of which walks through the partial sums."""
        p = self.parameters
        lmma = fields(source["word"], Op.LMMA)
        partials, results = feeds[-1], feeds[-2]
        taken = Signal(len(feeds))
        goes = Signal(len(feeds))
        all_taken = Signal()
        for i, feed in enumerate(feeds):
            wanted: Value = source.valid & ~taken[i]
            ready = feed.job.ready
            if feed is partials:
                wanted = wanted & (taken[i - 1] | goes[i - 1])
                ready = ready & (taken[i - 1] | goes[i - 1])
            if p.compute.keeps and feed in (partials, results):     # nothing to do: taken at once
                ready, valid = ready | lmma.keep, wanted & ~lmma.keep
            else:
                valid = wanted
            m.d.comb += [goes[i].eq(source.valid & ~taken[i] & ready), feed.job.valid.eq(valid)]
            for name in feed.job.payload.shape().members:
                value = (lmma.init if feed is partials else Cat(lmma.push_next, lmma.init)) \
                    if name == "flag" else getattr(lmma, name)
                m.d.comb += feed.job.payload[name].eq(value)
        m.d.comb += [all_taken.eq((taken | goes).all()), source.ready.eq(all_taken)]
        m.d.sync += taken.eq(Mux(all_taken & source.valid, 0, taken | goes))

    def _freed(self, m: Module, feeds: list[Any]) -> None:
        """Slots are free when all of these feeds have read their words. They take instructions
        together, so none is more than two ahead of another."""
        if len(feeds) == 1:
            m.d.comb += self.freed.eq(feeds[0].freed)
            return
        done = []
        for i, feed in enumerate(feeds):
            ahead = Signal(2, name=f"freed_{i}")
            m.d.sync += ahead.eq(ahead + feed.freed - self.freed)
            done.append(ahead.any())
        m.d.comb += self.freed.eq(Cat(done).all())

    def _bank(self, m: Module, name: str, width: int, depth: int, beat: Any, address: Value,
              port: str, enable: Value | None = None) -> Value:
        """A bank written through ``port`` and read when ``beat`` moves."""
        m.submodules[name] = bank = Shared(
            Bank(width, depth, self.parameters.black_boxes), f"ram_{depth}x{width}")
        write = getattr(self, f"{port}_write")
        m.d.comb += [
            bank.write.eq(write if enable is None else enable),
            bank.write_address.eq(getattr(self, f"{port}_address")),
            bank.write_data.eq(getattr(self, f"{port}_data")),
            bank.read.eq(beat.valid & beat.ready), bank.read_address.eq(address)]
        return bank.read_data

    def _words(self, m: Module, port: str, word: int, depth: int, beat: Any) -> Value:
        """Words of patterns, scales or offsets; a word of the memory may hold several."""
        ratio = self.parameters.ratio(word)
        shift = ratio.bit_length() - 1
        found = self._bank(m, f"{port}_bank", word * ratio, depth // ratio, beat,
                           beat["address"] >> shift, port)
        if ratio == 1:
            return found
        part = register(m, beat["address"][:shift], f"{port}_part",
                        enable=beat.valid & beat.ready)
        chosen = Signal(word, name=f"{port}_word")
        m.d.comb += chosen.eq(Array(found[i * word:][:word] for i in range(ratio))[part])
        return chosen

    def _weights(self, m: Module, feed: Any, engine: Any) -> None:
        p, request = self.parameters, of_port(feed.request)
        word = self._words(m, "w", p.w_word, p.w_depth, request)
        beat = forward(m, request, "weight")
        notes = {name: value for name, value in beat.fields.items() if name != "address"}
        to_port(m, Beat(beat.valid, {"word": word} | notes, beat.ready), engine.weight)
        m.d.comb += [self.beat.eq(beat.valid & beat.ready), self.held.eq(beat.valid & ~beat.ready)]

    def _activations(self, m: Module, feed: Any, engine: Any) -> None:
        p, request = self.parameters, of_port(feed.request)
        bits = p.compute.exponent_bits
        values, exponents = [], []
        for row in range(p.M):
            values.append(self._bank(m, f"a_bank_{row}", p.a_word, p.a_depth, request,
                                     request["address"], "a", self.a_write[row]))
            if bits:
                exponents.append(self._bank(m, f"e_bank_{row}", bits, p.e_depth, request,
                                            request["exponent_address"], "e", self.e_write[row]))
        beat = forward(m, request, "activation")
        found = {"values": Cat(values), "first": beat["first"]}
        if bits:
            found["exponents"] = Cat(exponents)
        to_port(m, Beat(beat.valid, found, beat.ready), engine.activation)

    def _scales(self, m: Module, feeds: dict[str, Any], engine: Any) -> None:
        p, request = self.parameters, of_port(feeds["scales"].request)
        found = {"word": self._words(m, "s", p.s_word, p.s_depth, request)}
        if p.o_word and "offsets" not in feeds:
            found["offset"] = self._words(m, "o", p.o_word, p.s_depth, request)
        beat = forward(m, request, "scale")
        if "offset" in found:
            found["offsets"] = beat["offsets"]
        to_port(m, Beat(beat.valid, found, beat.ready), engine.scale)
        if "offsets" in feeds:
            asked = of_port(feeds["offsets"].request)
            word = self._words(m, "o", p.o_word, p.s_depth, asked)
            offset = forward(m, asked, "offset")
            to_port(m, Beat(offset.valid, {"word": word, "offsets": offset["offsets"]},
                            offset.ready), engine.offset)


def _bits(port: Any) -> Beat:
    """The beat at a stream of plain bits, as the field ``word``."""
    return Beat(port.valid, {"word": port.payload}, port.ready)
