"""BitMoD (HPCA'25) against FP16 processing elements."""

from __future__ import annotations

from ..study import Reference, Row, Study, same

__all__ = ["STUDY"]

PAPER = "BitMoD, 28 nm"
PE = "bitmod_pe"
ALIGNED = ("The paper's PE aligns its activations every cycle, as “BitMoD PE, aligned each cycle” "
           "does. Ours get them aligned once for each row and group; the aligners are outside, and "
           "serve all columns (docs/bitmod.md, Area, counts them).")

STUDY = Study(
    "bitmod", "Bit-serial BitMoD processing elements against FP16",
    "What does a multiply-accumulate cost that takes as many cycles as its weights have terms?",
    (
        Row("FP16 PE", "fp16_pe", same(1), "cell", path=True),
        Row("FP16 PE of normal operands", "fp16_pe --operands normal", same(1), "cell"),
        Row("FP16 PE, FP16 accumulator", "fp16_pe --acc fp16", same(1), "cell"),
        *(Row(f"BitMoD PE, {name}", PE, same(4 / terms), "cell", path=terms == 2)
          for name, terms in (("FP4", 2), ("INT6", 3), ("INT8", 4))),
        Row("BitMoD PE, aligned each cycle, FP4", f"{PE} --align cycle", same(2), "cell"),
        Row("64 BitMoD PEs, FP4", PE, same(2), "core", times=64),
        Row("48 FP16 PEs", "fp16_pe", same(1), "core", times=48),
    ),
    (
        Reference("area of a PE over that of an FP16 PE", 0.76, PAPER, "BitMoD PE, FP4", "FP16 PE",
                  "area", ALIGNED),
        Reference("64 PEs without encoders over 48 FP16 PEs (Table X)", 1.017, PAPER,
                  "64 BitMoD PEs, FP4", "48 FP16 PEs", "area", ALIGNED),
    ))
