"""The LUT core's RTL equals its golden model: a pairwise covering array of its parameters.

Every configuration is emitted, built with Verilator and run on its bench from random start state:
at least 200 output words, all corner rows, the longest operation, a run broken off by reset.
"""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from lowbit.golden.lut.core import operation
from lowbit.golden.lut.packing import weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.table import make_tables
from lowbit.tb.support import lut_space
from lowbit.tb.support.lut_run import VECTORS, run_bench

REGRESSION = lut_space.regression(LutCoreParameters)


def check(p, seed, simulator="verilator"):
    outcome = run_bench(p, seed=seed, simulator=simulator)
    assert outcome.passed, f"gen verify lut_core {p.flags()} --seed {seed}: {outcome.message}"
    assert outcome.stats["words"] >= VECTORS and outcome.stats["mismatches"] == 0


@pytest.mark.parametrize(("seed", "p"), list(enumerate(REGRESSION, 1)),
                         ids=[f"{i}-{lut_space.label(p)}" for i, p in enumerate(REGRESSION, 1)])
def test_equals_golden(seed, p):
    check(p, seed)


def test_default_equals_golden():
    """The paper's headline core, M2N64K4."""
    check(LutCoreParameters(), 1)


@pytest.mark.skipif(shutil.which("iverilog") is None,
                    reason="Icarus Verilog is not installed (apt-get install iverilog)")
@pytest.mark.parametrize("p", [
    LutCoreParameters(a_format="int8", M=2, N=3, K=3, w_bits=2, max_k=60, pipeline=2),
    LutCoreParameters(a_format="fp8_e4m3", M=1, N=2, w_bits=2, max_k=60, buffer="double",
                      table_source="internal", reset="async_low")], ids=lut_space.label)
def test_equals_golden_in_icarus(p):
    """A second simulator, in which everything that is not reset starts as X."""
    check(p, 1, "icarus")


INTEGER = [p for p in REGRESSION if isinstance(p, LutCoreParameters) and p.is_integer
           and p.acc_width is None and not p.scales_groups]


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("p", INTEGER, ids=lut_space.label)
def test_default_accumulator_never_wraps(p, turn):
    """The longest operation with the largest numbers: exact, and not far below the width.

    The bench cannot see this, as the golden model wraps where the hardware does.
    """
    k = -(-p.max_k // (p.K * p.groups)) * p.K * p.groups
    fmt, top = p.activation, (1 << p.w_bits) - 1
    a = np.full((1, k), (fmt.low, fmt.high)[turn], np.int64)
    q = np.array([[0] * k, [top] * k], np.uint8)
    zero = np.array([top, 0]) if p.zero_point else None
    exact = dataclasses.replace(p, M=1, N=2, lanes=1, chains=1, preload=False,
                                out_format="int64", acc_width=None)
    beats = weight_beats(q, p.w_bits, p.K, p.groups, zero)
    result = operation(exact, make_tables(a, exact), beats)
    weight = 2 * q.astype(np.int64) - top - (0 if zero is None else 2 * zero[:, None] - top)
    np.testing.assert_array_equal(result, a @ weight.T)
    if turn == 0:
        assert abs(result).max() >= 1 << (p.acc_bits - 3), "more bits than the sums need"
