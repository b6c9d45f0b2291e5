"""BitMoD (HPCA'25) against FP16 processing elements, direct products, and types of its rivals."""

from __future__ import annotations

from ..study import Reference, Row, Study, same

__all__ = ["STUDY"]

PAPER = "BitMoD, 28 nm"
PE = "bitmod_pe"
#: a tile, for its parts
TILE = "bitmod_tile --rows 1 --columns 1"
#: activations of as many bits as the PE's, sums as long as its groups
DOT = "dot_core --M 2 --N 8 --lanes 1 --entry-width 18 --max-k 128"
#: an FP16 element whose weights are codes of few bits
CODES = "fp16_dot --K 1 --tree fp32 --acc fp32"
ENCODER = "encoder of a column"
SPECIAL = "register file of special values"
ALIGNER = "aligner of a lane"
FEED = ((ENCODER, 8.0), (SPECIAL, 1.0))
ALL = (*FEED, (ALIGNER, 32.0))
FP16_TILE = "48 FP16 PEs"

ALIGNED = ("The paper's PE aligns its activations every cycle, as “BitMoD PE, aligned each cycle” "
           "does. Ours get them aligned once for each row and group; the aligners are outside, and "
           "serve all columns (docs/bitmod.md, Area, counts them).")
CHOICES = ("How wide the paper's PE accumulates is not said; ours keeps 24 bits of a sum. Its "
           "PEs are made for 1 GHz; of ours the smallest netlist counts, whatever its path.")
FED = ("The paper aligns inside the PE, every cycle; here that is 32 aligners for 64 PEs, and an "
       "integer adder is left in each. “64 BitMoD PEs with encoders and aligners” counts all.")
SPEED = ("The published figure is of whole layers at equal area, of 4-bit weights where computing "
         "is the bound, and not of areas alone. Our PE is smaller beside an FP16 PE than the "
         "paper's, whose forms of the rivals' PEs are not public: here their codes become FP16 "
         "and synthesis narrows the multiplier.")


def tile(name: str, terms: int, pe: str, parts: tuple[tuple[str, float], ...] = ()) -> Row:
    """A tile's 64 PEs of four lanes, with parts that they share."""
    return Row(f"64 BitMoD PEs{name}", pe, same(4 / terms), "core", times=64, plus=parts)


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
        Row("BitMoD PE with pairs (OliVe)", f"{PE} --olive", same(2), "cell"),
        Row(ENCODER, TILE, same(2), "cell", module="bitmod_encoder"),
        Row(f"{ENCODER}, flint4 (ANT) too", f"{TILE} --flint", same(2), "cell",
            module="bitmod_encoder"),
        Row(f"{ENCODER}, pairs (OliVe) too", f"{TILE} --olive", same(2), "cell",
            module="bitmod_encoder"),
        Row(SPECIAL, TILE, same(128), "cell", module="bitmod_tile_special_values"),
        Row(ALIGNER, TILE, same(4), "cell", module="bitmod_aligner"),
        Row("encoders of eight columns", TILE, same(2), "core", module="bitmod_encoder", times=8,
            plus=((SPECIAL, 1.0),)),
        tile(", FP4", 2, PE),
        tile(" with encoders, FP4", 2, PE, FEED),
        *(tile(f" with encoders and aligners, {name}", terms, PE, ALL)
          for name, terms in (("FP4", 2), ("INT6", 3), ("INT8", 4))),
        tile(" with encoders and aligners, flint4", 2, PE,
             ((f"{ENCODER}, flint4 (ANT) too", 8.0), *ALL[1:])),
        tile(" with encoders and aligners, pairs", 2, f"{PE} --olive",
             ((f"{ENCODER}, pairs (OliVe) too", 8.0), *ALL[1:])),
        Row(FP16_TILE, "fp16_pe", same(1), "core", times=48),
        Row("FP16 element, flint4 (ANT) made FP16", f"{CODES} --w-format flint4", same(1), "cell"),
        Row("FP16 element, pairs (OliVe) made FP16", f"{CODES} --w-format olive4", same(1), "cell"),
        *(Row(f"direct, four of {name}", f"{DOT} --K 4 --w-format {form}", same(4), "cell",
              module="dot_cell")
          for name, form in (("INT8", "int8"), ("INT4", "int4"), ("flint4 (ANT)", "flint4"),
                             ("pairs (OliVe)", "olive4"))),
        Row("FP-INT8 element", f"{DOT} --K 1 --w-format int8", same(1), "cell", module="dot_cell"),
        Row("two FP-INT4 elements", f"{DOT} --K 1 --w-format int4", same(1), "core",
            module="dot_cell", times=2),
    ),
    (
        Reference("area of a PE over that of an FP16 PE", 0.76, PAPER, "BitMoD PE, FP4", "FP16 PE",
                  "area", ALIGNED),
        Reference("the same, aligned each cycle as there", 0.76, PAPER,
                  "BitMoD PE, aligned each cycle, FP4", "FP16 PE", "area", CHOICES),
        Reference("64 PEs with encoders over 48 FP16 PEs (Table X)", 1.042, PAPER,
                  "64 BitMoD PEs with encoders, FP4", FP16_TILE, "area", FED),
        Reference("the same, our aligners counted", 1.042, PAPER,
                  "64 BitMoD PEs with encoders and aligners, FP4", FP16_TILE, "area", FED),
        Reference("encoders over PEs (Table X)", 0.025, PAPER,
                  "encoders of eight columns", "64 BitMoD PEs, FP4", "area"),
        Reference("speed of INT6 over FP16 at equal area (Fig. 7)", 1.99, PAPER,
                  "64 BitMoD PEs with encoders and aligners, INT6", FP16_TILE, "density"),
        Reference("speed over ANT at equal area (Fig. 7)", 1.72, PAPER,
                  "64 BitMoD PEs with encoders and aligners, FP4",
                  "FP16 element, flint4 (ANT) made FP16", "density", SPEED),
        Reference("speed over OliVe at equal area (Fig. 7)", 1.56, PAPER,
                  "64 BitMoD PEs with encoders and aligners, FP4",
                  "FP16 element, pairs (OliVe) made FP16", "density", SPEED),
        Reference("64 PEs without encoders over 48 FP16 PEs (Table X)", 1.017, PAPER,
                  "64 BitMoD PEs, FP4", FP16_TILE, "area", ALIGNED),
    ))
