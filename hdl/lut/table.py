"""The table precompute unit: a stream of activations to a stream of tables.

One unit serves all N columns (LUT Tensor Core: precompute once, broadcast). Latency: one cycle,
or two with ``--pipeline 2``; one set of tables a cycle. A spare register at the activations, the
narrower side, keeps the ready of the tables from reaching theirs.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import LutCoreParameters, LutTableParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.pipeline import register
from ..common.shared import Shared
from ..fabric.elastic import Beat, backward, forward, of_port, to_port
from .align import AlignActivation, decoded, term_bits, top_bits
from .half_table import HalfTable
from .scan import ExponentScan, SumCheck
from .streams import activation_layout, table_layout

__all__ = ["LutTable"]


class LutTable(Design[LutTableParameters | LutCoreParameters]):
    """Streams: ``activation`` in, ``table`` out (fields: :mod:`.streams`).

    Aligned, ``--exponent scan``: the beats of an operation come twice. With ``scan`` set they only
    go into the sums from which each row's exponent follows; the beat with ``first`` then takes it
    for the operation, a cycle after the last scanned beat, and a new scan starts: that of the next
    operation may run between the tables of this one. ``--exponent given``: they come once, each
    with the exponents of its rows.
    """

    def __init__(self, p: LutTableParameters | LutCoreParameters) -> None:
        self.rows = p.M
        self.stages = p.pipeline if isinstance(p, LutTableParameters) else 1
        self.scans = p.is_aligned and not p.can_saturate
        super().__init__(p, {"activation": In(stream.Signature(activation_layout(p, p.M))),
                             "table": Out(stream.Signature(table_layout(p, p.M)))})

    def timing(self) -> Timing:
        return Timing(self.stages, 1, "activations taken to their tables; an activation beat a "
                      "cycle", {"passes": 1 + self.scans, "cycles_after_scan": int(self.scans)})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        source = backward(m, of_port(self.activation), "activation_beat")
        per_row = p.groups * p.K
        values = source["values"]
        whole, fmt = Value.cast(values), p.activation
        bits = fmt.code_bits if isinstance(fmt, CodedInt) else fmt.bits
        words: list[Value] = [whole.word_select(i, bits) for i in range(self.rows * per_row)]
        # a scanned beat goes no further, and needs no room there
        scan, waits = Const(0, 1), Const(0, 1)
        side: dict[str, Value] = {}
        exponents: list[Value] = []
        if self.scans:
            scan = source["scan"]
            exponents, waits = self._scanned_exponents(m, source, words)
        elif p.is_aligned:
            exponents = [source["exponent"][row] for row in range(self.rows)]
        beat = Beat(source.valid & ~scan & ~waits, side, Signal(name="terms_ready"))
        m.d.comb += source.ready.eq(scan | (beat.ready & ~waits))

        terms, finite, beyond = list(words), [], []
        if isinstance(p.activation, FloatFormat):
            tops = [(exponent + p.row_scale.top)[:top_bits(p)] for exponent in exponents]
            for i, word in enumerate(words):
                m.submodules[f"align_{i}"] = align = Shared(AlignActivation(p), "lut_align")
                m.d.comb += align.code.eq(word)
                if p.is_aligned:
                    m.d.comb += align.top.eq(tops[i // per_row])
                if p.can_saturate:
                    beyond.append((align.magnitude, align.clipped))
                terms[i] = align.term
                finite.append(align.finite)
        elif isinstance(fmt, CodedInt) and fmt.values:
            terms = [decoded(m, fmt, word, f"activation_{i}") for i, word in enumerate(words)]
        if finite:
            rows = [Cat(finite[r * per_row:(r + 1) * per_row]) for r in range(self.rows)]
            side["invalid"] = ~Cat(row.all() for row in rows)
        if p.is_aligned:
            side["exponent"] = Cat(exponents)
        if p.can_saturate:
            side["saturated"] = self._too_small(m, beat, source["first"], beyond)

        if "scale" in source.fields:
            side["scale"] = source["scale"].as_value()
        side["terms"] = Cat(terms)
        if self.stages == 2:
            beat = forward(m, beat, "aligned")
        width = p.K * term_bits(p)
        entries, saturated = [], []
        for t in range(self.rows * p.groups * (not p.is_direct)):
            m.submodules[f"table_{t}"] = table = Shared(HalfTable(p), "lut_entries")
            m.d.comb += table.terms.eq(beat["terms"].word_select(t, width))
            entries.append(table.entries)
            if p.can_saturate:
                saturated.append(table.saturated)
        made = {name: value for name, value in beat.fields.items() if name != "terms"}
        made["entries"] = beat["terms"] if p.is_direct else Cat(entries)
        if p.can_saturate and not p.is_direct:
            made["saturated"] = Value.cast(beat["saturated"]) | Cat(
                Cat(saturated[r * p.groups:(r + 1) * p.groups]).any() for r in range(self.rows))
        to_port(m, forward(m, Beat(beat.valid, made, beat.ready), "table_beat"), self.table)
        return m

    def _scanned_exponents(self, m: Module, beat: Beat,
                           words: list[Value]) -> tuple[list[Value], Value]:
        """Exponent of each row for the tables of this beat, and whether the beat waits for it."""
        p = self.parameters
        per_row = p.groups * p.K
        scanned = beat.valid & beat["scan"]
        # the sums of a beat are there in the next cycle, the exponent in the one after
        found = Signal(name="scan_settled", init=1)
        m.d.sync += found.eq(~scanned)
        waits = Signal(name="scan_awaited")
        taken = Signal(name="first_taken")
        m.d.comb += [waits.eq(beat["first"] & ~beat["scan"] & ~found),
                     taken.eq(beat.valid & beat.ready & beat["first"] & ~beat["scan"])]
        exponents: list[Value] = []
        for row in range(self.rows):
            of_row = words[row * per_row:(row + 1) * per_row]
            m.submodules[f"scan_{row}"] = scan = Shared(ExponentScan(p), "lut_scan")
            m.d.comb += [scan.codes.eq(Cat(word[:-1] for word in of_row)),
                         scan.scan.eq(scanned), scan.restart.eq(taken)]
            following = register(m, scan.exponent, f"exponent_next_{row}")
            held = register(m, following, f"exponent_{row}", enable=taken)
            exponents.append(Mux(beat["first"], following, held))
        return exponents, waits

    def _too_small(self, m: Module, beat: Beat, first: Value,
                   terms: list[tuple[Value, Value]]) -> Value:
        """Rows whose given exponent is too small for activations or accumulators, so far."""
        p = self.parameters
        per_row = p.groups * p.K
        flags = []
        for row in range(self.rows):
            of_row = terms[row * per_row:(row + 1) * per_row]
            m.submodules[f"check_{row}"] = check = Shared(SumCheck(p), "lut_sum_check")
            m.d.comb += [check.magnitudes.eq(Cat(magnitude for magnitude, _ in of_row)),
                         check.first.eq(first), check.take.eq(beat.valid & beat.ready)]
            flags.append(check.over | Cat(clipped for _, clipped in of_row).any())
        return Cat(flags)
