"""The bench notices: a removed reset and a flipped sign each fail it.

The mutations are made in the emitted Verilog, so that what fails is the product.
"""

from __future__ import annotations

import re

import pytest

from lowbit.generators.verilog.emit import emit
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.tb.support.lut_run import run_bench

P = LutCoreParameters(a_format="int8", M=2, N=2, K=3, w_bits=2, max_k=48)


def without_reset(verilog: str) -> str:
    """The state that holds back operations while results leave is no longer reset."""
    mutant, count = re.subn(r"    if \(rst\) begin\n      busy <= 1'h0;\n    end\n", "",
                            verilog)
    assert count == 1, "the emitted reset of `busy` looks different now: adapt this test"
    return mutant


def flipped_sign(verilog: str) -> str:
    """The sign of a negative table read is inverted."""
    mutant, count = re.subn(r"assign negative = (.*);", r"assign negative = ~(\1) & active;",
                            verilog)
    assert count == 1
    return mutant


def test_unmutated_passes():
    assert run_bench(P).passed


@pytest.mark.parametrize("mutate", [without_reset, flipped_sign])
def test_mutant_fails(mutate):
    verilog = emit(P).verilog
    mutant = mutate(verilog)
    assert mutant != verilog
    # a register without reset starts at random: one of a few seeds must show it
    assert not all(run_bench(P, seed=seed, verilog=mutant).passed for seed in range(1, 5))
