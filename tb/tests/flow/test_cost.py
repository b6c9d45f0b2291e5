"""The cost model: what it knows, what it refuses, how quick it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.compare.measurements import parse
from lowbit.generators.cost import model
from lowbit.generators.cost.model import FIGURES, CostModel
from lowbit.generators.cost.terms import AREA, DELAY, terms_of
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.measuring import measure

STORED = json.loads(Path(model.__file__).with_name("coefficients.json").read_text())
EMBEDDED = liberty.embedded()


def test_stored() -> None:
    """Every fit has its figures, of terms that there are; areas have no negative part."""
    assert " ".join(EMBEDDED.hashes) in STORED
    for entry in STORED.values():
        assert entry["library"]
        for name, figures in entry["generators"].items():
            assert name in AREA and set(figures) <= set(FIGURES)
            for figure, fit in figures.items():
                terms = terms_of(parse(name), figure)
                assert set(fit["coefficients"]) == set(terms)
                assert fit["tested"] >= 10 and 0 < fit["median_error"] <= fit["p95_error"]
                assert figure == "delay" or min(fit["coefficients"].values()) >= 0


@pytest.mark.parametrize("name", AREA)
def test_terms(name: str) -> None:
    """Larger designs have no less of anything but paths; a term is a number."""
    small, large = {"lut_core": ("--N 8", "--N 16"), "dot_core": ("--N 8", "--N 16"),
                    "systolic": ("--R 4 --C 4", "--R 8 --C 4"),
                    "bitmod_tile": ("--rows 4", "--rows 8")}[name]
    one, two = (terms_of(parse(f"{name} {flags}"), "area") for flags in (small, large))
    assert list(one) == list(two) and all(two[term] >= one[term] for term in one) and one != two
    assert set(DELAY) == set(AREA)
    assert all(np.isfinite(value) for value in terms_of(parse(name), "delay").values())


@pytest.mark.slow
def test_near_synthesis() -> None:
    """A design that is in no set: within 25 %."""
    p = parse("lut_core --M 2 --N 20 --K 4 --a-format int8 --w-bits 2")
    assert CostModel(EMBEDDED).estimate(p, "area") == pytest.approx(
        measure(p, EMBEDDED, timing=False).area, rel=0.25)


@pytest.mark.parametrize(("flags", "message"), [
    ("lut_core --datapath float", "no cost model of --datapath float"),
    ("systolic --out-format int8", "no cost model of --out-format int8"),
    ("bitmod_tile --align cycle", "no cost model of --align cycle"),
    ("fp16_pe", "fp16_pe has no cost model; those that have: lut_core")])
def test_refused(flags: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=message):
        terms_of(parse(flags), "area")
    assert main(["area", *flags.split(), "--estimate"]) == 2
    assert message in capsys.readouterr().err


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["area", "lut_core", "--N", "16", "--estimate"]) == 0
    shown = capsys.readouterr().out
    assert "estimated; errors on" in shown and "GE" in shown
    assert main(["area", "lut_core", "--N", "16", "--estimate", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["area"] == CostModel(EMBEDDED).estimate(parse("lut_core --N 16"), "area")
    assert main(["area", "lut_core", "--estimate", "--no-timing"]) == 2
    assert "--estimate is of a design itself" in capsys.readouterr().err


def test_a_library_without_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_stored", dict)
    with pytest.raises(UsageError, match=r"run scripts/studies/fit_cost\.py"):
        CostModel(EMBEDDED)
