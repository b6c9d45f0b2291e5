"""lut_dot equals the plain sum of plus or minus activations, for all inputs, by SAT."""

from __future__ import annotations

import pytest

from lowbit.generators.emit import emit
from lowbit.generators.flow.prove import prove_equal
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.tb.lut_spec import dot_spec

FORMS = [{"K": 2}, {"K": 3}, {"K": 4}, {"K": 3, "select": "binary", "negation": "hardware"},
         {"K": 3, "table": "full"}, {"K": 2, "groups": 2}]


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_equals_sum_for_all_inputs(options):
    p = LutDotParameters(a_format="int8", **options)
    verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p))
    assert verdict.proved, f"gen lut_dot {p.flags()}: {verdict}"


@pytest.mark.parametrize("flaw", ["sign", "width"])
def test_a_wrong_specification_is_refuted(flaw):
    """INT_MIN needs the last bit; the solver shows inputs where a mistake matters."""
    p = LutDotParameters(a_format="int8", K=3)
    verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p, flaw=flaw))
    assert verdict.answer == "refuted" and "values" in verdict.counterexample
