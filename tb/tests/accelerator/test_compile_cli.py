"""``gen compile``: what it prints and writes, and what it refuses, in one line that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lowbit.generators.cli import main
from lowbit.generators.compiler.folder import load
from lowbit.golden.accelerator.assembly import assemble
from lowbit.tb.support.tiny_models import (
    LAYERS,
    WIDTH,
    bert_file,
    llama_gguf,
    llama_safetensors,
    target_file,
)

Make = Callable[[Path], Path]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return target_file(tmp_path / "accel.json")


def gguf(**changes: Any) -> Make:
    return lambda folder: llama_gguf(folder / "m.gguf", **changes)


def cut(make: Make, size: int) -> Make:
    def made(folder: Path) -> Path:
        path = make(folder)
        path.write_bytes(path.read_bytes()[:size])
        return path
    return made


def named(name: str, make: Make) -> Make:
    return lambda folder: make(folder / name)


def matrix(path: Path) -> Path:
    np.save(path, np.zeros((4, 4), np.float32))
    return path


def vision(path: Path) -> Path:
    save_file({"visual.patch.weight": np.zeros((4, 4), np.float32)}, path)
    return path


def test_report_and_folder(tmp_path: Path, target: Path,
                           capsys: pytest.CaptureFixture[str]) -> None:
    model = llama_gguf(tmp_path / "m.gguf")
    out = tmp_path / "program"
    assert main(["compile", str(model), "--target", str(target), "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert f"{7 * LAYERS + 1} matrices in {4 * LAYERS + 1} calls, for accel --N 32" in text
    assert f"precomputes: {7 * LAYERS + 1} split, {4 * LAYERS + 1} shared, {3 * LAYERS + 1} of " \
        "them fused" in text
    assert "blk.*.attn_q, attn_k, attn_v" in text
    assert load(out).rows == [1, 16]
    assert main(["compile", str(model), "--target", str(target), "-o", str(out), "--rows", "2",
                 "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert load(out).rows == found["rows"] == [2]
    total = found["lines"][-1]
    assert total["calls"] == 4 * LAYERS + 1
    # tables of four activations a row: queries, keys and values of 64, 32 and 32 columns in
    # blocks of 32, and so on
    assert [line["tables_a_row"]["by_column_block"] for line in found["lines"]] == [
        LAYERS * 16 * (2 + 1 + 1), LAYERS * 16 * 2, LAYERS * 16 * (3 + 3), LAYERS * 24 * 2, 16 * 3,
        total["tables_a_row"]["by_column_block"]]
    assert total["tables_a_row"]["shared"] == LAYERS * (16 + 16 + 16 + 24) + 16
    assert total["tables_a_row"]["not_fused"] == LAYERS * 16
    for line in found["lines"]:
        for one in line["rows"].values():
            assert one["bytes_read"] + one["bytes_written"] >= one["bound"]
            assert 0 < one["utilisation"] <= 1


def test_print_after(tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = llama_gguf(tmp_path / "m.gguf")
    words = [word for name in ("import", "fuse") for word in ("--print-after", name)]
    assert main(["compile", str(model), "--target", str(target), "-o", str(tmp_path / "p"),
                 *words]) == 0
    text = capsys.readouterr().out
    before, after = text.split("// after fuse\n")
    assert before.startswith("// after import\n")
    assert before.count('"lut.linear"') == 7 * LAYERS + 1 and "precompute" not in before
    assert after.count('"lut.rmsnorm_precompute"') == 2 * LAYERS + 1


def test_skip(tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = llama_gguf(tmp_path / "m.gguf")
    assert main(["compile", str(model), "--target", str(target), "-o", str(tmp_path / "p"),
                 "--skip", "share", "--skip", "fuse"]) == 0
    assert f"in {7 * LAYERS + 1} calls" in capsys.readouterr().out


def test_floats(tmp_path: Path, target: Path) -> None:
    model = bert_file(tmp_path / "m.safetensors")
    assert main(["compile", str(model), "--target", str(target), "-o", str(tmp_path / "p"),
                 "--w-bits", "2", "--group", "64"]) == 2      # k = 96
    assert main(["compile", str(model), "--target", str(target), "-o", str(tmp_path / "p"),
                 "--w-bits", "2", "--group", "32"]) == 0
    program = load(tmp_path / "p")
    listing = (tmp_path / "p" / "listing.txt").read_text()
    assert "fp16.o2.fp32.fp32" in listing and assemble(program.p, listing)


@pytest.mark.parametrize(("make", "error"), [
    (gguf(architecture="qwen2"), "is of the architecture 'qwen2'"),
    (gguf(forms={"blk.1.ffn_up.weight": "MXFP4"}), "blk.1.ffn_up.weight is MXFP4"),
    (gguf(forms={"blk.0.attn_q.weight": "F16"}), "blk.0.attn_q.weight is F16 and has no codes; "
     "--w-bits"),
    (gguf(shapes={"blk.1.attn_k.weight": None}), "has no tensor blk.1.attn_k.weight"),
    (gguf(shapes={"blk.0.attn_q.bias": (WIDTH,)}), "has blk.0.attn_q.bias, which is not of"),
    (gguf(shapes={"blk.0.attn_v.weight": (32, 96)}), "blk.0.attn_v.weight must have 64 inputs; "
     "got 96"),
    (gguf(shapes={"blk.0.ffn_up.weight": (64, 64)}), "blk.0.ffn_down.weight must have as many"),
    (gguf(shapes={"token_embd.weight": (64,)}, forms={"token_embd.weight": "F32"}),
     "token_embd.weight must be a matrix"),
    (cut(gguf(), 9000), "it is truncated"),
    (cut(gguf(), 300), "it ends in its header"),
    (cut(named("m.safetensors", llama_safetensors), 9000), "truncated"),
    (named("m.safetensors", llama_safetensors), "is F32 and has no codes; --w-bits"),
    (named("m.safetensors", vision), "architecture that gen compile does not know"),
    (named("m.npy", matrix), "is a matrix, and no model"),
    (lambda folder: folder / "none.gguf", "No such file")])
def test_models_that_are_refused(tmp_path: Path, target: Path, make: Make, error: str,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    path, out = make(tmp_path), tmp_path / "program"
    assert main(["compile", str(path), "--target", str(target), "-o", str(out)]) == 2
    shown = capsys.readouterr()
    assert error in shown.err and shown.err.count("\n") == 1 and not shown.out
    assert not out.exists()


@pytest.mark.parametrize(("parameters", "error"), [
    (dict(w_bits=4), "token_embd.weight: weights of 8 bits need --w-bits 8; this design has 4"),
    (dict(offset="none"), "blk.0.attn_q.weight: zero points and minima need a design with "
     "--offset"),
    (dict(min_group=64), "blk.0.attn_q.weight: k = 64 in groups of 32 must be whole groups of a "
     "multiple of --min-group 64"),
    (dict(a_kib=1, M=16, p_kib=8), "accel.json: --a-kib must hold M = 16 rows of the largest "
     "group, 128 activations"),
    (dict(N=24), "accel.json: --N makes words of 96 bits"),
    (dict(M="2"), "accel.json: --M must be an integer"),
    (dict(speed=1), "accel of this version does not: speed")])
def test_designs_that_do_not_fit(tmp_path: Path, parameters: dict[str, Any], error: str,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    target = target_file(tmp_path / "accel.json", **parameters)
    model, out = llama_gguf(tmp_path / "m.gguf"), tmp_path / "program"
    assert main(["compile", str(model), "--target", str(target), "-o", str(out)]) == 2
    shown = capsys.readouterr().err
    assert error in shown and shown.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(("text", "error"), [
    ("{", "no JSON text"), ("[]", "has no parameters"),
    ('{"generator": "lut_core", "parameters": {}}', "is of lut_core")])
def test_targets_that_are_none(tmp_path: Path, text: str, error: str,
                               capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.json").write_text(text)
    model = llama_gguf(tmp_path / "m.gguf")
    assert main(["compile", str(model), "--target", str(tmp_path / "t.json"), "-o",
                 str(tmp_path / "p")]) == 2
    assert error in capsys.readouterr().err


def test_usage(tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(llama_gguf(tmp_path / "m.gguf"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for words, error in (
            (["-o", str(tmp_path / "full")], "holds what gen compile did not write (mine.txt)"),
            (["-o", model], "is a file"), (["-o", str(tmp_path / "a" / "b")], "does not exist"),
            (["-o", str(tmp_path / "p"), "--rows", "0"], "--rows"),
            (["-o", str(tmp_path / "p"), "--w-bits", "9"], "--w-bits must be 1..8; got 9"),
            (["-o", str(tmp_path / "p"), "--print-after", "magic"], "--print-after"),
            (["-o", str(tmp_path / "p"), "--print-after", "fuse", "--json"], "both print")):
        assert main(["compile", model, "--target", str(target), *words]) == 2
        assert error in capsys.readouterr().err
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
