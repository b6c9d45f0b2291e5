"""``gen inspect``, ``gen quantize --keep``, and a file's own codes through the simulated core."""

from __future__ import annotations

import json
import pickle

import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from safetensors.numpy import save_file

from lowbit.generators.cli import main
from lowbit.generators.weights.file import TensorFile
from lowbit.generators.weights.formats import load_tensor

from .test_gguf import blocks, reference


def write(path, name, raw):
    writer = GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.w.weight", raw, raw_dtype=GGMLQuantizationType[name])
    writer.add_tensor("blk.0.norm.weight", np.ones(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def small(name, rows=3, count=1):
    """Blocks with scales of ordinary size."""
    raw = blocks(name, rows * count)
    raw[:, 1] = 0x38 | raw[:, 1] & 0x83       # the scale: 0.5 .. 1, either sign
    raw[:, 3] = 0x38 | raw[:, 3] & 0x83       # the minimum of Q4_1
    return raw.reshape(rows, -1)


def refused(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    return printed.err


def test_inspect(tmp_path, capsys):
    path = tmp_path / "m.gguf"
    write(path, "Q4_1", small("Q4_1"))
    assert main(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    assert "blk.*.w.weight" in text and "lut_core, 4 planes, with minima" in text
    assert main(["inspect", str(path), "--all"]) == 0
    assert "blk.0.w.weight" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["tensors"]
    assert (first["format"], first["shape"], first["bits_per_weight"], first["keep"]) == \
        ("Q4_1", [3, 32], 5.0, True)
    assert (second["takes"], second["keep"]) == ("not a matrix", False)


@pytest.mark.parametrize("name", ["Q4_1", "Q8_0", "Q3_K", "MXFP4"])
def test_keep(tmp_path, capsys, name):
    path, out = tmp_path / "m.gguf", tmp_path / "w.npz"
    raw = blocks(name, 6).reshape(3, -1)
    write(path, name, raw)
    assert main(["quantize", str(path), "--keep", "-o", str(out)]) == 0
    assert "the file's own codes" in capsys.readouterr().out
    assert np.array_equal(load_tensor(out)[1].dequantize().astype(np.float32), reference(name, raw))


@pytest.mark.parametrize(("kind", "low"), [("int4", -8), ("uint4", 0), ("int2", -2), ("uint2", 0)])
def test_keep_npy(tmp_path, capsys, kind, low):
    """Every value of an ml_dtypes array; NumPy saves it as bytes of an unknown type."""
    values = np.arange(low, low + (1 << int(kind[-1]))).reshape(2, -1)
    path, out = tmp_path / "w.npy", tmp_path / "w.npz"
    np.save(path, values.astype(getattr(ml_dtypes, kind)))
    line = refused(capsys, "quantize", path, "--keep", "-o", out)
    assert "give --npy-type int4|uint4" in line
    assert main(["quantize", str(path), "--keep", "--npy-type", kind, "-o", str(out)]) == 0
    assert np.array_equal(load_tensor(out)[1].dequantize(), values)


def test_pickles_are_not_read(tmp_path, capsys):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"w": [1, 2]}))
    for words in (["inspect", path], ["quantize", path, "--keep", "-o", tmp_path / "o.npz"]):
        assert "is not read; save the weights as .safetensors" in refused(capsys, *words)
    assert not (tmp_path / "o.npz").exists()


def test_own_codes_through_the_simulated_core(tmp_path, capsys):
    """Two groups a row, three columns and the column of sums on a core of two columns."""
    path, out = tmp_path / "m.gguf", tmp_path / "w.npz"
    raw = small("Q4_1", 3, 2)
    write(path, "Q4_1", raw)
    assert main(["quantize", str(path), "--keep", "-o", str(out)]) == 0
    a = np.random.default_rng(2).standard_normal((3, 64)).astype(np.float16)
    np.save(tmp_path / "a.npy", a)
    capsys.readouterr()
    assert main(["run", "lut_core", "--M", "2", "--N", "2", "--a", str(tmp_path / "a.npy"), "--w",
                 str(out), "--backend", "rtl", "--compare", "--json",
                 "-o", str(tmp_path / "y.npy")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["differ"] == 0 and report["minimum"]
    expected = a.astype(float) @ reference("Q4_1", raw).astype(float).T
    assert np.abs(np.load(tmp_path / "y.npy") - expected).max() < 1e-3


def test_all_matrices_are_kept(tmp_path, capsys):
    """Without a name every matrix that has codes; patterns choose; what has none is said."""
    layers = {f"l.{i}": np.full((2, 4), i, np.int32) for i in range(2)}
    save_file(layers, tmp_path / "plain.safetensors")
    out = tmp_path / "o.npz"
    assert "has no matrix with codes to keep" in refused(
        capsys, "quantize", tmp_path / "plain.safetensors", "--keep", "-o", out)
    raw = blocks("Q4_0", 4).reshape(2, -1)
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    for name in ("a.0.weight", "a.1.weight", "b.weight"):
        writer.add_tensor(name, raw, raw_dtype=GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    words = ["quantize", str(tmp_path / "m.gguf"), "--keep", "-o", str(out)]
    for options, names in (([], ["a.0.weight", "a.1.weight", "b.weight"]),
                           (["--tensor", "a.*"], ["a.0.weight", "a.1.weight"])):
        assert main([*words, *options]) == 0
        with TensorFile(out) as file:
            assert file.names == names
    assert np.array_equal(load_tensor(out, "a.1.weight")[1].dequantize().astype(np.float32),
                          reference("Q4_0", raw))
    capsys.readouterr()
    assert "matches --tensor c.*" in refused(capsys, *words, "--tensor", "c.*")
    assert "no tensor 'c'" in refused(capsys, *words, "--tensor", "c")
    assert "belongs to --dtype" in refused(capsys, *words, "--scale-bits", "8")
