"""SAT proofs: for all inputs, the LUT dot product is the sum of plus or minus activations."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit
from lowbit.golden.bits import unpack_bits
from lowbit.golden.lut.dot import dot
from lowbit.golden.lut.parameters import LutCoreParameters, LutDotParameters
from lowbit.golden.lut.table import make_tables
from lowbit.tb.support.lut_spec import dot_spec

PAPER: dict[str, Any] = dict(a_format="int8", table="half", select="onehot", negation="offline")
CONVENTIONAL: dict[str, Any] = dict(a_format="int8", table="half", select="binary",
                                    negation="hardware")
FULL: dict[str, Any] = dict(a_format="int8", table="full", select="binary")


@pytest.mark.parametrize("p", [
    *(LutDotParameters(K=K, **PAPER) for K in (2, 3, 4)),
    *(LutDotParameters(K=K, **style) for K in (2, 3) for style in (CONVENTIONAL, FULL)),
    LutDotParameters(K=2, groups=2, **PAPER)], ids=lambda p: p.flags().replace("--", ""))
def test_dot_is_the_signed_sum(p):
    verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p))
    assert verdict.proved, verdict


@pytest.mark.parametrize("flaw", ["sign", "width"])
def test_wrong_specification_is_refuted(flaw):
    """With a counterexample that the golden model confirms."""
    p = LutDotParameters(K=3, **FULL)
    verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p, flaw=flaw))
    assert verdict.answer == "refuted"
    found = verdict.counterexample
    raw = np.frombuffer(found["values"].to_bytes(3, "little"), np.uint8)[None]
    codes = unpack_bits(raw, 8, 3, signed=True)
    golden = int(dot(p, make_tables(codes, p).entries, np.array([[found["patterns"]]]))[0])
    mask = (1 << p.dot_bits) - 1
    assert found["gate_dot"] == golden & mask != found["gold_dot"]


def test_wrong_design_is_refuted():
    p = LutDotParameters(K=3, **PAPER)
    right = emit(p).verilog
    wrong, count = re.subn(r" \+ ", " - ", right, count=1)
    assert count == 1
    assert prove_equal(wrong, "lut_dot", dot_spec(p)).answer == "refuted"


def test_timeout():
    p = LutDotParameters(K=6, **(PAPER | dict(a_format="int16")))
    assert prove_equal(emit(p).verilog, "lut_dot", dot_spec(p), timeout=1).answer == "timeout"


def test_designs_that_prove_nothing_are_refused():
    core = LutCoreParameters(M=1, N=1, a_format="int8", w_bits=1)
    with pytest.raises(UsageError, match="registers"):
        prove_equal(emit(core).verilog, "lut_core", "module spec; endmodule")
    p = LutDotParameters(K=2, **PAPER)
    undefined = "module lut_dot(output y); assign y = 1'hx; endmodule"
    with pytest.raises(UsageError, match="undefined"):
        prove_equal(undefined, "lut_dot", dot_spec(p))
