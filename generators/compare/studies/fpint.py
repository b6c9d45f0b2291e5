"""FP16 activations times integers of few bits: direct products, tables, bit-serial terms."""

from __future__ import annotations

from ..study import Reference, Row, Study, same

__all__ = ["STUDY"]

DOT = "dot_core --M 2 --N 8 --K 4 --lanes 1"
LUT = "lut_core --M 2 --N 8 --K 4 --lanes 1"

STUDY = Study(
    "fpint", "FP16 activations times integer weights",
    "How much of a table's gain over FP16 units is left against a good direct product?",
    (
        Row("FP16 PE", "fp16_pe", same(1), "cell"),
        Row("FP16 dot product of four", "fp16_dot --K 4 --tree fp16 --acc fp16", same(4), "cell"),
        Row("the same, INT4 made FP16 before",
            "fp16_dot --K 4 --tree fp16 --acc fp16 --w-format int4", same(4), "cell"),
        *(Row(f"direct, W{bits}, {acc.upper()}",
              f"{DOT} --w-format int{bits} --acc {acc}", same(4), "cell", module="dot_cell")
          for acc in ("fp16", "fp32") for bits in (2, 4, 8)),
        *(Row(f"table, W{bits}, {acc.upper()}", f"{LUT} --w-bits {bits} --acc {acc}",
              same(4 / bits), "cell", module="lut_cell")
          for acc in ("fp16", "fp32") for bits in (1, 2, 4)),
        Row("BitMoD PE, INT4", "bitmod_pe", same(2), "cell"),
        Row("direct core, W4, FP16", "dot_core --M 2 --N 16 --K 4 --acc fp16 --lanes 1",
            same(128), "whole"),
        Row("table core, W4, FP16",
            "lut_core --M 2 --N 16 --K 4 --w-bits 4 --acc fp16 --lanes 1 --table-source internal",
            same(32), "whole"),
    ),
    (
        Reference("operations per area of FP16 x INT4 over FP16", 6.34, "FIGNA, 28 nm",
                  "direct, W4, FP16", "FP16 PE", "density"),
        Reference("area of FP16 x INT4 over FP16", 0.16, "FIGNA, whole unit", "direct, W4, FP32",
                  "FP16 PE", "cost",
                  "Sums of FP32 accuracy: aligned activations of 25 bits. With those of 13 bits, "
                  "which do what FP16 sums do, it is the row “direct, W4, FP16”."),
    ))
