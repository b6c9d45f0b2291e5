"""The LUT engine of the accelerator: buffers of operands, their feeds, and the core."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.pipeline import register
from ..common.shared import Shared
from ..common.struct import StructComponent
from ..fabric.bank import Bank
from ..fabric.elastic import Beat, forward, of_port
from ..lut.core import LutCore
from .activation_feed import ActivationFeed
from .instruction import fields, instruction_bits
from .result_walk import ResultWalk
from .scale_feed import ScaleFeed
from .weight_feed import WeightFeed

__all__ = ["LutEngine", "buffer_ports"]


def buffer_ports(p: AccelParameters) -> dict[str, Any]:
    """Write ports of the operand buffers: of activations and exponents a bank a row; of patterns,
    scales and offsets as many words as a beat of the bus fills."""
    ports: dict[str, Any] = {"a_write": In(p.M), "a_address": In(16), "a_data": In(p.a_word)}
    if p.core.is_aligned:
        ports |= {"e_write": In(p.M), "e_address": In((p.e_depth - 1).bit_length()),
                  "e_data": In(p.core.exponent_bits)}
    for name, word, bits in (("w", p.w_word, 16), ("s", p.s_word, 12), ("o", p.o_word, 12)):
        if word:
            ports |= {f"{name}_write": In(1), f"{name}_address": In(bits),
                      f"{name}_data": In(word * p.ratio(word))}
    return ports


class LutEngine(StructComponent):
    """Runs LMMA instructions.

    The feeds take an instruction each when they are done with the one before; so weights of the
    next one are read while results of this one come. Its partial sums are read when all results
    before are written.

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
        a weight beat is taken by the core, or waits for it.
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
            "beat": Out(1), "held": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.core = core = Shared(LutCore(p.core), "lut_core")
        m.submodules.weights = weights = WeightFeed(p)
        m.submodules.activations = activations = ActivationFeed(p)
        m.submodules.scales = scales = ScaleFeed(p)
        m.submodules.partials = partials = ResultWalk(p)
        m.submodules.results = results = ResultWalk(p)

        source = forward(m, _bits(self.instruction), "head")
        lmma = fields(source["word"], Op.LMMA)
        feeds = (weights, activations, scales, results, partials)
        taken = Signal(len(feeds))
        goes = Signal(len(feeds))
        all_taken = Signal()
        for i, feed in enumerate(feeds):
            ready = feed.job.ready
            if feed is partials:
                ready = ready & (taken[i - 1] | goes[i - 1])
            m.d.comb += [goes[i].eq(source.valid & ~taken[i] & ready),
                         feed.job.valid.eq(source.valid & ~taken[i] & (
                             (taken[i - 1] | goes[i - 1]) if feed is partials else 1))]
            for name in feed.job.payload.shape().members:
                value = getattr(lmma, "init" if feed is partials else "push_next") \
                    if name == "flag" else getattr(lmma, name)
                m.d.comb += feed.job.payload[name].eq(value)
        m.d.comb += [all_taken.eq((taken | goes).all()), source.ready.eq(all_taken)]
        m.d.sync += taken.eq(Mux(all_taken & source.valid, 0, taken | goes))

        self._weights(m, weights, core)
        self._activations(m, activations, core)
        self._scales(m, scales, core)
        chains, rows = p.chains, p.M
        m.d.comb += [
            self.partial.valid.eq(partials.place.valid),
            self.partial.payload.address.eq(partials.place.payload.address),
            self.partial.payload.zero.eq(partials.place.payload.flag),
            partials.place.ready.eq(self.partial.ready),
            core.psum.valid.eq(self.partial_values.valid),
            self.partial_values.ready.eq(core.psum.ready),
            # the core has rows of a column together, the buffer columns of a row
            Value.cast(core.psum.payload["values"]).eq(_turned(
                self.partial_values.payload, rows, chains))]
        outcome = core.result
        m.d.comb += [
            outcome.ready.eq(results.place.valid), results.place.ready.eq(outcome.valid),
            self.result_write.eq(outcome.valid & results.place.valid),
            self.result_address.eq(results.place.payload.address),
            self.result_values.eq(_turned(Value.cast(outcome.payload["values"]), chains, rows)),
            self.finished.eq(results.done & results.place.payload.flag),
            self.freed.eq(scales.freed),
            self.fault.eq(weights.fault | activations.fault | scales.fault | partials.fault
                          | results.fault),
            self.idle.eq(~source.valid & ~results.busy & ~partials.busy
                         & scales.job.ready & ~scales.request.valid)]
        return m

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

    def _weights(self, m: Module, feed: Any, core: Any) -> None:
        p, request = self.parameters, of_port(feed.request)
        word = self._words(m, "w", p.w_word, p.w_depth, request)
        beat = forward(m, request, "weight")
        weight = core.weight
        m.d.comb += [weight.valid.eq(beat.valid), beat.ready.eq(weight.ready),
                     Value.cast(weight.payload["patterns"]).eq(word),
                     self.beat.eq(weight.valid & weight.ready),
                     self.held.eq(weight.valid & ~weight.ready)]
        for name in ("plane", "first", "last", "table_last", "codes", "start", "finish"):
            if name in weight.payload.shape().members:
                m.d.comb += weight.payload[name].eq(beat[name])

    def _activations(self, m: Module, feed: Any, core: Any) -> None:
        p, request = self.parameters, of_port(feed.request)
        values, exponents = [], []
        for row in range(p.M):
            values.append(self._bank(m, f"a_bank_{row}", p.a_word, p.a_depth, request,
                                     request["address"], "a", self.a_write[row]))
            if p.core.is_aligned:
                exponents.append(self._bank(
                    m, f"e_bank_{row}", p.core.exponent_bits, p.e_depth, request,
                    request["exponent_address"], "e", self.e_write[row]))
        beat = forward(m, request, "activation")
        port = core.activation
        m.d.comb += [port.valid.eq(beat.valid), beat.ready.eq(port.ready),
                     Value.cast(port.payload["values"]).eq(Cat(values))]
        if p.core.is_aligned:
            m.d.comb += [port.payload["first"].eq(beat["first"]),
                         Value.cast(port.payload["exponent"]).eq(Cat(exponents))]

    def _scales(self, m: Module, feed: Any, core: Any) -> None:
        p, request = self.parameters, of_port(feed.request)
        word = self._words(m, "s", p.s_word, p.s_depth, request)
        offsets = self._words(m, "o", p.o_word, p.s_depth, request) if p.o_word else Const(0, 1)
        beat = forward(m, request, "scale")
        port = core.scale
        m.d.comb += [port.valid.eq(beat.valid), beat.ready.eq(port.ready),
                     Value.cast(port.payload["scale"]).eq(word)]
        if p.o_word:
            m.d.comb += Value.cast(port.payload["offset"]).eq(Mux(beat["offsets"], offsets, 0))


def _bits(port: Any) -> Beat:
    """The beat at a stream of plain bits, as the field ``word``."""
    return Beat(port.valid, {"word": port.payload}, port.ready)


def _turned(values: Value, outer: int, inner: int) -> Value:
    """FP32 values [outer][inner] as [inner][outer]."""
    return Cat(values.word_select(o * inner + i, 32) for i in range(inner) for o in range(outer))
