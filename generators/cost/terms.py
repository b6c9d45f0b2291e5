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
from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.core_parameters import LutCoreParameters
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.parameters import Parameters
from lowbit.golden.systolic.parameters import SystolicParameters

from ..errors import UsageError

__all__ = ["AREA", "DELAY", "Terms", "terms_of"]

Terms = dict[str, float]


def _lanes(p: LutCoreParameters) -> Terms:
    """Of the ways out: converters, partial sums, group scales; and sums over groups."""
    lanes = p.out_lanes * p.chains
    floats = isinstance(p.out, FloatFormat)
    scaled = p.scales_groups
    return {
        "lane": lanes,
        "lane, converter": lanes * floats * p.acc_bits,
        "lane, partial sums": lanes * p.preload * (not scaled) * (1 if floats else 0),
        "lane, integer partial sums": lanes * p.preload * (not floats) * p.out.bits,
        "lane, scale": lanes * scaled,
        "lane, scale of 24 bits": lanes * (p.group_scale == "fp32"),
        "lane, offset": lanes * (scaled and p.offset != "none"),
        "sums over groups": p.M * p.N * 32 * scaled,
        "row sums": p.M * p.has_row_sums * p.acc_bits,
    }


def _frame(p: LutCoreParameters) -> Terms:
    """Of a core: accumulators, their second set, and the way out."""
    cells, floating = p.M * p.N, p.is_aligned
    return {
        "core": 1,
        "row": p.M,
        "row, exponents": p.M * floating,
        "accumulator": cells * p.acc_bits,
        "second accumulator": cells * p.acc_bits * (p.buffer == "double"),
        "carries kept": cells * (-(-p.acc_bits // p.segment_bits) - 1),
        "cell": cells,
        **_lanes(p)}


def _lut_core(p: LutCoreParameters) -> Terms:
    if p.is_float or p.is_quantized or p.unpack != "none":
        raise UsageError("no cost model of --datapath float, --table-format int8 or --unpack; leave "
                         "--estimate out")
    cells, reads = p.M * p.N, p.M * p.N * p.groups
    entries = _entries(p)
    digits = p.K * (p.radix - 1)
    return _frame(p) | {
        "table": p.M * p.groups * entries * p.entry_bits,
        "select": reads * entries * p.entry_bits,
        "sign": reads * p.entry_bits,
        "compressor": cells * (p.groups - 1) * p.entry_bits,
        "selected words": cells * p.entry_bits * (p.pipeline == 2),
        "weights": p.N * p.groups * digits,
        "decoder": p.N * p.groups * entries}


def _entries(p: Any) -> int:
    return int(p.derived()["entries"])


def _dot_core(p: DotCoreParameters) -> Terms:
    f = p.frame
    cells, form = f.M * f.N, f.form
    steps = sum(len(digit.choices) * digit.row_bits(f.read_bits) for digit in form.digits)
    return _frame(f) | {
        "activations": f.M * p.K * f.entry_bits,
        "multiples": f.M * p.K * f.entry_bits * (len(form.multiples) - 1),
        "select": cells * p.K * steps,
        "rows": cells * p.K * sum(digit.row_bits(f.read_bits) for digit in form.digits),
        "selected words": cells * f.entry_bits * (p.pipeline == 2),
        "weights": f.N * p.K * f.weight_bits,
        "recoder": f.N * p.K * f.recodes * len(form.digits),
        "decoder": f.N * p.K * form.lines}


def _systolic(p: SystolicParameters) -> Terms:
    if p.requantizes or p.skew == "out":
        raise UsageError("no cost model of --out-format int8 or --skew out; leave --estimate out")
    pes = p.R * p.C
    rows = sum(digit.row_bits(p.a_bits) for digit in p.form.digits)
    choices = sum(len(digit.choices) * digit.row_bits(p.a_bits) for digit in p.form.digits)
    kept = -(-p.acc_bits // p.segment_bits) - 1
    resident = p.dataflow == "ws"
    drains = (p.dataflow == "os") * (p.drain != "mux")
    return {
        "array": 1,
        "edge, activations": p.dot * p.a_bits * p.R * (p.R - 1) / 2,
        "edge, weights": p.dot * p.weight_bits * p.C * (p.C - 1) / 2,
        "encoder": p.C * p.dot * p.recodes * len(p.form.digits),
        "encoder of an element": pes * p.dot * (p.encode == "pe") * len(p.form.digits),
        "element": pes,
        "activations": pes * p.dot * p.a_bits,
        "weights": pes * p.dot * p.moved_bits * (p.weights == "pass" or resident),
        "resident weights": pes * p.dot * p.moved_bits * resident,
        "select": pes * p.dot * choices,
        "rows": pes * p.dot * rows,
        "accumulator": pes * p.acc_bits,
        "carries kept": pes * kept,
        "way out": pes * p.acc_bits * drains,
        "way out, multiplexer": pes * p.acc_bits * (p.dataflow == "os" and p.drain == "mux"),
        "column": p.C * p.acc_bits,
        "column, carries": p.C * kept * p.segment_bits}


def _bitmod_tile(p: BitmodTileParameters) -> Terms:
    if p.align != "row" or p.exponent != "given" or p.group_scale != "int8":
        raise UsageError("no cost model of --align cycle, --exponent scan or --group-scale; leave "
                         "--estimate out")
    pes = p.rows * p.columns
    accumulators = p.rows * p.columns / p.sharing_columns
    return {
        "tile": 1,
        "row": p.rows,
        "aligners": p.rows * p.lanes * p.align_bits,
        "column": p.columns,
        "encoders": p.columns * p.lanes,
        "element": pes,
        "terms": pes * p.lanes * p.align_bits,
        "accumulator": pes * p.pe.row_bits,
        "dequantiser": p.columns / (p.scale_columns or 1),
        "sums over groups": pes * 32,
        "scaling": accumulators,
        "channel scale": p.out_columns * p.channel_scale,
        "way out": p.out_columns}


def _of_core(p: LutCoreParameters, words: float) -> Terms:
    """Delay: the accumulators, the tree before them, and the lanes."""
    floats = isinstance(p.out, FloatFormat)
    return {
        "one": 1,
        "carry chain": log2(p.segment_bits), "carries": p.segment_bits,
        "words": words, "tree": log2(p.groups) if p.groups > 1 else 0.0,
        "no register": p.pipeline == 0, "selected words": p.pipeline == 2,
        "fan-out": log2(p.M * p.N), "fan-out of a row": log2(p.N),
        "converter": floats * log2(p.acc_bits), "floats": floats,
        "partial sums": p.preload and floats and not p.scales_groups,
        "scale": p.scales_groups, "scale of 24 bits": p.group_scale == "fp32"}


def _lut_delay(p: LutCoreParameters) -> Terms:
    _lut_core(p)        # refuses what has no model
    return _of_core(p, log2(_entries(p)))


def _dot_delay(p: DotCoreParameters) -> Terms:
    return _of_core(p.frame, log2(max(p.frame.form.lines, 1))) | {
        "rows": log2(len(p.frame.form.digits) * p.K)}


def _systolic_delay(p: SystolicParameters) -> Terms:
    _systolic(p)
    return {
        "one": 1, "carry chain": log2(p.segment_bits) if p.segment_bits > 1 else 0.0,
        "carries": p.segment_bits, "rows": log2(p.dot * len(p.form.digits)),
        "resident": p.dataflow == "ws", "encoder": p.encode == "pe",
        "fan-out": log2(p.R) * (p.weights == "broadcast"), "size": log2(p.R * p.C),
        "multiplexer": log2(p.R) * (p.dataflow == "os" and p.drain == "mux")}


def _bitmod_delay(p: BitmodTileParameters) -> Terms:
    _bitmod_tile(p)
    return {"one": 1, "lanes": log2(p.lanes), "align": p.align_bits, "rows": log2(p.rows),
            "columns": log2(p.columns), "pipeline": p.pipeline,
            "sharing": log2(p.sharing_columns), "accumulator": p.pe.row_bits}


#: generator -> amounts of its area, and of its longest path
AREA: Mapping[str, Callable[[Any], Terms]] = {
    "lut_core": _lut_core, "dot_core": _dot_core, "systolic": _systolic,
    "bitmod_tile": _bitmod_tile}
DELAY: Mapping[str, Callable[[Any], Terms]] = {
    "lut_core": _lut_delay, "dot_core": _dot_delay, "systolic": _systolic_delay,
    "bitmod_tile": _bitmod_delay}


def terms_of(p: Parameters, figure: str) -> Terms:
    """Amounts for ``area`` or ``delay`` of a design.

    :class:`UsageError` for a generator or an option without a model.
    """
    models = {"area": AREA, "delay": DELAY}[figure]
    if p.generator not in models:
        raise UsageError(f"{p.generator} has no cost model; those that have: {', '.join(models)}")
    return {name: float(amount) for name, amount in models[p.generator](p).items()}
