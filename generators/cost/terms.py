"""What the cost of a design is made of: amounts of its parts, from its parameters.

A figure is a sum of amounts times coefficients, which :mod:`.model` has for each cell library.
Amounts are gates' worth in spirit (bits of registers, of adders, of selected words), so that a
coefficient is the area of one of them. The names are those of the parts in ``hdl``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2
from typing import Any

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.lut.core_parameters import LutCoreParameters
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.parameters import Parameters
from lowbit.golden.systolic.parameters import SystolicParameters

from ..errors import UsageError
from .amounts import Terms, check, factor_bits, shifter
from .paths import DELAY

__all__ = ["AREA", "DELAY", "Terms", "terms_of"]

def _lanes(p: LutCoreParameters) -> Terms:
    """Of the ways out: sums made whole and float, partial sums, group scales, sums over groups."""
    lanes, scaled, floats = p.out_values, p.scales_groups, p.result_float
    width = p.acc_bits + (p.w_bits + 1) * p.has_codes
    adds = p.preload and not scaled
    offset = p.offset_format.precision if p.offset_format else 0
    return {
        "lane": lanes,
        "lane, sum": lanes * width,
        "lane, normaliser": lanes * (floats is not None) * shifter(width),
        "lane, partial sums": lanes * (shifter(floats.precision) if floats and adds else 0),
        "lane, integer partial sums": lanes * p.psum.bits * (adds and not floats),
        "lane, scale": lanes * (scaled + (offset > 0)),
        "lane, multiplier": lanes * scaled * 24 * (factor_bits(p.factor_format) + offset)
        if scaled else 0,
        "sums over groups": p.M * p.N * 32 * scaled,
        "row sums": p.M * p.has_row_sums * p.acc_bits,
        "row sums, normaliser": p.M * (offset > 0) * shifter(p.acc_bits),
        "spare beats": p.preload * lanes * p.psum.bits + p.chains * scaled * 24}


def _frame(p: LutCoreParameters) -> Terms:
    """Of a core: accumulators, their second set, and the way out."""
    cells = p.M * p.N
    value = p.word_bits + -(-p.word_bits // p.segment_bits) - 1
    return {
        "core": 1,
        "row": p.M,
        "accumulator": cells * value,
        "second accumulator": cells * value * (p.buffer == "double"),
        **_lanes(p)}


def _table_unit(p: LutCoreParameters) -> Terms:
    """Activations to entries, where that is inside."""
    inside, floating = p.table_source == "internal", p.is_aligned
    words = p.M * p.groups * p.K * inside
    term = p.row_scale.term_bits + 1 if floating else p.activation.bits
    scans = floating and not p.can_saturate
    tables = p.M * p.groups * inside * (not p.is_direct)
    return {
        "aligners": words * floating * shifter(term),
        "scan": words * scans,
        "scan of a row": p.M * inside * scans,
        "table adders": tables * (p.entries + p.K) * term,
        "spare activations": words * p.activation.bits}


def _lut_core(p: LutCoreParameters) -> Terms:
    reads = p.M * p.N * p.reads * p.step_bits
    lines = p.entries + (p.radix == 3)
    tables = p.M * p.groups * p.entries
    beat = tables * p.entry_bits + p.M * p.exponent_bits
    external, waits = p.table_source == "external", p.waiting_stream
    held_table = not external or p.pipeline == 0 or waits == "table"
    spare = external * (beat if p.pipeline == 0 else p.beat_bits * (waits == "weight"))
    found = _frame(p) | _table_unit(p) | {
        "entries held": beat * held_table + p.beat_bits * (p.pipeline > 0),
        "plane step": tables * p.step_bits * log2(p.w_bits / p.parallel_planes),
        "select": reads * lines,
        "read": reads,
        "selected words": reads * (p.pipeline == 2),
        "decoder": p.N * p.reads * lines}
    found["spare beats"] += spare
    return found


def _dot_core(p: DotCoreParameters) -> Terms:
    f = p.frame
    cells, form = f.M * f.N, f.form
    rows = sum(digit.row_bits(f.read_bits) for digit in form.digits)
    steps = sum(len(digit.choices) * digit.row_bits(f.read_bits) for digit in form.digits)
    found = _frame(f) | _table_unit(f) | {
        "entries held": f.M * (p.K * f.entry_bits + f.exponent_bits)
        + f.beat_bits * (p.pipeline > 0),
        "multiples": f.M * p.K * f.entry_bits * (len(form.multiples) - 1),
        "select": cells * p.K * steps,
        "read": cells * p.K * rows,
        "selected words": cells * f.entry_bits * (p.pipeline == 2),
        "recoder": f.N * p.K * f.recodes * len(form.digits),
        "decoder": f.N * p.K * form.lines}
    del found["table adders"]
    return found


def _systolic(p: SystolicParameters) -> Terms:
    pes, resident = p.R * p.C, p.dataflow == "ws"
    rows = sum(digit.row_bits(p.a_bits) for digit in p.form.digits)
    choices = sum((len(digit.choices) - 1) * digit.row_bits(p.a_bits) for digit in p.form.digits)
    value = p.acc_bits + -(-p.acc_bits // p.segment_bits) - 1
    activations, weights = p.dot * p.a_bits, p.dot * p.moved_bits
    passed = resident or p.weights == "pass"
    skewed = activations * passed * p.R * (p.R - 1) / 2
    given = p.dot * p.weight_bits * (not resident) * p.C * (p.C - 1) / 2
    return {
        "array": 1,
        "element": pes,
        "registers": skewed * (not resident) + given
        + pes * (not resident) * (activations + weights * passed) + p.C * weights * (not passed),
        "registers that wait": resident * (skewed + pes * (activations + 2 * weights + value)
                                           + value * p.C * (p.C - 1) / 2 + p.R * activations),
        "accumulator": pes * value * (not resident),
        "way out": pes * value * (p.drain == "shift"),
        "way out, multiplexer": pes * value * (p.drain == "mux"),
        "select": pes * p.dot * choices,
        "rows": pes * p.dot * rows,
        "sum": pes * p.acc_bits,
        "encoder": p.dot * len(p.form.digits) * (p.C * p.recodes + pes * (p.encode == "pe")),
        "decoder": pes * p.dot * p.form.lines,
        "column": p.C * p.acc_bits,
        "column, partial sums": p.C * p.acc_bits * resident}


def _bitmod_tile(p: BitmodTileParameters) -> Terms:
    pes, word = p.rows * p.columns, p.align_bits + 3
    dequantisers = p.columns / p.sharing_columns
    return {
        "tile": 1,
        "operands held": p.rows * p.lanes * (p.align_bits + 17) + p.columns * p.lanes * 12,
        "aligners": p.rows * p.lanes * shifter(p.align_bits),
        "encoders": p.columns * p.lanes,
        "element": pes,
        "products": pes * p.lanes * word,
        "products, register": pes * p.pipeline * (word + log2(p.lanes)),
        "accumulator": pes * p.pe.row_bits,
        "sums over groups": pes * 32,
        "dequantiser": dequantisers,
        "dequantiser, multiplier": dequantisers * 8 * p.pe.row_bits,
        "dequantiser, normaliser": dequantisers * shifter(p.pe.row_bits + 8),
        "scales": p.columns * 8,
        "channel scale": p.out_columns * p.channel_scale}


#: generator -> amounts of its area
AREA: Mapping[str, Callable[[Any], Terms]] = {
    "lut_core": _lut_core, "dot_core": _dot_core, "systolic": _systolic,
    "bitmod_tile": _bitmod_tile}


def terms_of(p: Parameters, figure: str) -> Terms:
    """Amounts for ``area`` or ``delay`` of a design.

    :class:`UsageError` for a generator or an option without a model.
    """
    models = {"area": AREA, "delay": DELAY}[figure]
    if p.generator not in models:
        raise UsageError(f"{p.generator} has no cost model; those that have: {', '.join(models)}")
    check(p)
    return {name: float(amount) for name, amount in models[p.generator](p).items()}
