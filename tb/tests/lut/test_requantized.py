"""Results of int8: whole products against exact fractions, and what is refused."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lowbit.golden.lut.direct_gemm import DirectOperands, DirectWorkload
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.workload import LutWorkload
from lowbit.golden.parameters import ParameterError

ROWS, COLUMNS, K = 5, 7, 40


def scales(rng: np.random.Generator) -> dict[str, Any]:
    """Results of some bits, ties among them (multiplier 1), and both ends."""
    return {"multiplier": np.array([1, 1, 1 << 30, (1 << 31) - 1, 3, 0, 1]),
            "shift": np.array([7, 8, 38, 36, 9, 5, 0]),
            "out_zero": rng.integers(-128, 128, COLUMNS)}


def meant(sums: Any, by: dict[str, Any]) -> list[list[int]]:
    return [[max(-128, min(127, math.floor(Fraction(int(s) * int(by["multiplier"][n]),
                                                    1 << int(by["shift"][n])) + Fraction(1, 2))
                           + int(by["out_zero"][n]))) for n, s in enumerate(row)] for row in sums]


@pytest.mark.parametrize("zero", [False, True])
def test_table_reads(zero: bool) -> None:
    rng = np.random.default_rng(1)
    p = LutCoreParameters(M=2, N=3, K=3, a_format="int8", out_format="int8")
    a, q, by = rng.integers(-128, 128, (ROWS, K)), rng.integers(0, 16, (COLUMNS, K)), scales(rng)
    z = rng.integers(0, 16, COLUMNS) if zero else None
    odd = 2 * (q - z[:, None]) if z is not None else 2 * q - 15
    got = LutWorkload(p, Operands(a, q.astype(np.uint8), 4, z, **by)).golden()
    assert got.tolist() == meant(a @ odd.T, by)


def test_direct() -> None:
    rng = np.random.default_rng(2)
    p = DotCoreParameters(M=2, N=3, K=4, a_format="int8", w_format="int8", out_format="int8")
    a, w = (rng.integers(-128, 128, (n, K)) for n in (ROWS, COLUMNS))
    by = scales(rng)
    got = DirectWorkload(p, DirectOperands(a, w, **by)).golden()
    assert got.tolist() == meant(a @ w.T, by)


@pytest.mark.parametrize(("options", "message"), [
    (dict(a_format="fp16"), "--out-format must be fp32 or fp16 for floating results"),
    (dict(group_scale="fp16"), "--out-format must be fp32 or fp16 with --group-scale")])
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        DotCoreParameters(**{"a_format": "int8", "out_format": "int8", **options})


@pytest.mark.parametrize(("parameters", "changes", "message"), [
    ({}, {"shift": None}, "--out-format int8 needs --multiplier, --shift, --out-zero"),
    ({}, {"shift": np.full(COLUMNS, 63)}, "--out-format int8: shift must be 0..62; got 63..63"),
    ({}, {"out_zero": np.zeros(3, np.int64)}, "--out-zero must have one integer for each of 7"),
    ({}, {"scale": np.ones(COLUMNS, np.float32)}, "--out-format int8 scales whole columns"),
    ({"max_k": 36}, {}, "k is longer than --max-k 36, and results of int8 are no partial sums"),
    ({"out_format": None}, {}, "--multiplier belongs to --out-format int8; leave it out")])
def test_operands_refused(parameters: dict[str, Any], changes: dict[str, Any],
                          message: str) -> None:
    p = DotCoreParameters(**{"a_format": "int8", "out_format": "int8", **parameters})
    operands = scales(np.random.default_rng(3)) | changes
    with pytest.raises(ParameterError, match=re.escape(message)):
        DirectWorkload(p, DirectOperands(np.ones((ROWS, K), int), np.ones((COLUMNS, K), int),
                                         **operands))
