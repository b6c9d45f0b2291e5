"""Ternary weights: tables of trits against multipliers, planes of bits and FP16."""

from __future__ import annotations

from typing import Any

from ..plain import plain_mac
from ..study import Reference, Row, Study, Weights, same

__all__ = ["STUDY"]

INT8 = "--a-format int8 --acc-width 24 --lanes 1"
TABLE = "lut_core --radix 3 --M 2"


def trits(p: Any) -> float:
    return float(p.M * p.N * p.K * p.groups)


STUDY = Study(
    "ternary", "Ternary weights",
    "What does a multiply-accumulate with a weight of -1, 0 or 1 cost in a table of trits, in "
    "planes of bits, and by multipliers?",
    (
        Row("a * w, INT8 x INT2", "sum of twelve `a * w` left to synthesis, 24-bit accumulator",
            same(12), "cell", module="plain_mac", verilog=plain_mac(8, 2, 24, 12)),
        Row("direct, INT8 x INT2", f"dot_core --M 2 --N 8 --K 12 --w-format int2 {INT8}", same(12),
            "cell", module="dot_cell"),
        Row("direct, INT8 x trits", f"dot_core --M 2 --N 8 --K 12 --w-format ternary {INT8}",
            same(12), "cell", module="dot_cell"),
        Row("table of bits, two planes, INT8",
            f"lut_core --M 2 --N 8 --K 4 --groups 3 --w-bits 2 {INT8}", same(6), "cell",
            module="lut_cell"),
        *(Row(f"table of {k} {'trits' if k > 1 else 'trit'}, INT8",
              f"{TABLE} --N 8 --K {k} --groups {groups} {INT8}", same(k * groups), "cell",
              module="lut_cell") for k, groups in ((1, 8), (2, 6), (3, 4))),
        Row("core of trits, INT8", f"{TABLE} --N 16 --K 2 --groups 6 {INT8}", trits, "core"),
        Row("FP16 PE", "fp16_pe", same(1), "cell"),
        *(Row(f"core of trits, FP16, {acc.upper()} sums",
              f"{TABLE} --N 16 --K 2 --groups 6 --acc {acc} --lanes 1", trits, "core")
          for acc in ("fp16", "fp32")),
        Row("decoder of five trits", "weight_unpack --code trits5", same(5), "cell"),
        Row("decoder of 3:4 sparse trits", "weight_unpack --code sherry", same(4), "cell"),
    ),
    (
        Reference("area of multipliers over that of ternary tables", 2.2,
                  "generator of ternary tables, mostly FP16", "table of 2 trits, INT8",
                  "a * w, INT8 x INT2", "density"),
    ),
    errors=(
        Weights("direct, INT8 x trits", "ternary"),
        # its own levels, which take no zero points
        Weights("table of bits, two planes, INT8", "lut2_sym"),
        *(Weights("table of 2 trits, INT8", form) for form in ("ternary", "sherry")),
        Weights("table of 2 trits, INT8", "ternary2", passes=2)))
