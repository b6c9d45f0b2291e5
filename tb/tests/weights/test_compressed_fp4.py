"""MXFP4 and NVFP4 of compressed-tensors: all codes and scales against fractions, bad files."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from lowbit.generators.cli import main
from lowbit.generators.errors import UsageError
from lowbit.generators.weights.formats import load_tensor
from lowbit.generators.weights.kept import list_tensors, load_kept
from lowbit.golden.block_formats import quantize

from . import packers
from .packers import write_safetensors

BASE = "layers.0.up"
#: type of the scales in the file
MX, E8, E4 = "U8", "F8_E8M0", "F8_E4M3"


def layer(block, seed=1):
    """All bytes of codes under all scales that are no NaN."""
    rng = np.random.default_rng(seed)
    finite = np.arange(255) if block == 32 else np.flatnonzero(np.arange(256) & 127 != 127)
    rows, columns = 8, -(-len(finite) // 8)
    scales = rng.permutation(np.resize(finite, rows * columns)).reshape(rows, columns)
    packed = rng.permutation(np.resize(np.arange(256), rows * columns * block // 2))
    tensors = {"weight_packed": packed.reshape(rows, -1).astype(np.uint8),
               "weight_scale": scales.astype(np.uint8)}
    if block == 16:
        tensors["weight_global_scale"] = np.array([3584.0], np.float32)
    return tensors


def write(path, tensors, scale):
    types = {"weight_packed": "U8", "weight_scale": scale, "weight_global_scale": "F32"}
    write_safetensors(path, {f"{BASE}.{name}": (types.get(name, "I8"), array)
                             for name, array in tensors.items() if array is not None})
    return path


@pytest.mark.parametrize(("block", "scale"), [(32, MX), (32, E8), (16, E4)])
def test_every_code_and_scale(tmp_path, block, scale):
    tensors = layer(block)
    path = write(tmp_path / "m.safetensors", tensors, scale)
    kept = load_kept(path)
    w, name = kept.weights, "MXFP4" if block == 32 else "NVFP4"
    assert (kept.name, kept.format, w.group_size) == (BASE, f"compressed-tensors {name}", block)
    codes = w.codes.reshape(len(w.codes), -1, 2)
    assert (codes[..., 0] | codes[..., 1] << 4 == tensors["weight_packed"]).all()
    kind = ml_dtypes.float8_e8m0fnu if block == 32 else ml_dtypes.float8_e4m3fn
    np.testing.assert_array_equal(w.scale, tensors["weight_scale"].view(kind).astype(np.float32))
    exact = packers.fp4_dequantized(tensors, block)
    factor = Fraction(1)
    if block == 16:
        # the one rounding: 1 / g to FP32
        assert w.factor is not None and (w.factor == np.float32(1 / 3584)).all()
        factor = Fraction(float(w.factor[0])) * 3584
        assert abs(factor - 1) <= Fraction(1, 1 << 24)
        assert kept.notes == ["scale of the tensor: 1 / 3584, as FP32 0.00027901787"]
    got = w.dequantize()
    for row, numbers in zip(got, exact, strict=True):
        assert all(Fraction(float(x)) == number * factor
                   for x, number in zip(row, numbers, strict=True))
    [line] = list_tensors(path)
    assert (line.format, line.shape, line.keep, line.group_size) == (
        f"compressed {name}", w.codes.shape, True, block)
    assert line.bits_per_weight == 4 + 8 / block + (block == 16) * 32 / w.codes.size
    assert ("e8m0" if block == 32 else "e4m3") in line.takes


def test_quantised_here_written_there(tmp_path):
    """Codes of our own quantiser in such a file come back, and run; g is a power of two."""
    rng = np.random.default_rng(2)
    weights = rng.normal(0, 0.05, (6, 64)).astype(np.float32)
    weights[0, 0] = 2688 / 4096     # the largest: the scale of the tensor is 2**-12
    found = quantize(weights, "nvfp4")
    assert found.factor is not None
    tensors = {"weight_packed": found.codes[:, ::2] | found.codes[:, 1::2] << 4,
               "weight_scale": found.scale.astype(ml_dtypes.float8_e4m3fn).view(np.uint8),
               "weight_global_scale": 1 / found.factor[:1]}
    path = write(tmp_path / "m.safetensors", tensors, E4)
    assert load_kept(path, f"{BASE}.weight").notes == ["scale of the tensor: 1 / 4096, exactly"]
    assert main(["quantize", str(path), "--keep", "-o", str(tmp_path / "q.npz")]) == 0
    kind, kept = load_tensor(tmp_path / "q.npz")
    assert kind.name == "nvfp4"
    for name in ("codes", "scale", "factor"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(found, name))
    a = rng.normal(0, 1, (3, 64)).astype(np.float16)
    np.save(tmp_path / "a.npy", a)
    assert main(["run", "bitmod_tile", "--group-scale", "e4m3", "--a", str(tmp_path / "a.npy"),
                 "--w", str(tmp_path / "q.npz"), "-o", str(tmp_path / "y.npy")]) == 0
    exact = a.astype(np.float64) @ found.dequantize().T
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("block", "scale", "change", "why"), [
    (32, MX, dict(weight_scale=np.full((8, 32), 255, np.uint8)),
     "a block's E8M0 scale is 255, which is NaN"),
    (16, E4, dict(weight_scale=np.full((8, 32), 0xFF, np.uint8)),
     "a block's E4M3 scale is 255, which is NaN"),
    (32, MX, dict(weight_scale=np.zeros((8, 64), np.uint8)),
     r"weight_scale must have shape \(8, 32\), a scale for 32 weights \(mxfp4\); it has \(8, 64\)"),
    (16, E4, dict(weight_scale=np.zeros((8, 16), np.uint8)), "a scale for 16 weights"),
    (32, MX, dict(weight_scale=None), "needs layers.0.up.weight_scale"),
    (16, E4, dict(weight_global_scale=None), "needs layers.0.up.weight_global_scale"),
    (16, E4, dict(weight_global_scale=np.zeros(1, np.float32)), "positive, finite number"),
    (16, E4, dict(weight_global_scale=np.full(1, np.nan, np.float32)), "it is nan"),
    (16, E4, dict(weight_global_scale=np.full(1, 1e-45, np.float32)), "reciprocal in FP32"),
    (16, E4, dict(weight_global_scale=np.ones(8, np.float32)), r"one F32 number.*shape \(8,\)"),
    (32, "I8", {}, "weight_scale must be one of U8, F8_E8M0, F8_E4M3.*it is I8"),
    (32, MX, dict(weight_packed=np.zeros(8, np.uint8)), r"must be a matrix.*shape \(8,\)")])
def test_refused(tmp_path, block, scale, change, why, capsys):
    path = write(tmp_path / "m.safetensors", layer(block) | change, scale)
    with pytest.raises(UsageError, match=why):
        load_kept(path)
    list_tensors(path)
    out = tmp_path / "q.npz"
    assert main(["quantize", str(path), "--keep", "-o", str(out)]) == 2 and not out.exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_words_of_integers_stay_integers(tmp_path):
    """The same names with words of 32 bits are pack-quantized integers."""
    q = np.arange(64).reshape(4, 16) % 16 - 8
    tensors = packers.compressed(q, np.ones((4, 1), np.float32), 4)
    save_file({f"{BASE}.{name}": np.ascontiguousarray(t) for name, t in tensors.items()},
              tmp_path / "m.safetensors")
    kept = load_kept(tmp_path / "m.safetensors")
    assert kept.format == "compressed-tensors" and (kept.weights.dequantize() == q).all()
