"""Weight formats: what a product costs beside the error that the format makes."""

from __future__ import annotations

from ..study import Row, Study, Weights, same

__all__ = ["STUDY"]

DOT = "dot_core --M 2 --N 8 --K 8 --lanes 1"

STUDY = Study(
    "formats", "Weight formats: cost and error",
    "Which format buys the most accuracy for the area of its products?",
    (
        Row("INT4 x INT4", f"{DOT} --w-format int4 --a-format int4 --acc-width 32", same(8), "cell",
            module="dot_cell"),
        Row("MXFP4 x MXFP4", f"{DOT} --w-format e2m1 --a-format e2m1 --acc-width 32", same(8),
            "cell", module="dot_cell"),
        *(Row(f"{name} x INT8", f"{DOT} --w-format {form} --a-format int8 --acc-width 32", same(8),
              "cell", module="dot_cell")
          for name, form in (("INT8", "int8"), ("INT4", "int4"), ("E2M1", "e2m1"),
                             ("trits", "ternary"))),
        *(Row(f"{name} x FP16", f"{DOT} --w-format {form} --acc fp16", same(8), "cell",
              module="dot_cell")
          for name, form in (("INT8", "int8"), ("INT4", "int4"), ("INT3", "int3"),
                             ("E2M1", "e2m1"), ("BitMoD-4", "bitmod4"), ("BitMoD-3", "bitmod3"),
                             ("flint4", "flint4"), ("powers of two", "shift4"),
                             ("trits", "ternary"))),
        Row("BitMoD PE, four bits, bit-serial", "bitmod_pe", same(2), "cell"),
        Row("FP16 PE", "fp16_pe", same(1), "cell"),
        Row("FP16 dot product of four", "fp16_dot --K 4 --tree fp16 --acc fp16", same(4), "cell"),
        Row("the same with L-Mul", "fp16_dot --K 4 --tree fp16 --acc fp16 --multiply lmul", same(4),
            "cell"),
    ),
    errors=tuple(Weights(label, form) for label, form in (
        ("INT8 x FP16", "mxint8"), ("INT4 x FP16", "int4"), ("INT3 x FP16", "int3"),
        ("E2M1 x FP16", "mxfp4"), ("MXFP4 x MXFP4", "mxfp4"), ("BitMoD-4 x FP16", "bitmod4"),
        ("BitMoD-3 x FP16", "bitmod3"), ("flint4 x FP16", "flint4"),
        ("powers of two x FP16", "shift4"), ("trits x FP16", "ternary"),
        ("BitMoD PE, four bits, bit-serial", "bitmod4"))))
