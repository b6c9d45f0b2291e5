"""LUT Tensor Core (ISCA'25) against FP16 dot products, and the ablations of its table."""

from __future__ import annotations

from typing import Any

from ..study import Reference, Row, Study, same

__all__ = ["STUDY"]

CORE = "lut_core --M 2 --N 64 --K 4"
SMALL = "lut_core --M 2 --N 8 --K 4 --w-bits 1 --acc fp16"
PAPER = "LUT Tensor Core, 28 nm"


def planes(p: Any) -> float:
    """Multiply-accumulates a cycle: a weight takes one for each beat of its planes."""
    return float(p.M * p.N * p.K * p.groups * p.parallel_planes / p.w_bits)


def shared(n: int) -> tuple[Row, Row]:
    """A core of n columns and the same with the table that its columns share."""
    label = f"LUT core of {n} columns, W2"
    core = f"lut_core --M 2 --N {n} --K 4 --w-bits 2 --acc fp16"
    return (Row(label, core, planes, "core"),
            Row(f"{label}, with its table", core, planes, "whole",
                plus=(("table for 64 columns", 1.0),)))


STUDY = Study(
    "lut", "Lookup tables against multiply-accumulate",
    "What does a multiply-accumulate of FP16 activations and weights of 1 to 4 bits cost, and "
    "which part of the table's form saves what?",
    (
        Row("FP16 dot product of four", "fp16_dot --K 4 --tree fp16 --acc fp16", same(4), "cell"),
        Row("the same, with registers", "fp16_dot --K 4 --tree fp16 --acc fp16 --pipeline 1",
            same(4), "cell"),
        Row("128 FP16 dot products", "fp16_dot --K 4 --tree fp16 --acc fp16", same(4), "core",
            times=128),
        Row("table for 64 columns", "lut_table --M 2 --K 4 --acc fp16", same(512), "cell"),
        *(Row(f"LUT core, W{bits}", f"{CORE} --w-bits {bits} --acc fp16", planes, "core")
          for bits in (1, 2, 4)),
        Row("LUT core with its table, W1", f"{CORE} --w-bits 1 --acc fp16", planes, "whole",
            plus=(("table for 64 columns", 1.0),)),
        *(row for n in (4, 16) for row in shared(n)),
        Row("LUT core of 64 columns, W2, with its table", f"{CORE} --w-bits 2 --acc fp16", planes,
            "whole", plus=(("table for 64 columns", 1.0),)),
        *(Row(f"LUT core of 16 columns, W{bits}, {count} planes a beat, with its table",
              f"lut_core --M 2 --N 16 --K 4 --w-bits {bits} --parallel-planes {count} --acc fp16",
              planes, "whole", plus=(("table for 64 columns", 1.0),))
          for bits, count in ((2, 2), (4, 2), (4, 4))),
        Row("LUT core, W2, FP32", f"{CORE} --w-bits 2 --acc fp32", planes, "core"),
        Row("LUT core of 8 columns, W1", SMALL, planes, "core"),
        Row("the same, full table", f"{SMALL} --table full --select binary", planes, "core"),
        Row("the same, negation in hardware",
            f"{SMALL} --negation hardware --select binary", planes, "core"),
        Row("the same, groups of two tables", f"{SMALL} --groups 2", planes, "core"),
        Row("the same, K = 2", SMALL.replace("--K 4", "--K 2"), planes, "core"),
        Row("the same, K = 5", SMALL.replace("--K 4", "--K 5"), planes, "core"),
    ),
    (
        Reference("operations per area of a dot product unit, W1", 18.2, PAPER, "LUT core, W1",
                  "FP16 dot product of four", "density"),
        Reference("area of a tensor core at equal work, W1", 0.143, PAPER, "LUT core, W1",
                  "128 FP16 dot products", "area",
                  "Our cells add aligned integers, where the paper's outputs add in FP16, and "
                  "its figure is of a whole tensor core with what both forms have in common."),
        Reference("density over UNPU", 1.44, PAPER, "LUT core of 8 columns, W1",
                  "the same, negation in hardware", "density",
                  "The two rows differ in how a pattern is read and negated and in nothing else, "
                  "and synthesis takes most of that away; UNPU differs from LUT Tensor Core in "
                  "more than this."),
    ))
