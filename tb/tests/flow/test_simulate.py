"""Simulation of emitted Verilog: verdicts, random start, cache, traces, missing tools."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.flow import builds as build_cache
from lowbit.generators.flow import simulate as simulation
from lowbit.generators.flow.blocks import split
from lowbit.generators.flow.simulate import BuildError, simulate
from lowbit.generators.verilog.emit import emit_component
from lowbit.tb.support.toys import Accumulator, Grid, Twins

BENCH = "lowbit.tb.support.toy_bench"


@pytest.fixture(scope="module")
def design():
    return emit_component(Accumulator(), top="acc")


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """A cache of their own, but for Verilator's compiled run-time library."""
    folder = tmp_path_factory.mktemp("builds")
    for runtime in build_cache.cache_folder().glob("runtime-*"):
        (folder / runtime.name).symlink_to(runtime)
    return folder


def run(design, builds, simulator="verilator", seed=1, waves=None, **plan):
    return simulate(design, "acc", BENCH, {"vectors": 100, **plan}, simulator=simulator, seed=seed,
                    waves=waves, build_dir=builds)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_verdicts(design, builds, simulator):
    good = run(design, builds, simulator)
    assert good.passed and (good.tests, good.failures, good.message) == (1, 0, "")
    assert good.cycles == 102 and good.stats["words"] == 100
    bad = run(design, builds, simulator, flaw=1)
    assert not bad.passed and bad.failures == 1 and "100 of 100 sums differ" in bad.message
    assert bad.build_seconds == 0, "the second run must find the build in the cache"


def test_unreset_state_is_random(design, builds):
    """Without the reset the register starts anywhere, differently for each seed."""
    first = {run(design, builds, seed=seed, reset=False).stats["first"] for seed in (1, 2, 3)}
    assert len(first) == 3 and all(re.fullmatch("[01]{16}", value) for value in first)
    again = run(design, builds, seed=1, reset=False)
    assert again.stats["first"] in first and not again.passed
    assert run(design, builds, "icarus", reset=False).stats["first"] == "X" * 16


def test_removed_reset_fails(design, builds):
    broken = re.sub(r"    if \(rst\) begin\n.*?    end\n", "", design.verilog, flags=re.S)
    assert broken != design.verilog
    assert not run(broken, builds, "icarus").passed


def test_block_is_built_once(builds, monkeypatch):
    """A repeated module as a library: right sums, wrong ones found, its own random start, and a
    build of its own that other designs find."""
    monkeypatch.setattr(simulation, "_REPEATED", 2)
    twins = emit_component(Twins(), top="acc")

    def twice(seed=1, **plan):
        return simulate(twins, "acc", BENCH, {"vectors": 100, **plan}, seed=seed,
                        blocks=("toy_accumulator",), build_dir=builds)

    assert twice().passed and not twice(flaw=1).passed
    assert len(list(builds.glob("block-*"))) == 1
    first = {twice(seed, reset=False).stats["first"] for seed in (1, 2, 3)}
    assert len(first) == 3 and all(re.fullmatch("[01]{16}", value) for value in first)
    assert not re.search("module toy_accumulator", next(
        path for path in builds.glob("*/design.v")
        if "toy_accumulator" in path.read_text()).read_text())


def test_split_takes_what_a_block_needs():
    design = emit_component(Grid(), top="grid").verilog
    rest, pair = split(design, "grid", "toy_pair")
    assert re.findall(r"^module (\w+)", rest, re.M) == ["grid"]
    assert set(re.findall(r"^module (\w+)", pair, re.M)) == {"toy_pair", "toy_pe"}
    rest, pe = split(design, "grid", "toy_pe")
    assert set(re.findall(r"^module (\w+)", rest, re.M)) == {"grid", "toy_pair"}
    assert re.findall(r"^module (\w+)", pe, re.M) == ["toy_pe"]


def test_broken_block(builds, monkeypatch):
    monkeypatch.setattr(simulation, "_REPEATED", 2)
    twins = emit_component(Twins(), top="acc")
    broken = replace(twins, verilog=twins.verilog.replace("module toy_accumulator (",
                                                          "module toy_accumulator (;"))
    with pytest.raises(BuildError, match="could not build toy_accumulator"):
        simulate(broken, "acc", BENCH, {}, blocks=("toy_accumulator",), build_dir=builds)


def test_waves(design, builds, tmp_path):
    trace = tmp_path / "trace.vcd"
    assert run(design, builds, "icarus", waves=trace).passed
    assert "$enddefinitions" in trace.read_text() and "total" in trace.read_text()


def test_concurrent_builds(design, tmp_path):
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda seed: run(design, tmp_path, "icarus", seed), (1, 2, 3)))
    assert all(outcome.passed for outcome in outcomes)
    assert len(list(tmp_path.iterdir())) == 1


def test_bench_without_tests(design, builds):
    outcome = simulate(design, "acc", "lowbit.tb.support.toys", {}, simulator="icarus",
                       build_dir=builds)
    assert not outcome.passed and outcome.tests == 0 and outcome.message


def test_broken_verilog(builds):
    with pytest.raises(BuildError, match="could not build acc"):
        run("module acc(input wire clk;\nendmodule\n", builds, "icarus")


def test_unknown_simulator(design, builds):
    with pytest.raises(UsageError, match="--sim must be one of verilator, icarus; got foo"):
        run(design, builds, "foo")


@pytest.mark.parametrize(("simulator", "missing", "package"), [
    ("verilator", "c++", "g++"), ("verilator", "make", "make"), ("verilator", "perl", "perl"),
    ("icarus", "iverilog", "iverilog")])
def test_missing_program(design, builds, monkeypatch, simulator, missing, package):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else which(name))
    with pytest.raises(UsageError) as error:
        run(design, builds, simulator)
    assert f"needs {missing}, not found" in str(error.value)
    assert str(error.value).endswith(f"sudo apt-get install {package}")


def test_unwritable_cache(design, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot create the folder of simulator builds"):
        build_cache.cache_folder()


def test_terminal_stays_clean(design, builds, capfd):
    run(design, builds, "icarus")
    assert capfd.readouterr() == ("", "")


def test_versions_are_known():
    assert any("verilator" in text for text in build_cache.tool_versions("verilator"))
    assert subprocess.run(["iverilog", "-V"], capture_output=True, check=False).returncode == 0


def test_cache_drops_old_builds_while_others_build(monkeypatch, tmp_path):
    """Builds unused for a day go, all but the last ones; a folder that another process renames
    between our listing it and looking at it is none of our business."""
    for index in range(build_cache._KEEP + 5):
        (tmp_path / f"{index:03}").mkdir()
        os.utime(tmp_path / f"{index:03}", (index, index))
    young = tmp_path / "young"
    young.mkdir()
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: [*iterdir(folder), folder / "vanished"])
    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    build_cache.prune(tmp_path)
    monkeypatch.undo()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{index:03}" for index in range(6, build_cache._KEEP + 5)] + ["young"]
