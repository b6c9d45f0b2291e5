"""What the longest path of a design is made of: that of its longest stage.

A sized netlist is as slow as the slowest of a few paths between registers, each of its own parts:
the loop of an accumulator with what comes before it, the way out, the unit of scales. So the terms
are named ``stage: part``, a stage is a sum of amounts times coefficients, and the delay is the
largest of the stages. Synthesis stops making a path shorter where it meets the clock it is sized
for: that is a stage too (``clock``). Chains of carries are ripples: their bits count as they are; a
choice or a tree counts by the logarithm of what goes into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2
from typing import Any

from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.lut.core_parameters import LutCoreParameters
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.systolic.parameters import SystolicParameters

from .amounts import Terms, factor_bits

__all__ = ["DELAY"]

Stages = dict[str, Terms]


def _named(stages: Stages) -> Terms:
    """One dictionary; every stage has a constant part."""
    return {f"{stage}: {part}": amount for stage, parts in stages.items()
            for part, amount in parts.items()}


def _present(there: bool, parts: Terms) -> Terms:
    """A stage, with its constant part, or one that takes no time as the design has none."""
    return {part: amount * there for part, amount in {"one": 1.0, **parts}.items()}


def _of_core(p: LutCoreParameters) -> Stages:
    """Of any core: the way out, integer partial sums, and scales of groups."""
    width = p.acc_bits + (p.w_bits + 1) * p.has_codes
    scaled = p.scales_groups
    adds = p.preload and not scaled and p.result_float is None
    return {
        "clock": _present(True, {}),
        "lane": _present(True, {"sum": width}),
        "partial sums": _present(adds, {"sum": p.psum.bits}),
        "scale": _present(scaled, {"multiplier": factor_bits(p.factor_format) if scaled else 0})}


def _table(p: LutCoreParameters) -> Stages:
    """Of tables made inside: activations aligned and summed; the scan for their exponent."""
    inside, floating = p.table_source == "internal", p.is_aligned
    term = p.row_scale.term_bits + 1 if floating else p.activation.bits
    return {
        "table": _present(inside, {"adders": term, "aligners": floating,
                                   "levels": log2(p.K) if p.K > 1 else 0}),
        "scan": _present(inside and floating, {"tree": log2(1 + p.K * p.groups)})}


def _lut_core(p: LutCoreParameters) -> Terms:
    together = p.pipeline < 2       # read and accumulated in a cycle
    return _named(_of_core(p) | _table(p) | {
        "accumulate": _present(True, {
            "carries": min(p.segment_bits, p.word_bits),
            "select": together * log2(p.entries + (p.radix == 3)),
            "tree": together * log2(p.reads)})})


def _dot_core(p: DotCoreParameters) -> Terms:
    f, together = p.frame, p.pipeline < 2
    products = {"select": log2(f.form.lines), "tree": log2(p.K * len(f.form.digits)),
                "multiples": f.entry_bits * (len(f.form.multiples) > 1)}
    return _named(_of_core(f) | _table(f) | {
        "accumulate": _present(True, {
            "carries": min(f.segment_bits, f.word_bits),
            **{part: together * amount for part, amount in products.items()}}),
        "products": _present(not together, products | {"carries": f.entry_bits})})


def _systolic(p: SystolicParameters) -> Terms:
    return _named({
        "clock": _present(True, {}),
        "element": _present(True, {
            "carries": min(p.segment_bits, p.acc_bits),
            "tree": log2(p.dot * len(p.form.digits) + 1), "select": log2(p.form.lines)}),
        "way out": _present(p.drain == "shift", {"fan-out": log2(p.R * p.C)}),
        "lane": _present(True, {
            "sum": p.acc_bits, "multiplexer": (p.drain == "mux") * log2(p.R)})})


def _bitmod_tile(p: BitmodTileParameters) -> Terms:
    together = p.pipeline == 0
    return _named({
        "clock": _present(True, {}),
        "align": _present(True, {"rounding": p.align_bits}),
        "sum": _present(True, {"tree": log2(p.lanes), "carries": p.align_bits}),
        "accumulate": _present(True, {
            "carries": p.pe.row_bits, "tree": together * log2(p.lanes), "products": together}),
        "dequantise": _present(True, {"multiplier": p.pe.row_bits,
                                      "columns": log2(p.rows * p.sharing_columns)}),
        # a single sum over groups has no register behind it that its adder could be cut at
        "single sum": _present(p.sharing_sums == 1, {}),
        "channel": _present(p.channel_scale, {})})


#: generator -> amounts of its longest path, ``stage: part``
DELAY: Mapping[str, Callable[[Any], Terms]] = {
    "lut_core": _lut_core, "dot_core": _dot_core, "systolic": _systolic,
    "bitmod_tile": _bitmod_tile}
