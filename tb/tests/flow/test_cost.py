"""The cost model: what it knows, what it refuses, how quick it is."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.compare.measurements import parse
from lowbit.generators.cost import model
from lowbit.generators.cost.model import FIGURES, CostModel, stage_of, total
from lowbit.generators.cost.paths import DELAY
from lowbit.generators.cost.terms import AREA, terms_of
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.measuring import measure

STORED = json.loads(Path(model.__file__).with_name("coefficients.json").read_text())
EMBEDDED = liberty.embedded()
ROOT = Path(__file__).resolve().parents[3]


def test_stored() -> None:
    """Every fit has its figures, of terms that there are; no part is negative."""
    assert " ".join(EMBEDDED.hashes) in STORED
    for entry in STORED.values():
        assert entry["library"]
        for name, figures in entry["generators"].items():
            assert name in AREA and set(figures) <= set(FIGURES)
            for figure, fit in figures.items():
                terms = terms_of(parse(name), figure)
                assert set(fit["coefficients"]) == set(terms)
                assert fit["tested"] >= 6 and 0 < fit["median_error"] <= fit["p95_error"]
                assert min(fit["coefficients"].values()) >= 0


@pytest.mark.parametrize("name", AREA)
def test_terms(name: str) -> None:
    """Larger designs have no less of anything; a term is a number, and none is negative."""
    small, large = {"lut_core": ("--N 8", "--N 16"), "dot_core": ("--N 8", "--N 16"),
                    "systolic": ("--R 4 --C 4", "--R 8 --C 4"),
                    "bitmod_tile": ("--rows 4", "--rows 8")}[name]
    assert set(DELAY) == set(AREA)
    for figure in FIGURES:
        one, two = (terms_of(parse(f"{name} {flags}"), figure) for flags in (small, large))
        assert list(one) == list(two) and all(two[term] >= one[term] >= 0 for term in one)
        assert all(np.isfinite(value) for value in two.values())
        assert figure == "delay" or one != two


def test_options_without_a_part() -> None:
    """What a design has not costs nothing: terms of options are 0 without them."""
    def parts(flags: str, figure: str, prefix: str) -> set[float]:
        terms = terms_of(parse(f"lut_core --a-format int8 {flags}"), figure)
        return {amount for name, amount in terms.items() if name.startswith(prefix)}

    assert parts("", "delay", "table: ") == parts("", "delay", "scale: ") == {0}
    assert 0 not in parts("--table-source internal", "delay", "table: one")
    assert 0 not in parts("--group-scale fp16", "delay", "scale: multiplier")
    assert parts("", "area", "table adders") == parts("", "area", "lane, scale") == {0}
    assert 0 not in parts("--table-source internal", "area", "table adders")


def test_the_longest_stage() -> None:
    """A delay is that of the longest stage, an area the sum of all."""
    assert [stage_of(term) for term in ("lane: sum", "lane, sum")] == ["lane", ""]
    ones = {"a: x": 1.0, "a: y": 2.0, "b: x": 2.5}
    assert total(dict.fromkeys(ones, 2.0), ones) == 6
    assert total(dict.fromkeys("xyz", 2.0), {"x": 1.0, "y": 2.0, "z": 2.5}) == 11


def _fits() -> Any:
    path = ROOT / "scripts" / "studies" / "cost_fits.py"
    spec = importlib.util.spec_from_file_location("scripts_cost_fits", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("names", [("x", "y", "z"), ("a: one", "a: x", "b: one", "b: x")])
def test_fits_find_what_figures_were_made_of(names: tuple[str, ...]) -> None:
    """Of sums, and of the longest of two stages; and what another library departs by."""
    rng = np.random.default_rng(1)
    rows = [{name: 1.0 if name.endswith("one") else float(rng.integers(0, 30)) for name in names}
            for _ in range(30)]
    true = dict(zip(names, (5.0, 0.5, 0.0) if len(names) == 3 else (1.0, 0.2, 4.0, 0.05),
                    strict=True))
    values = [total(true, row) + (len(names) == 3) * 1e-9 for row in rows]
    kept = [(row, value) for row, value in zip(rows, values, strict=True) if value > 0.1]
    found = _fits().coefficients(*zip(*kept, strict=True))
    assert all(found[name] == pytest.approx(true[name], abs=1e-3) for name in names)
    # all parts three times as large: few designs, fewer than parts, say so
    some = [(row, 3 * value) for row, value in kept[:2]]
    further = _fits().coefficients(*zip(*some, strict=True), found)
    assert all(further[name] == pytest.approx(3 * true[name], abs=1e-2) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "figure", "bound"), [
    ("lut_core --M 2 --N 10 --K 5 --a-format int8 --w-bits 1", "area", 0.1),
    ("systolic --R 3 --C 2 --a-bits 6 --w-format int4", "delay", 0.2)])
def test_near_synthesis(flags: str, figure: str, bound: float) -> None:
    """Small designs that are in no set."""
    p = parse(flags)
    run = measure(p, EMBEDDED, timing=figure == "delay")
    found = run.area if figure == "area" else run.path_ns
    assert CostModel(EMBEDDED).estimate(p, figure) == pytest.approx(found, rel=bound)


@pytest.mark.parametrize(("flags", "message"), [
    ("lut_core --datapath float", "no cost model of --datapath float"),
    ("systolic --out-format int8", "no cost model of --out-format int8"),
    ("bitmod_tile --align cycle", "no cost model of --align cycle"),
    ("lut_core --select binary", "no cost model of --select binary"),
    ("dot_core --target fpga", "no cost model of --target fpga"),
    ("lut_core --a-format int8 --out-format int8", "no cost model of --out-format int8"),
    ("dot_core --a-format int8 --out-format int8", "no cost model of --out-format int8"),
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
