#!/usr/bin/env python3
"""Area of what block formats and L-Mul take, each beside what it replaces.

    python scripts/studies/bench_blocks.py [--liberty FILE ...] [--json] [--only scales,...]

Tables: ``scales``: the group scale unit of the LUT core and that of a BitMoD column, by kind of
scale; ``decoder``: BitMoD's term generator with and without flint4; ``lmul``: L-Mul over the exact
multiplier rounded to the same format, and the relative error of its products.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from measure import Measure, Row, Table, main

from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.baselines.l_mul import l_mul
from lowbit.golden.bitmod.parameters import BitmodPeParameters, BitmodTermGeneratorParameters
from lowbit.golden.formats import BF16, FP8_E4M3, FP16, FloatFormat
from lowbit.golden.group_scale import SCALE_KINDS
from lowbit.hdl.baselines.l_mul import LMul
from lowbit.hdl.bitmod.group_scale import GroupScale as BitmodGroupScale
from lowbit.hdl.bitmod.term_generator import TermLanes
from lowbit.hdl.common.fp_mul import FpMul
from lowbit.hdl.common.group_scale import GroupScale


def _row(measure: Measure, names: Sequence[str], design: str, component: Any) -> Row:
    if design not in measure.designs:
        measure.add(design, emit_component(component, top="part"))
    return {"design": design, **measure.areas(design, names)}


def _over(rows: list[Row], first: int) -> None:
    """Areas over those of the row ``first``."""
    base = rows[first]
    for row in rows[first:]:
        row |= {f"ratio_{name}": row[name] / base[name] for name in ("plain", "best")}


def scale_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    rows = [_row(measure, names, f"lut_core unit, {kind}", GroupScale(SCALE_KINDS[kind]))
            for kind in ("fp32", "fp16", "int8", "e4m3", "e8m0")]
    _over(rows, 0)
    column = BitmodPeParameters()
    rows += [_row(measure, names, f"bitmod column, {kind}", BitmodGroupScale(column, kind))
             for kind in ("int8", "e4m3", "e8m0")]
    _over(rows, 5)
    return rows


def decoder_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    rows = [_row(measure, names, f"4 lanes{', flint4' if flint else ''}",
                 TermLanes(BitmodTermGeneratorParameters(flint=flint))) for flint in (False, True)]
    _over(rows, 0)
    return rows


def _errors(fmt: FloatFormat) -> dict[str, float]:
    """Relative errors of products of significands, uniform in the fraction, far from the ends."""
    rng = np.random.default_rng(0)
    a, b = fmt.bias << fmt.mbits | rng.integers(0, 1 << fmt.mbits, (2, 1 << 18))
    exact = fmt.to_float64(a) * fmt.to_float64(b)

    def error(codes: Any) -> Any:
        return fmt.to_float64(codes) / exact - 1

    ours, rounded = error(l_mul(fmt, a, b)), error(fmt.from_float64(exact))
    return {"mean": float(ours.mean()), "rms": float(np.sqrt((ours**2).mean())),
            "largest": float(np.abs(ours).max()),
            "rounding_rms": float(np.sqrt((rounded**2).mean()))}


def lmul_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    rows = []
    for fmt in (FP16, BF16, FP8_E4M3):
        pair = [_row(measure, names, f"{fmt.name}, exact", FpMul(fmt, fmt, fmt)),
                _row(measure, names, f"{fmt.name}, L-Mul", LMul(fmt))]
        _over(pair, 0)
        pair[1] |= _errors(fmt)
        rows += pair
    return rows


AREAS = {"plain": "10.0f", "best": "10.0f", "ratio_plain": "13.3f", "ratio_best": "12.3f"}
TABLES = {
    "scales": Table("Group scale units by kind of scale", scale_rows, AREAS,
                    "product, registers and rounding; the LUT core's with its FP32 sum as well; "
                    "ratio: over the first of each"),
    "decoder": Table("BitMoD term generator", decoder_rows, AREAS, "four weights, without the "
                     "register file of special values"),
    "lmul": Table("L-Mul over the multiplier of the same format", lmul_rows,
                  AREAS | {"mean": "9.4f", "rms": "9.4f", "largest": "9.4f",
                           "rounding_rms": "14.5f"},
                  "relative errors over fractions that are all equally likely; rounding: of the "
                  "exact product to the format"),
}


if __name__ == "__main__":
    sys.exit(main("bench_blocks", __doc__ or "", TABLES, "no effect: all parts are small"))
