"""The table unit and the dot-product unit equal their golden models: pairwise covering arrays; of
the table unit what test_lut_core.py leaves to it, with the unit inside of a core
(lut_space.elsewhere)."""

from __future__ import annotations

import pytest

from lowbit.golden.lut.parameters import LutDotParameters, LutTableParameters
from lowbit.tb.support import lut_space
from lowbit.tb.support.lut_run import VECTORS, run_bench

CASES = [(i, p) for cls in (LutTableParameters, LutDotParameters)
         for i, p in enumerate(lut_space.regression(cls), 1)]


@pytest.mark.parametrize(("seed", "p"), CASES, ids=[
    f"{p.generator}-{i}-{lut_space.label(p)}" for i, p in CASES])
def test_equals_golden(seed, p):
    outcome = run_bench(p, seed=seed)
    assert outcome.passed, f"gen verify {p.generator} {p.flags()} --seed {seed}: {outcome.message}"
    assert outcome.stats["words"] >= VECTORS and outcome.stats["mismatches"] == 0
