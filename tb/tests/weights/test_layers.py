"""GPTQ, AWQ and compressed-tensors layers against unpackers written from their layouts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from lowbit.generators.errors import UsageError
from lowbit.generators.weights.kept import list_tensors, load_kept

from . import packers

#: FP16 scales: zero, subnormal, ordinary, largest
SCALES = np.array([0, 6e-8, 6e-5, 0.01, 1, 65504], np.float16)


def all_codes(k, n, bits, rng):
    """Codes (k, n), every one of them."""
    codes = np.resize(np.arange(1 << bits), k * n)
    return rng.permutation(codes).reshape(k, n)


def layer(bits, k=96, n=32, group=64, act_order=False, version=1, seed=1):
    """GPTQ tensors; the last group is shorter where ``group`` does not divide k. Zero points
    include the lowest and highest that the version can store."""
    rng = np.random.default_rng(seed)
    groups = -(-k // group)
    q = all_codes(k, n, bits, rng)
    low, high = (1, 1 << bits) if version == 1 else (0, (1 << bits) - 1)
    z = rng.integers(low, high + 1, (groups, n))
    z[0, :2] = low, high
    q[:, 3] = 5 % (1 << bits)       # all equal
    g_idx = np.arange(k) // group
    if act_order:
        g_idx = rng.permutation(g_idx)
    return packers.gptq(q, z, np.resize(SCALES, (groups, n)), g_idx, bits, version)


def write(folder, tensors, config=None, name="model.safetensors", base="layer.0.proj"):
    """A safetensors file of one layer, with its configuration."""
    save_file({f"{base}.{part}": np.ascontiguousarray(t) for part, t in tensors.items()},
              folder / name)
    if config is not None:
        (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
    return folder / name


@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq(tmp_path, bits, version, act_order):
    tensors = layer(bits, act_order=act_order, version=version)
    path = write(tmp_path, tensors, {"quant_method": "gptq", "bits": bits, "group_size": 64}
                 | ({"checkpoint_format": "gptq_v2"} if version == 2 else {}))
    kept = load_kept(path)
    assert np.array_equal(kept.weights.dequantize(),
                          packers.gptq_dequantized(tensors, bits, version))
    assert (kept.format, kept.weights.bits, kept.weights.group_size) == ("GPTQ", bits, 64)
    assert (kept.weights.order is not None) == act_order
    assert any(f"version {version}, as its configuration says" in note for note in kept.notes)
    line, = list_tensors(path)
    assert (line.name, line.format, line.shape, line.keep) == \
        ("layer.0.proj", f"GPTQ {bits}", (32, 96), True)
    assert line.takes == f"lut_core, {bits} planes"


@pytest.mark.parametrize("version", [1, 2])
def test_gptq_zeros_known_from_symmetric_weights(tmp_path, version):
    tensors = layer(4, version=version)
    tensors["qzeros"] = np.full_like(tensors["qzeros"], 0x77777777 if version == 1 else
                                     np.uint32(0x88888888).astype(np.int32))
    kept = load_kept(write(tmp_path, tensors))
    assert np.all(kept.weights.zero == 8)
    assert f"version {version}: all stored as" in kept.notes[0]


def test_gptq_zeros_unknown(tmp_path):
    tensors = layer(4)
    path = write(tmp_path, tensors)
    with pytest.raises(UsageError, match="give --gptq-zeros v1"):
        load_kept(path)
    for version in (1, 2):
        kept = load_kept(path, gptq_zeros=f"v{version}")
        assert np.array_equal(kept.weights.dequantize(),
                              packers.gptq_dequantized(tensors, 4, version))


def test_gptq_without_g_idx(tmp_path):
    """Groups are runs; their size comes from their number, or from the configuration."""
    tensors = layer(4, k=128, group=64)
    expected = packers.gptq_dequantized(tensors, 4, 1)
    del tensors["g_idx"]
    path = write(tmp_path, tensors)
    assert np.array_equal(load_kept(path, gptq_zeros="v1").weights.dequantize(), expected)
    ragged = layer(4, k=96, group=40)
    expected = packers.gptq_dequantized(ragged, 4, 1)
    del ragged["g_idx"]
    path = write(tmp_path, ragged, {"bits": 4, "group_size": 40})
    assert np.array_equal(load_kept(path).weights.dequantize(), expected)


@pytest.mark.parametrize("name", ["layer.0.proj", "layer.0.proj.qweight", "layer.0.proj.weight"])
def test_names_of_a_layer(tmp_path, name):
    assert load_kept(write(tmp_path, layer(4)), name, gptq_zeros="v1").name == "layer.0.proj"


@pytest.mark.parametrize(("change", "why"), [
    (dict(qzeros=None), r"needs layer\.0\.proj\.qzeros"),
    (dict(scales=None), r"needs layer\.0\.proj\.scales"),
    (dict(g_idx=np.zeros(96, np.int32)), "must have one size"),
    (dict(g_idx=np.full(96, 7, np.int32)), r"must hold groups 0\.\.1"),
    (dict(g_idx=np.zeros(95, np.int32)), "no GPTQ layer"),
    (dict(qweight=np.zeros((11, 32), np.int32)), "no GPTQ layer"),
    (dict(scales=np.full((2, 32), np.inf, np.float16)), "must be finite"),
    (dict(scales=np.ones(32, np.float16)), "must be a matrix"),
    (dict(scales=np.ones((2, 32), np.int32)), "must be one of F64")])
def test_gptq_refused(tmp_path, change, why):
    tensors = layer(4) | change
    path = write(tmp_path, {name: t for name, t in tensors.items() if t is not None})
    with pytest.raises(UsageError, match=why):
        load_kept(path, gptq_zeros="v1")
    list_tensors(path)


@pytest.mark.parametrize("group", [32, 64])
def test_awq(tmp_path, group):
    """64 does not divide k = 96."""
    rng = np.random.default_rng(2)
    k, n, groups = 96, 24, -(-96 // group)
    z = rng.integers(0, 16, (groups, n))
    z[0, :2] = 0, 15
    tensors = packers.awq(all_codes(k, n, 4, rng), z, np.resize(SCALES, (groups, n)))
    path = write(tmp_path, tensors, {"quant_method": "awq", "bits": 4, "group_size": group})
    kept = load_kept(path)
    assert kept.format == "AWQ"
    assert np.array_equal(kept.weights.dequantize(), packers.awq_dequantized(tensors, group))
    assert [(t.format, t.shape) for t in list_tensors(path)] == [("AWQ 4", (24, 96))]


@pytest.mark.parametrize("zero", ["none", "packed", "int8"])
@pytest.mark.parametrize(("bits", "k"), [(4, 96), (8, 96), (4, 60), (8, 30)])
def test_compressed(tmp_path, bits, k, zero):
    """k and n need not fill words; groups are runs of a divisor of k, or of a whole channel."""
    rng = np.random.default_rng(3)
    n, groups, middle = 22, 3, 1 << (bits - 1)
    q = all_codes(n, k, bits, rng) - middle
    z = rng.integers(-middle, middle, (n, groups))
    z[0] = -middle, middle - 1, 0
    tensors = packers.compressed(q, np.resize(SCALES, (n, groups)), bits,
                                 None if zero == "none" else z)
    if zero == "int8":
        tensors["weight_zero_point"] = z.astype(np.int8)
    path = write(tmp_path, tensors)
    kept = load_kept(path)
    expected = packers.compressed_dequantized(tensors, bits, np.arange(k) // (k // groups))
    assert np.array_equal(kept.weights.dequantize(), expected)
    assert [(t.format, t.shape) for t in list_tensors(path)] == [(f"compressed {bits}", (n, k))]


def test_compressed_act_order(tmp_path):
    rng = np.random.default_rng(4)
    q = all_codes(8, 64, 4, rng) - 8
    tensors = packers.compressed(q, np.resize(SCALES, (8, 2)), 4)
    tensors["weight_g_idx"] = rng.permutation(np.arange(64) // 32).astype(np.int32)
    kept = load_kept(write(tmp_path, tensors))
    assert kept.weights.order is not None
    assert np.array_equal(kept.weights.dequantize(), packers.compressed_dequantized(
        tensors, 4, tensors["weight_g_idx"]))


@pytest.mark.parametrize(("change", "why"), [
    (dict(weight_shape=None), "needs layer.0.proj.weight_shape"),
    (dict(weight_shape=np.array([8, 640])), "640 codes of 4 or 8 bits"),
    (dict(weight_shape=np.array([9, 64])), "no packed layer"),
    (dict(weight_zero_point=np.zeros((3, 3), np.int32)), "weight_zero_point must be"),
    (dict(weight_g_idx=np.zeros(5, np.int32)), "weight_g_idx must have shape")])
def test_compressed_refused(tmp_path, change, why):
    rng = np.random.default_rng(4)
    tensors = packers.compressed(all_codes(8, 64, 4, rng) - 8, np.ones((8, 2), np.float32),
                                 4) | change
    path = write(tmp_path, {name: t for name, t in tensors.items() if t is not None})
    with pytest.raises(UsageError, match=why):
        load_kept(path)
    list_tensors(path)


def test_integers_alone_are_refused(tmp_path):
    save_file({"w": np.zeros((4, 8), np.int32), "f": np.zeros((4, 8), np.float32)},
              tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match="w is I32 without the tensors that say what it means"):
        load_kept(tmp_path / "x.safetensors", "w")
    with pytest.raises(UsageError, match="f is F32 and has no codes to keep"):
        load_kept(tmp_path / "x.safetensors", "f")
    with pytest.raises(UsageError, match="no matrix with codes of its own"):
        load_kept(tmp_path / "x.safetensors")


def test_shards(tmp_path):
    """A layer whose tensors lie in two files, named by their index."""
    tensors = layer(4)
    names = {f"a.{part}": t for part, t in tensors.items()}
    first = {name: np.ascontiguousarray(t) for name, t in names.items() if "qweight" in name}
    second = {name: np.ascontiguousarray(t) for name, t in names.items() if "qweight" not in name}
    save_file(first, tmp_path / "model-1.safetensors")
    save_file(second | {"b": np.ones((2, 3), np.float32)}, tmp_path / "model-2.safetensors")
    where = dict.fromkeys(first, "model-1.safetensors") | \
        dict.fromkeys([*second, "b"], "model-2.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    kept = load_kept(index, "a", gptq_zeros="v1")
    assert np.array_equal(kept.weights.dequantize(), packers.gptq_dequantized(tensors, 4, 1))
    assert {t.name: t.format for t in list_tensors(index)} == {"a": "GPTQ 4", "b": "F32"}

    for text, why in [("{}", "no weight_map"), ("[1]", "no weight_map"), ("x", "not an index"),
                      ('{"weight_map": {"q": "../x.safetensors"}}', "not in its folder"),
                      ('{"weight_map": {"q": "model-1.safetensors"}}', "does not hold it"),
                      ('{"weight_map": {"q": "model-3.safetensors"}}', "a shard that")]:
        index.write_text(text)
        with pytest.raises(UsageError, match=why):
            list_tensors(index)
