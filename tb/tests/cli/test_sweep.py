"""``gen sweep``: which designs, what is kept, what fails, what is drawn."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pyarrow import parquet

from lowbit.generators.cli import main
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.registry import find
from lowbit.generators.sweep import store
from lowbit.generators.sweep.front import front, ranks
from lowbit.generators.sweep.grid import span, values_of
from lowbit.generators.sweep.metrics import Conditions
from lowbit.generators.sweep.pictures import draw_png, page
from lowbit.generators.sweep.run import Point, Swept, sweep
from lowbit.generators.sweep.scheduler import Cluster, Here, Job, Result
from lowbit.generators.sweep.store import Store
from lowbit.golden.lut.parameters import LutCoreParameters, LutDotParameters
from lowbit.golden.parameters import Parameters

FIELDS = {field.name: field for field in fields(LutDotParameters)}


@pytest.mark.parametrize(("name", "text", "values"), [
    ("K", "4", (4,)), ("K", "2..4", (2, 3, 4)), ("K", "1..6..2", (1, 3, 5)),
    ("K", "1:5:x2", (1, 2, 4)), ("K", "2:6:+2", (2, 4, 6)), ("K", "2,4,2..3", (2, 4, 3)),
    ("a_format", "int8,fp16", ("int8", "fp16")), ("table", "all", ("half", "full"))])
def test_lists(name: str, text: str, values: tuple[Any, ...]) -> None:
    assert values_of(FIELDS[name], text) == values


@pytest.mark.parametrize("text", ["", "x", "4..2", "2..", "0:8:x2", "2:8:x1", "1,,2", "2..6..0"])
def test_wrong_lists(text: str) -> None:
    with pytest.raises(UsageError, match=r"--K must be a list of integers such as"):
        values_of(FIELDS["K"], text)


def test_switches() -> None:
    field = next(f for f in fields(find("lut_core").parameter_class()) if f.name == "preload")
    assert values_of(field, "on,off") == (True, False)
    with pytest.raises(UsageError, match="--preload must be on, off or on,off; got yes"):
        values_of(field, "yes")


def test_illegal_combinations_are_counted() -> None:
    grid = span(find("lut_core").parameter_class(), {
        "M": (1, 2, 3), "lanes": (1, 2), "a_format": ("int8",)})
    points = cast(tuple[LutCoreParameters, ...], grid.points)
    assert [(p.M, p.lanes) for p in points] == [(1, 1), (2, 1), (2, 2), (3, 1)]
    assert grid.combinations == 6 and sum(x.count for x in grid.refused) == 2
    assert grid.refused[0].flag == "--lanes" and "must divide M" in grid.refused[0].example
    # given, or by default: one design
    grid = span(LutDotParameters, {"table": ("half",), "entry_width": (26,), "K": (4,)})
    assert span(LutDotParameters, {"K": (4,)}).points == (LutDotParameters(),)


def test_front() -> None:
    """Against the definition, ties included."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows = rng.integers(0, 6, (40, 3)).tolist()
        beaten = [any(all(a <= b for a, b in zip(x, y, strict=True)) and x != y for x in rows)
                  for y in rows]
        assert sorted(front(rows)) == [i for i, lost in enumerate(beaten) if not lost]
        found = ranks(rows)
        assert {i for i, rank in enumerate(found) if rank == 0} == set(front(rows))
        later = [row for row, rank in zip(rows, found, strict=True) if rank]
        assert [rank - 1 for rank in found if rank] == ranks(later)
    assert front([]) == [] and ranks([]) == []


# -- what is measured ------------------------------------------------------------------------------
#: a program that sweeps with an area of its own: a folder counts how often it was asked for, and
#: makes it fail, or kills its process, or the program
PROGRAM = """
import os, signal, sys, time
from functools import partial
from pathlib import Path
from lowbit.generators.errors import UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.sweep import metrics
from lowbit.generators.sweep.grid import span
from lowbit.generators.sweep.run import sweep
from lowbit.generators.sweep.scheduler import find_scheduler
from lowbit.generators.sweep.store import Store
from lowbit.golden.lut.parameters import LutDotParameters

folder = Path(sys.argv[1])

def area(p, at):
    (folder / f"{p.K}-{time.time_ns()}").touch()
    if (folder / f"kill{p.K}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"once{p.K}").exists():
        (folder / f"once{p.K}").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"fail{p.K}").exists():
        raise UsageError(f"--K {p.K} is not to be")
    if (folder / f"bug{p.K}").exists():
        raise ZeroDivisionError("a defect")
    return {"area": 10.0 * p.K}

metrics.MEASUREMENTS["area"] = metrics.Measurement(("area",), area)

def told(done, total):
    if done == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    conditions = metrics.Conditions(liberty.embedded())
    found = sweep(span(LutDotParameters, {"K": (1, 2, 3, 4, 5), "a_format": ("int8",)}), ["area"],
                  Store(folder / "store", conditions), partial(find_scheduler, conditions, None, 2),
                  told=told)
    print(found.measured, found.kept, [x.metric("area") for x in found.points])
    for x in found.failed:
        print(x.p.K, x.failures["area"])
"""


def _sweep(folder: Path, killed_after: int = 0) -> tuple[int, list[str]]:
    """Exit status and lines of the program."""
    (folder / "program.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(folder / "program.py"), str(folder),
                           str(killed_after)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout.splitlines()


def _asked(folder: Path) -> list[int]:
    """How often each design was measured."""
    found = [int(path.name.split("-")[0]) for path in folder.glob("?-*")]
    return [found.count(k) for k in range(1, 6)]


@pytest.mark.slow
def test_killed(tmp_path: Path) -> None:
    """Killed in its midst, a sweep loses nothing that was told, and repeats nothing of it."""
    assert _sweep(tmp_path, killed_after=2)[0] == -signal.SIGKILL
    status, lines = _sweep(tmp_path)
    measured, kept = map(int, lines[0].split()[:2])
    assert (status, measured + kept) == (0, 5) and kept >= 2
    assert lines[0].endswith("[10.0, 20.0, 30.0, 40.0, 50.0]") and len(lines) == 1
    # what was under way when it was killed may have been begun before
    assert sum(_asked(tmp_path)) <= 5 + 2
    assert _sweep(tmp_path)[1] == ["0 5 [10.0, 20.0, 30.0, 40.0, 50.0]"]
    for path in (tmp_path / "store").iterdir():                     # torn files: measured again
        path.write_text("{")
    assert _sweep(tmp_path)[1] == ["5 0 [10.0, 20.0, 30.0, 40.0, 50.0]"]


@pytest.mark.slow
def test_failures(tmp_path: Path) -> None:
    """One is recorded and the rest goes on; a killed process is tried again alone; the next sweep
    tries what failed."""
    (tmp_path / "once3").touch()
    assert _sweep(tmp_path) == (0, ["5 0 [10.0, 20.0, 30.0, 40.0, 50.0]"])
    shutil.rmtree(tmp_path / "store")
    for name in ("fail1", "kill2", "bug4"):
        (tmp_path / name).touch()
    assert _sweep(tmp_path) == (0, [
        "5 0 [None, None, 30.0, None, 50.0]", "1 --K 1 is not to be",
        "2 the process was killed; is there enough memory?", "4 ZeroDivisionError: a defect"])
    for name in ("fail1", "kill2", "bug4"):
        (tmp_path / name).unlink()
    assert _sweep(tmp_path) == (0, ["3 2 [10.0, 20.0, 30.0, 40.0, 50.0]"])


class Watched(Here):
    """Notes what it is to do, and does nothing."""

    def __init__(self, conditions: Conditions, seen: list[Job]) -> None:
        super().__init__(conditions)
        self.seen = seen

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        self.seen += jobs
        return iter(())


def test_order(tmp_path: Path) -> None:
    """Quick measurements before slow ones; among those what is to come first."""
    conditions, seen = Conditions(liberty.embedded()), list[Job]()
    grid = span(LutCoreParameters, {"M": (1, 2), "K": (2, 3), "a_format": ("int8",)})
    found = sweep(grid, ["area_per_mac"], Store(tmp_path, conditions),
                  partial(Watched, conditions, seen),
                  first={p: -i for i, p in enumerate(grid.points)})
    assert [(job.name, grid.points.index(cast(LutCoreParameters, job.p))) for job in seen] == [
        (name, i) for name in ("work", "area") for i in (3, 2, 1, 0)]
    assert found.complete == [] and found.best == []


def test_keys(tmp_path: Path) -> None:
    """What a measurement reads of the conditions makes another one, and nothing else."""
    p = LutCoreParameters(a_format="int8")
    at = Conditions(liberty.embedded())
    Store(tmp_path, at).put(p, "area", {"area": 1.0})

    def known(p: Parameters, conditions: Conditions) -> bool:
        return Store(tmp_path, conditions).get(p, "area") is not None

    assert known(p, at) and known(p, replace(at, clock_ns=2.0))
    assert known(LutCoreParameters(a_format="int8", K=4), at)
    for other in (replace(at, recipe="amap"), replace(at, estimated=True),
                  replace(at, library=replace(at.library, hashes=("other",)))):
        assert not known(p, other)
    assert not known(LutCoreParameters(a_format="int8", K=3), at)


def test_the_cost_model_makes_other_estimates(tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of its coefficients makes other estimates, and leaves what was measured."""
    coefficients, terms = tmp_path / "cost" / "coefficients.json", tmp_path / "cost" / "terms.py"
    coefficients.parent.mkdir()
    monkeypatch.setattr(store, "__file__", str(tmp_path / "sweep" / "store.py"))

    def of(**texts: str) -> list[str]:
        coefficients.write_text(texts.get("coefficients", "1"))
        terms.write_text(texts.get("terms", "1"))
        return [store._sources.__wrapped__(estimated) for estimated in (False, True)]

    (measured, estimated), *others = of(), of(coefficients="2"), of(terms="2")
    assert estimated != measured
    assert all(other[0] == measured and other[1] != estimated for other in others)


# -- the command -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                 capsys: pytest.CaptureFixture[str]) -> None:
    """Figures are those of gen area; files tell the same; a second run gives the same bytes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["sweep", "lut_dot", "--K", "2", "--a-format", "int8", "--table", "all",
             "--negation", "all", "--metric", "area,delay", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["gen", *words])
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "4 combinations, " in shown and "left out: " in shown
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(files) == {f"sweep.{end}" for end in ("csv", "parquet", "png", "html")}
    rows = list(csv.DictReader(io.StringIO(files["sweep.csv"].decode())))
    assert {row["failure"] for row in rows} == {""}
    table = parquet.read_table(tmp_path / "out" / "sweep.parquet").to_pydict()
    assert [float(row["area"]) for row in rows] == table["area"]
    assert [row["front"] == "1" for row in rows] == table["front"]
    # the smallest of the front is shown first, and is that of gen area
    best = min(rows, key=lambda row: (float(row["area"]), float(row["delay"])))
    assert best["front"] == "1"
    assert main(["area", *best["design"].split(), "--json", "--no-timing"]) == 0
    assert json.loads(capsys.readouterr().out)["area"] == float(best["area"])
    assert main(["area", *best["design"].split(), "--json", "--recipe", "sized",
                 "--flatten"]) == 0
    assert json.loads(capsys.readouterr().out)["path"]["ns"] == float(best["delay"])
    assert main(words) == 0
    again = capsys.readouterr().out
    assert again.splitlines()[-2] == f"0 measurements, {2 * len(rows)} from the cache"
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_page(tmp_path: Path) -> None:
    """In a browser: every design is there, and the pointer shows its parameters."""
    assert CHROMIUM is not None
    conditions = Conditions(liberty.embedded())
    grid = span(LutDotParameters, {"K": (2, 3), "a_format": ("int8", "int16")})
    points = tuple(Point(p, {"area": i + 1.0, "delay": 4.0 - i}) for i, p in enumerate(grid.points))
    swept = Swept(grid, ("area", "delay"), points, 0, 0)
    text = page(swept, conditions, "gen sweep lut_dot <K>")
    assert "http-equiv" not in text and "<script src" not in text
    point = "<script>Plotly.Fx.hover('sweep', [{curveNumber: 1, pointNumber: 2}])</script></body>"
    (tmp_path / "page.html").write_text(text.replace("</body>", point))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120)
    assert done.stdout.count('class="point"') == len(grid.points)
    shown = done.stdout[done.stdout.index('class="hoverlayer"'):]
    assert "lut_dot --K 3 --a-format int8" in shown and "area, GE: 3" in shown
    assert "gen sweep lut_dot &lt;K&gt;" in done.stdout


def test_third_metric_is_the_colour(tmp_path: Path) -> None:
    """Area, energy and error in one picture: the PNG has the colours, the page their scale."""
    conditions = Conditions(liberty.embedded())
    grid = span(LutDotParameters, {"K": (2, 3), "a_format": ("int8", "int16")})

    def swept(errors: Sequence[float], *metrics: str) -> Swept:
        return Swept(grid, metrics, tuple(
            Point(p, {"area": i + 1.0, "delay": 4.0 - i, "rounding": error})
            for i, (p, error) in enumerate(zip(grid.points, errors, strict=True))), 0, 0)

    names = ("area", "delay", "rounding")
    text = page(swept((0.1, 1e-2, 1e-3, 1e-4), *names), conditions, "gen sweep")
    assert "log10 of rounding" in text and '"coloraxis"' in text
    # an exact design has no logarithm
    exact = page(swept((0.0, 1e-2, 1e-3, 1e-4), *names), conditions, "gen sweep")
    assert "log10 of" not in exact and '"text":"rounding"' in exact
    plain = page(swept((1.0,) * 4, *names[:2]), conditions, "gen sweep")
    assert '"coloraxis":"coloraxis"' not in plain
    draw_png(swept((0.1, 1e-2, 1e-3, 1e-4), *names), conditions, tmp_path / "one.png")
    draw_png(swept((0.1, 1e-2, 1e-3, 0.1), *names), conditions, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()


@pytest.mark.slow
def test_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, one of which is killed in the midst: all designs have figures."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    programs = [subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host",
                                  "127.0.0.1", "--port", address.rsplit(":", 1)[1],
                                  "--no-dashboard"], stderr=subprocess.DEVNULL)]
    try:
        programs += [subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", address,
                                       "--nworkers", "1", "--nthreads", "1", "--no-nanny",
                                       "--no-dashboard", "--local-directory", str(tmp_path)],
                                      stderr=subprocess.DEVNULL) for _ in range(2)]
        conditions = Conditions(liberty.embedded())
        grid = span(LutDotParameters, {"K": (1, 2, 3), "a_format": ("int8", "int16")})

        def told(done: int, total: int) -> None:
            if done == 1:
                programs[1].kill()

        found = sweep(grid, ["area"], Store(tmp_path / "store", conditions),
                      partial(Cluster, conditions, address, workers=2), told=told)
        assert len(found.complete) == len(grid.points) and not found.failed
    finally:
        for program in programs:
            program.kill()
            program.wait()


@pytest.mark.parametrize(("words", "message"), [
    ("lut_dot --metric area,size", "--metric must be of area, area_per_mac"),
    ("lut_dot --metric error", "--metric error is of designs that multiply matrices"),
    ("lut_core --metric cycles", "--metric cycles and --model belong together"),
    ("lut_core --K 9", "none of 1 combinations is legal; the first: --K must be 1..6; got 9"),
    ("lut_core --M 1..64 --N 1..1024 --K 1..6", "a sweep has at most 100000 combinations"),
    ("lut_core --a-format int9", "--a-format must be a list of int8, "),
    ("lut_core --recipe sized", "--recipe takes a recipe of area"),
    ("lut_core -o /no/where", "-o must be a folder in one that exists; got /no/where"),
    ("lut_dot --estimate", "lut_dot has no cost model"),
    ("lut_core --scheduler tcp://127.0.0.1:1", "--scheduler tcp://127.0.0.1:1 does not answer")])
def test_errors(words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["sweep", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("gen: ") and message in error and error.count("\n") == 1


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(["sweep", "lut_dot"]) == 2
    assert "set XDG_CACHE_HOME to a writable folder" in capsys.readouterr().err
