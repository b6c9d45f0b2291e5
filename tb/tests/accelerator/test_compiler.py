"""The compiler: what passes do to a model, and that its programs compute the model's products."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.compiler import calls as calls_module
from lowbit.generators.compiler import program as program_module
from lowbit.generators.compiler.dialect import Linear, integer
from lowbit.generators.compiler.folder import load, save
from lowbit.generators.compiler.importers import open_model
from lowbit.generators.compiler.model import operations
from lowbit.generators.compiler.passes import PASSES, State
from lowbit.generators.compiler.pipeline import Compiled, compile_model, text_of
from lowbit.generators.compiler.program import Program
from lowbit.generators.compiler.sources import Quantizer
from lowbit.generators.compiler.target import read_target
from lowbit.generators.errors import UsageError
from lowbit.generators.runtime.accelerator import Accelerator
from lowbit.golden.accelerator.assembly import assemble
from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import to_bytes
from lowbit.golden.accelerator.layout import is_sliced
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.group_scale import Codes
from lowbit.golden.grouped import GroupedWeights
from lowbit.tb.support.accel import expected
from lowbit.tb.support.tiny_models import (
    LAYERS,
    WIDE,
    WIDTH,
    bert_file,
    llama_gguf,
    llama_safetensors,
    target_file,
)

Array = np.ndarray[Any, Any]
BLOCK = ("attn_q", "attn_k", "attn_v"), ("attn_output",), ("ffn_gate", "ffn_up"), ("ffn_down",)


@pytest.fixture(scope="module")
def p(tmp_path_factory: pytest.TempPathFactory) -> AccelParameters:
    return read_target(target_file(tmp_path_factory.mktemp("target") / "accel.json"))


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def compiled(p: AccelParameters, model_file: Path) -> Compiled:
    return compile_model(p, open_model(model_file), (1, 3))


def weights_of(path: Path, name: str) -> GroupedWeights:
    return open_model(path, Quantizer(4, 32)).load(name)


def rows_of(rng: np.random.Generator, rows: int, k: int) -> Array:
    return rng.normal(0, 1, (rows, k)).astype(np.float16)


def golden_product(program: Program, weights: GroupedWeights, x: Array) -> Array:
    return FP32.to_array(expected(program.p, FP16.from_array(x), weights, min(
        weights.group_size or x.shape[1], program.p.max_group)))


def test_precomputes_of_a_llama_layer(compiled: Compiled) -> None:
    """7 a layer, 4 when shared, of which 3 are fused; and the output head's."""
    counts = compiled.counts
    assert counts["import"]["lut.linear"] == 7 * LAYERS + 1
    assert counts["split"]["lut.precompute"] == 7 * LAYERS + 1
    assert "lut.linear" not in counts["split"]
    assert counts["share"]["lut.precompute"] == 4 * LAYERS + 1
    fused = counts["fuse"]
    assert fused["lut.precompute"] == LAYERS
    assert fused["lut.rmsnorm_precompute"] == 2 * LAYERS + 1
    assert fused["lut.silu_mul_precompute"] == LAYERS
    assert "lut.rmsnorm" not in fused
    assert all(counts[name]["lut.mpgemm"] == 7 * LAYERS + 1 for name in PASSES)


def test_calls(compiled: Compiled) -> None:
    names = [tuple(f"blk.{layer}.{part}.weight" for part in parts)
             for layer in range(LAYERS) for parts in BLOCK] + [("token_embd.weight",)]
    assert list(compiled.program.calls) == names
    assert [call.fused for call in compiled.program.calls.values()] == \
        ["rmsnorm", None, "rmsnorm", "silu_mul"] * LAYERS + ["rmsnorm"]


def test_a_norm_that_others_read_is_not_fused(tmp_path: Path) -> None:
    """Gate in groups of 32 and up in groups of 16 need two precomputes of the norm's results."""
    small = read_target(target_file(tmp_path / "accel.json", min_group=16, group_scale="fp32"))
    model = open_model(llama_gguf(tmp_path / "m.gguf"))
    up = next(op for op in operations(model.module, Linear) if op.label == "blk.0.ffn_up.weight")
    up.properties["group"] = integer(16)
    state = State(small, model, (1,))
    for name in ("split", "share", "fuse"):
        PASSES[name](model.module, state)
    text = text_of(model.module)
    assert text.count('"lut.rmsnorm"') == 1
    assert text.count('"lut.precompute"') == LAYERS + 2


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_products(compiled: Compiled, model_file: Path, rows: int) -> None:
    """Every call, compiled or made on the fly, bit for bit."""
    accelerator = Accelerator(compiled.program)
    rng = np.random.default_rng(rows)
    for names in compiled.program.calls:
        k = WIDE if "ffn_down" in names[0] else WIDTH
        x = rows_of(rng, rows, k)
        for name, y in zip(names, accelerator.linear(names, x), strict=True):
            want = golden_product(compiled.program, weights_of(model_file, name), x)
            assert y.dtype == np.float32 and np.array_equal(y, want), name


def test_many_rows(compiled: Compiled, model_file: Path) -> None:
    """More than the runtime has room for, in several calls."""
    names = ("blk.0.attn_output.weight",)
    x = rows_of(np.random.default_rng(1), 70, WIDTH)
    y, = Accelerator(compiled.program).linear(names, x)
    assert np.array_equal(y, golden_product(compiled.program, weights_of(model_file, names[0]), x))


def test_k_in_slices(tmp_path: Path, model_file: Path) -> None:
    """The activation buffer holds 64 inputs of M rows; "down" has 96. A program of more rows than
    were compiled has room where the runtime puts it."""
    small = read_target(target_file(tmp_path / "accel.json", a_kib=1, M=8, max_group=32))
    compiled = compile_model(small, open_model(model_file), (1,))
    accelerator = Accelerator(compiled.program)
    for names, k in ((("blk.0.ffn_down.weight",), WIDE), (("blk.1.attn_output.weight",), WIDTH)):
        assert is_sliced(small, k) == (k == WIDE)
        for rows in (1, 11, 64):
            x = rows_of(np.random.default_rng(rows), rows, k)
            y, = accelerator.linear(names, x)
            assert np.array_equal(y, golden_product(compiled.program,
                                                    weights_of(model_file, names[0]), x))


@pytest.mark.parametrize("skip", [("share",), ("fuse",), ("share", "fuse")])
def test_passes_change_no_result(p: AccelParameters, compiled: Compiled, model_file: Path,
                                 skip: tuple[str, ...]) -> None:
    other = compile_model(p, open_model(model_file), (1, 3), skip=skip).program
    first, second = Accelerator(compiled.program), Accelerator(other)
    assert (len(other.calls) == 7 * LAYERS + 1) == ("share" in skip)
    for names, call in compiled.program.calls.items():
        x = rows_of(np.random.default_rng(2), 3, WIDE if "ffn_down" in names[0] else WIDTH)
        place = first.inputs(names, 3)
        if call.fused:
            place[:] = x        # the host's norm writes here itself
        got = first.linear(names, place if call.fused else x)
        for a, b in zip(got, second.linear(names, x), strict=True):
            assert np.array_equal(a, b)


def test_order_of_units_does_not_matter(compiled: Compiled) -> None:
    class Shuffled(Device):
        def run(self, address: int, instructions: int, seed: int | None = None) -> Any:
            return super().run(address, instructions, 5)
    first = Accelerator(compiled.program)
    second = Accelerator(compiled.program, Shuffled)
    for names in list(compiled.program.calls)[:4]:
        x = rows_of(np.random.default_rng(3), 3, WIDE if "ffn_down" in names[0] else WIDTH)
        for a, b in zip(first.linear(names, x), second.linear(names, x), strict=True):
            assert np.array_equal(a, b)


def moved(patch: pytest.MonkeyPatch) -> None:
    real = calls_module.program_of
    patch.setattr(program_module, "program_of", lambda p, rows, matrices, order, addresses: real(
        p, rows, matrices, order, [address + 64 for address in addresses]))


def overlapping(patch: pytest.MonkeyPatch) -> None:
    for module in (program_module, calls_module):
        patch.setattr(module, "result_places", lambda p, rows, matrices: [0] * len(matrices))


def renamed(patch: pytest.MonkeyPatch) -> None:
    real = calls_module.calls_of

    def wrong(module: Any) -> Any:
        found = real(module)
        for call in found:
            names = [op.weight for op in call.products]
            for op, name in zip(call.products, reversed(names), strict=True):
                op.properties["weight"] = name
        return found
    # the package has a function of the module's name
    patch.setattr(import_module("lowbit.generators.compiler.passes.emit"), "calls_of", wrong)


@pytest.mark.parametrize("mistake", [moved, overlapping, renamed])
def test_mistakes_are_found(p: AccelParameters, model_file: Path, mistake: Any,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of products fails for programs that read or write a wrong place."""
    mistake(monkeypatch)
    done = compile_model(p, open_model(model_file), (1,))
    with pytest.raises(AssertionError):
        test_products(done, model_file, 1)


# -- the folder -------------------------------------------------------------------------------
def test_same_model_same_bytes(p: AccelParameters, compiled: Compiled, model_file: Path,
                               tmp_path: Path) -> None:
    save(compiled.program, tmp_path / "a")
    save(compile_model(p, open_model(model_file), (1, 3)).program, tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["listing.txt", "program.bin", "program.json", "weights.bin"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_folder_round_trip(compiled: Compiled, tmp_path: Path) -> None:
    save(compiled.program, tmp_path / "a")
    save(compiled.program, tmp_path / "a")      # in the place of an earlier one
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    program = load(tmp_path / "a")
    assert program.weights == compiled.program.weights and program.calls == compiled.program.calls
    for names in program.calls:
        for rows in (1, 2, 3):
            assert program.call(names, rows) == compiled.program.call(names, rows)
    assert bytes(program.image) == bytes(compiled.program.image)
    for placed in program.weights.values():
        assert placed.address % 4096 == 0


def test_listing_is_the_program(compiled: Compiled, tmp_path: Path) -> None:
    save(compiled.program, tmp_path / "a")
    text = (tmp_path / "a" / "listing.txt").read_text()
    code = to_bytes(assemble(compiled.program.p, text))
    whole = b"".join(compiled.program.call(names, rows).code
                     for rows in (1, 3) for names in compiled.program.calls)
    assert code == whole
    assert "lmma.m2n32k4.fp16.u4.fp32.fp32 a0, w0, s0, p0, rows=4" in text


@pytest.mark.parametrize(("name", "damage", "error"), [
    ("program.bin", lambda data: data[:-1], "program.bin has"),
    ("program.bin", lambda data: b"\xff" + data[1:], "program.bin is not what was written"),
    ("weights.bin", lambda data: data[:-4096], "weights.bin has"),
    ("program.json", lambda data: data[:100], "is not a program of gen compile"),
    ("program.json", lambda data: data.replace(b'"version": 1', b'"version": 9'), "version 9"),
    ("program.json", lambda data: data.replace(b'"calls"', b'"cells"'), "does not say 'calls'"),
    ("program.json", lambda data: data.replace(b'"N": 32', b'"N": 31'), "must divide N = 31"),
    ("program.json", None, "cannot read")])
def test_damaged_folders(compiled: Compiled, tmp_path: Path, name: str, damage: Any,
                         error: str) -> None:
    path = tmp_path / "a"
    save(compiled.program, path)
    if damage is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes(damage((path / name).read_bytes()))
    with pytest.raises(UsageError, match=error):
        load(path)


def test_a_failed_write_leaves_the_earlier_folder(compiled: Compiled, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    save(compiled.program, path)
    before = (path / "program.json").read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left"):
        save(compiled.program, path)
    assert (path / "program.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


# -- other models -----------------------------------------------------------------------------
@pytest.mark.parametrize(("make", "precomputes"), [(llama_safetensors, 4 * LAYERS + 1),
                                                   (bert_file, 4 * LAYERS)])
def test_floats_are_quantised(p: AccelParameters, tmp_path: Path, make: Any,
                              precomputes: int) -> None:
    path = make(tmp_path / "model.safetensors")
    done = compile_model(p, open_model(path, Quantizer(4, 32)), (2,))
    assert done.counts["share"]["lut.precompute"] == precomputes
    accelerator = Accelerator(done.program)
    rng = np.random.default_rng(4)
    for names in done.program.calls:
        x = rows_of(rng, 2, done.program.weights[names[0]].matrix.k)
        for name, y in zip(names, accelerator.linear(names, x), strict=True):
            assert np.array_equal(y, golden_product(done.program, weights_of(path, name), x))


def test_quantised_layers_of_safetensors(p: AccelParameters, tmp_path: Path) -> None:
    """compressed-tensors: codes and scales of the file, the embedding quantised."""
    path = llama_safetensors(tmp_path / "model.safetensors", compressed=True)
    model = open_model(path, Quantizer(8, 32))
    done = compile_model(p, model, (1,))
    name = "model.layers.1.mlp.up_proj.weight"
    matrix = done.program.weights[name].matrix
    assert (matrix.planes, matrix.codes, matrix.n) == (4, Codes.SIGNED, WIDE)
    assert done.program.weights["lm_head.weight"].matrix.planes == 8
    x = rows_of(np.random.default_rng(5), 1, WIDTH)
    names = ("model.layers.1.mlp.gate_proj.weight", name)
    y = Accelerator(done.program).linear(names, x)[1]
    assert np.array_equal(y, golden_product(done.program, model.load(name), x))


def test_architecture_beside_the_file(tmp_path: Path) -> None:
    path = llama_safetensors(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(UsageError, match="architecture 'qwen2'"):
        open_model(path, Quantizer(4))
    shutil.copy(bert_file(tmp_path / "other"), path)
    with pytest.raises(UsageError, match="qwen2"):
        open_model(path, Quantizer(4))


# -- the runtime ------------------------------------------------------------------------------
def test_runtime_refusals(compiled: Compiled, tmp_path: Path) -> None:
    accelerator = Accelerator(compiled.program)
    names = ("blk.0.attn_output.weight",)
    for x, error in ((np.zeros((1, WIDTH), np.float32), "float16"),
                     (np.zeros((1, WIDTH + 1), np.float16), f"has {WIDTH} inputs"),
                     (np.zeros(WIDTH, np.float16), "shape"),
                     (np.zeros((0, WIDTH), np.float16), "shape")):
        with pytest.raises(UsageError, match=error):
            accelerator.linear(names, x)
    with pytest.raises(UsageError, match="no matrix what"):
        accelerator.linear(("what",), np.zeros((1, 64), np.float16))
    wide = read_target(target_file(tmp_path / "a.json", a_format="bf16"))
    program = Program(wide, {}, [], b"", b"", {})
    with pytest.raises(UsageError, match="this design has bf16"):
        Accelerator(program)
