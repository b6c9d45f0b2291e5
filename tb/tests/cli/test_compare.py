"""``gen compare``: its figures, its files, what survives an interruption, its errors."""

from __future__ import annotations

import csv
import io
import itertools
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.compare import studies
from lowbit.generators.compare.accuracy import FORMATS, Format
from lowbit.generators.compare.evaluate import compare
from lowbit.generators.compare.measurements import Measure, parse
from lowbit.generators.compare.plain import plain_mac
from lowbit.generators.compare.recorded import MODELS, losses
from lowbit.generators.compare.report import UNEXPLAINED, as_markdown
from lowbit.generators.compare.study import Reference, Row, Study, Weights, same
from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow import liberty, synthesis
from lowbit.golden.lut.quantizer import quantize, quantize_planes, quantize_ternary

ROOT = Path(__file__).resolve().parents[3]
TINY = "lut_dot --K 2 --a-format int8"
STUDY = Study(
    "tiny", "Two tiny designs", "Which is smaller?",
    (Row("two", TINY, same(2), "cell"),
     Row("three", TINY.replace("2", "3", 1), lambda p: float(p.K), "whole",
         plus=(("two", 0.5),), path=True),
     Row("five of two", TINY, same(2), "core", times=5),
     Row("by hand", "a sum left to synthesis", same(1), "cell", module="plain_mac",
         verilog=plain_mac(2, 2, 6), path=True)),
    (Reference("near", 5.0, "a paper", "five of two", "two", "area"),
     Reference("far", 3.0, "a paper", "five of two", "two", "area"),
     Reference("far, with a reason", 3.0, "a paper", "five of two", "two", "area", "Because."),
     Reference("time", 1.0, "a paper", "three", "by hand", "time", "No matter.")),
    errors=(Weights("two", "fp3"), Weights("two", "unrecorded", passes=2), Weights("three", "fp3")))


@pytest.fixture
def tiny(monkeypatch: Any, tmp_path: Any) -> Study:
    module = types.ModuleType("lowbit.generators.compare.studies.tiny")
    module.STUDY = STUDY                                        # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(studies, "STUDIES", ("tiny",))
    monkeypatch.setitem(FORMATS, "unrecorded", Format("unrecorded", 1, lambda w: (w / 2, 32.0)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return STUDY


@pytest.mark.slow
def test_report(tiny: Study, tmp_path: Any, capsys: Any) -> None:
    """Figures follow from the areas; a second run gives the same files, from the cache."""
    words = ["compare", "all", "--recipes", "plain,noalumacc", "-o", str(tmp_path / "report")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    files = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert set(files) == {"README.md", "tiny.csv", *(f"tiny{what}.{ending}" for what in (
        "", "_error") for ending in ("svg", "png"))}
    rows = list(csv.DictReader(io.StringIO(files["tiny.csv"].decode())))
    best = {row["label"]: float(row["area"]) for row in rows if row["best"] == "1"}
    assert best["five of two"] == 5 * best["two"]
    by_recipe = {(row["label"], row["recipe"]): float(row["area"]) for row in rows}
    assert by_recipe["three", "plain"] > 0.5 * by_recipe["two", "plain"]
    costs = {row["label"]: float(row["to_base"]) for row in rows}
    del costs["by hand"]
    assert costs == pytest.approx({"two": 1, "five of two": 1,
                                   "three": best["three"] / 3 / (best["two"] / 2)})
    assert all(row["path_ns"] == "" for row in rows if row["label"] not in ("three", "by hand"))
    text = files["README.md"].decode()
    assert "gen compare all" in text and "![Two tiny designs](tiny.svg)" in text
    assert "- far, with a reason: Because." in text and f"- far: {UNEXPLAINED}" in text
    assert "- near" not in text
    assert re.search(r"^far +a paper +3 +5 +1\.67$", shown, re.M)
    # errors: on distributions, of models as recorded; two passes cost twice
    cost = float(re.search(r"^two +fp3 +(\d+) ", shown, re.M)[1])          # type: ignore[index]
    lost = "  ".join(f"{losses('fp3')[model]:.2e}" for model in MODELS)
    assert re.search(rf"^two +fp3 +{cost:.0f} .* {re.escape(lost)}$", shown, re.M)
    again = re.search(r"^two +unrecorded +(\d+)  2.50e-01 .* –  +–$", shown, re.M)
    assert again and float(again[1]) == pytest.approx(2 * cost, abs=1)
    note = "–: not recorded; scripts/studies/bench_formats.py measures unrecorded."
    assert note in shown and note in text
    picture = files["tiny_error.svg"].decode()
    assert "not recorded (scripts/studies/bench_formats.py): unrecorded" in picture
    assert picture.count(">two, fp3<") == picture.count(">three<") == 1 + len(MODELS)
    assert picture.count(">two, unrecorded<") == 1
    assert main(words) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()} == files


def test_nothing_is_lost_or_repeated(tiny: Study, tmp_path: Any, monkeypatch: Any) -> None:
    """A run that ends in the midst of its work goes on there."""
    calls: list[str] = []
    fails = True

    def synthesize(verilog: str, top: str, library: Any, recipe: str, **more: Any) -> Any:
        if fails and recipe == "amap":
            raise CheckFailed("Yosys was killed")
        calls.append(recipe)
        return synthesis.Synthesis(top, recipe, 1.0, "early", 10.0, "GE", 10.0, 1, 1.0, {}, (),
                                   path_ns=2.0)

    monkeypatch.setattr(synthesis, "synthesize", synthesize)

    def once() -> Any:
        measure = Measure(liberty.embedded(), tmp_path / "areas")
        return compare(tiny, measure, workers=1, recipes=["plain", "amap"])

    with pytest.raises(CheckFailed, match="killed"):
        once()
    assert "plain" in calls          # what was measured before the failure
    fails = False
    compared = once()
    # three designs by two recipes, and two paths; rows that share a design share its figures
    assert sorted(calls) == [
        "amap", "amap", "amap", "booth+sized", "plain", "plain", "plain", "sized", "sized"]
    assert compared.row("five of two").areas == {"plain": 50.0, "amap": 50.0}
    done = len(calls)
    assert once() == compared and len(calls) == done
    (tmp_path / "areas" / "torn.json").write_text("{")
    for path in (tmp_path / "areas").glob("*.json"):
        path.write_text(path.read_text()[:20])          # torn files are measured again
    assert once() == compared and len(calls) == done + 9
    assert "nothing" not in as_markdown(compared, "")


@pytest.mark.parametrize("name", studies.STUDIES)
def test_studies(name: str) -> None:
    """Every row is a design that there is, with work to do; the file is named as its study."""
    study = studies.load(name)
    assert study.name == name
    for row in study.rows:
        assert row.work(None if row.verilog else parse(row.command)) > 0
    for weights in study.errors:
        assert weights.form in FORMATS and set(losses(weights.form)) == set(MODELS)
    assert study.question.endswith("?")


def test_formats_of_few_levels() -> None:
    """Powers of two are the nearest; planes are those of the quantiser, and of a shorter group."""
    rng = np.random.default_rng(1)
    weights = rng.standard_t(3, (3, 192)).astype(np.float32)
    weights[2, 128:] = 0
    values, bits = FORMATS["shift4"].quantize(weights)
    levels = np.array([sign * 2.0**e for e in range(8) for sign in (1, -1)])
    for row, span in itertools.product(range(3), (slice(0, 128), slice(128, 192))):
        part = weights[row, span].astype(float)
        scale = float(np.float32(np.abs(part).max() / 128))
        near = np.abs(part[:, None] - scale * levels).min(axis=1)
        np.testing.assert_allclose(np.abs(part - values[row, span]), near, rtol=1e-6, atol=1e-7)
    assert bits == 4.25
    whole = weights[:, :128]
    for name, tensor, stored in (
            ("ternary2", quantize_planes(whole, 2, 128), 2 * (1.6 + 0.25)),
            ("sherry", quantize_ternary(whole, 128, sparse=True), 1.25 + 0.25),
            ("lut2_sym", quantize(whole, 2, 128, symmetric=True), 2.25)):
        values, bits = FORMATS[name].quantize(whole)
        np.testing.assert_array_equal(values, tensor.dequantize().astype(np.float32))
        assert bits == stored
        assert FORMATS[name].quantize(weights)[0].shape == (3, 192)


def test_recorded_losses() -> None:
    """The package's figures are those of docs/results."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / "docs" / "accuracies.py", "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert losses("no format") == {}


def test_labels_are_checked() -> None:
    row = Row("one", TINY, same(1), "cell")
    for rows, more in (((row, row), {}), ((row,), {"base": "two"}),
                       ((row,), {"references": (Reference("", 1, "", "one", "no", "area"),)}),
                       ((row,), {"errors": (Weights("no", "fp4"),)}),
                       ((row,), {"references": (Reference("", 1, "", "one", "one", "time"),)})):
        with pytest.raises(ValueError, match="labels must differ"):
            Study("s", "", "", rows, **more)


def test_errors(tmp_path: Any, capsys: Any, monkeypatch: Any) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for words, message in (
            (["nothing"], "study must be one of"), (["lut", "--recipes", "amap"], "have plain"),
            (["lut", "--recipes", "plain,best"], "--recipe must be one of"),
            (["lut", "--recipes", "plain,sized"], "sized is for paths alone"),
            (["lut", "--liberty", str(tmp_path / "no.lib")], "no.lib"),
            (["lut", "-o", str(tmp_path / "file")], "cannot be made a folder"),
            (["lut", "-o", str(tmp_path / "no" / "folder")], "cannot be made a folder")):
        assert main(["compare", *words]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["compare", "lut", "-o", str(tmp_path / "report")]) == 2
    assert "pip install lowbit[plots]" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert main(["compare", "lut"]) == 2
    assert "set XDG_CACHE_HOME" in capsys.readouterr().err


def test_a_module_that_is_not_there(tmp_path: Any) -> None:
    measure = Measure(liberty.embedded(), tmp_path)
    with pytest.raises(UsageError, match="has no module absent"):
        measure.design(TINY).part("absent")
    assert measure.design(TINY).part("lut_dot").top == "lut_dot"


@pytest.mark.parametrize("name", studies.STUDIES)
def test_recorded_report(name: str) -> None:
    """docs/compare: the rows of every study as they are now, every difference explained."""
    folder = ROOT / "docs" / "compare"
    study, page = studies.load(name), (folder / "README.md").read_text(encoding="utf-8")
    section = page.partition(f"## {study.title}\n")[2].partition("\n## ")[0]
    assert section and UNEXPLAINED not in section
    for reference in study.references:
        assert f"| {reference.claim} |" in section
        assert not reference.why or f"- {reference.claim}: {reference.why}" in section
    rows = list(csv.DictReader((folder / f"{name}.csv").read_text().splitlines()))
    assert {(row["label"], row["command"], row["module"]) for row in rows} == {
        (row.label, row.command, row.module) for row in study.rows}
    assert (folder / f"{name}.svg").exists()
