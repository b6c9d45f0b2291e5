"""``gen quantize``: the file, the report, and one clear line for every wrong input."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from lowbit.generators.cli import main
from lowbit.generators.errors import UsageError
from lowbit.generators.weights.file import TensorFile
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type
from lowbit.golden.bitmod.quantizer import quantize


@pytest.fixture
def model(tmp_path):
    """A safetensors file of four tensors, two of them matrices."""
    rng = np.random.default_rng(21)
    tensors: dict[str, Any] = {
        "layer.0.weight": rng.standard_normal((12, 80)).astype(np.float32),
        "layer.1.weight": rng.standard_t(4, (6, 64)).astype(np.float16),
        "layer.0.bias": np.zeros(12, np.float32),
        "positions": np.arange(12).reshape(3, 4)}
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    return path, tensors


@pytest.fixture
def matrix(tmp_path):
    weights = np.random.default_rng(22).standard_normal((8, 96)).astype(np.float32)
    np.save(tmp_path / "w.npy", weights)
    return tmp_path / "w.npy", weights


def refused(capsys, *arguments):
    """Run ``gen``, expect exit status 2 and one line; returns the line."""
    assert main([str(a) for a in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("gen: ")
    return printed.err


@pytest.mark.parametrize("scale_bits", [8, 16])
@pytest.mark.parametrize("name", DATA_TYPE_NAMES)
def test_round_trip(matrix, tmp_path, capsys, name, scale_bits):
    path, weights = matrix
    out = tmp_path / "p.npz"
    assert main(["quantize", str(path), "--dtype", name, "--group-size", "32", "--scale-bits",
                 str(scale_bits), "-o", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    expected, figures = quantize(weights, get_data_type(name), 32, scale_bits)
    with TensorFile(out) as file:
        assert file.names == ["w.npy"]
    kind, loaded = load_tensor(out)
    assert (kind.name, loaded.group_size, loaded.scale_bits) == (name, 32, scale_bits)
    assert loaded.dtype == expected.dtype
    for field in ("codes", "selectors", "scale_codes", "channel_scale", "scales", "zero_points"):
        assert np.array_equal(getattr(loaded, field), getattr(expected, field)), field
    assert report["total"] == figures.as_dict()
    error = ((loaded.dequantize().astype(np.float64) - weights) ** 2).mean()
    assert report["total"]["mse"] == pytest.approx(error, rel=1e-4)
    assert report["total"]["bits_per_weight"] == loaded.bits_per_weight()
    assert report["bytes"] == out.stat().st_size


def test_whole_model_and_patterns(model, tmp_path, capsys):
    path, tensors = model
    out = tmp_path / "p.npz"
    command = ["quantize", str(path), "--dtype", "bitmod3", "-o", str(out)]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [t["name"] for t in report["tensors"]] == ["layer.0.weight", "layer.1.weight"]
    assert report["total"]["weights"] == 12 * 80 + 6 * 64
    for row in report["tensors"]:
        assert sum(row["special_values"].values()) == row["groups"]
    for name in ("layer.0.weight", "layer.1.weight"):
        expected, _ = quantize(tensors[name], get_data_type("bitmod3"))
        assert np.array_equal(load_tensor(out, name)[1].codes, expected.codes)
    with pytest.raises(UsageError, match="--tensor must name one of the 2"):
        load_tensor(out)
    with pytest.raises(UsageError, match="no tensor 'x'"):
        load_tensor(out, "x")
    assert main([*command, "--tensor", "*.1.*", "--tensor", "*1.weight"]) == 0
    text = capsys.readouterr().out
    assert "layer.1.weight" in text and "layer.0" not in text and "bitmod3" in text


def test_bfloat16(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    weights = np.random.default_rng(23).standard_normal((5, 40)).astype(ml_dtypes.bfloat16)
    save_file({"w": weights}, tmp_path / "m.safetensors")
    out = tmp_path / "p.npz"
    command = ["quantize", str(tmp_path / "m.safetensors"), "--dtype", "fp4", "-o", str(out)]
    assert main(command) == 0
    expected, _ = quantize(weights.astype(np.float32), get_data_type("fp4"))
    assert np.array_equal(load_tensor(out, "w")[1].dequantize(), expected.dequantize())


def test_special_values(matrix, tmp_path, capsys):
    path = matrix[0]
    out = tmp_path / "p.npz"
    command = ["quantize", path, "--dtype", "fp4", "-o", out]
    assert main([*map(str, command), "--special-values=-7,7.5"]) == 0
    capsys.readouterr()
    tensor = load_tensor(out)[1]
    assert tensor.dtype.special_values == (-7.0, 7.5)
    assert set(np.unique(tensor.special_values())) <= {-7.0, 7.5}
    out.unlink()
    for text, words in (("6.5", "6.5 needs three"), ("5,x", "got 5,x"), ("1,3,5,7,8", "at most 4"),
                        ("6", "basic grid"), ("17", "within -15.5..15.5"), ("", "numbers")):
        assert words in refused(capsys, *command, f"--special-values={text}")
        assert not out.exists()
    assert "not to int4" in refused(capsys, "quantize", path, "--dtype", "int4", "-o", out,
                                    "--special-values", "5")


def test_same_bytes(matrix, tmp_path, capsys):
    outs = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for out in outs:
        assert main(["quantize", str(matrix[0]), "--dtype", "bitmod4", "-o", str(out)]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    # a file of ours may be overwritten, another one only by force
    assert main(["quantize", str(matrix[0]), "--dtype", "fp3", "-o", str(outs[0])]) == 0
    other = tmp_path / "other.npz"
    other.write_bytes(b"mine")
    capsys.readouterr()
    assert "--force" in refused(capsys, "quantize", matrix[0], "--dtype", "fp3", "-o", other)
    assert other.read_bytes() == b"mine"
    assert main(["quantize", str(matrix[0]), "--dtype", "fp3", "-o", str(other), "--force"]) == 0


@pytest.mark.parametrize(("options", "words"), [
    (["--dtype", "fp5"], "--dtype must be one of"), ([], "--dtype"),
    (["--dtype", "fp4", "--group-size", "0"], "--group-size must be 1..2147483647; got 0"),
    (["--dtype", "fp4", "--group-size", "x"], "--group-size"),
    (["--dtype", "fp4", "--scale-bits", "7"], "--scale-bits must be 8 or 16; got 7"),
    (["--dtype", "fp4", "--tensor", "w"], "leave --tensor out")])
def test_bad_options(matrix, tmp_path, capsys, options, words):
    out = tmp_path / "p.npz"
    assert words in refused(capsys, "quantize", matrix[0], *options, "-o", out)
    assert not out.exists() and len(list(tmp_path.iterdir())) == 1


def test_bad_weights(model, tmp_path, capsys):
    out = tmp_path / "p.npz"

    def line(path, *options):
        text = refused(capsys, "quantize", path, "--dtype", "bitmod4", "-o", out, *options)
        assert not out.exists()
        return text

    assert "cannot read" in line(tmp_path / "none.npy")
    assert "no tensor 'q'" in line(model[0], "--tensor", "q")
    assert "no tensor '*bias'" in line(model[0], "--tensor", "*bias")
    assert "must be a matrix" in line(model[0], "--tensor", "layer.0.bias")
    assert "positions is I64" in line(model[0], "--tensor", "positions")
    truncated = tmp_path / "t.safetensors"
    truncated.write_bytes(model[0].read_bytes()[:-9])
    assert "not a readable" in line(truncated)
    for number, (array, words) in enumerate((
            (np.ones((2, 3), int), "float16, float32, float64"), (np.ones(3), "must be a matrix"),
            (np.ones((0, 3)), "not empty"), (np.array([[1, np.nan]]), "must be finite"),
            (np.array([[1, np.inf]]), "must be finite"), (np.array([{}]), "not a readable"))):
        path = tmp_path / f"{number}.npy"
        np.save(path, array, allow_pickle=True)
        assert words in line(path)
    save_file({"bias": np.ones(3, np.float32)}, tmp_path / "b.safetensors")
    assert "has no matrix" in line(tmp_path / "b.safetensors")
    assert "a file that is read" in refused(capsys, "quantize", model[0], "--dtype", "fp4",
                                            "-o", model[0])


def _edit(source, target, **changes):
    """Copy a packed file with entries replaced (None: left out)."""
    with np.load(source) as archive:
        entries = {name: archive[name] for name in archive.files}
    entries |= changes
    with target.open("wb") as file:
        np.savez(file, **{n: v for n, v in entries.items() if v is not None})


@pytest.mark.parametrize(("changes", "words"), [
    (dict(format="other"), "format is 'other'"), (dict(version=9), "version 9 of the tensor file"),
    (dict(format="lowbit-lut-weights", version=1), "make it again with gen pack"),
    (dict(format="lowbit-bitmod-weights", version=1), "make it again with gen quantize"),
    (dict(format=None), "no format"), ({"0.format": "fp9"}, "'fp9' is not known"),
    ({"0.format": "bitmod3"}, "'codes' must be uint8"), ({"0.format": "int4"}, "belong to FP3"),
    ({"0.format": 3}, "'format' must be a text"),
    ({"0.format": "lut4"}, "scale.* is missing"),
    ({"0.special_values": np.array([6.5])}, "needs three"),
    ({"0.special_values": np.array([5.0])}, "selects special value"),
    ({"0.special_values": np.array(5.0)}, "a row of floats"),
    ({"0.group_size": 0}, "out of range"), ({"0.scale_bits": 16}, "0.scales' is missing"),
    ({"0.scale_bits": 12}, "out of range"), ({"0.scale_bits": 4}, "an integer 8..16"),
    ({"0.group_size": 16}, "'selectors' must be"), ({"0.shape": np.array([0, 3])}, "shape 0, 3"),
    (dict(names=np.array([], np.str_)), "names no tensors"),
    ({"0.codes": None}, "0.codes' is missing"),
    ({"0.codes": np.zeros((8, 48))}, "it is float64"),
    ({"0.channel_scale": np.full(8, np.nan, np.float32)}, "not finite")])
def test_bad_packed_files(matrix, tmp_path, changes, words):
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    assert main(["quantize", str(matrix[0]), "--dtype", "bitmod4", "--group-size", "32",
                 "-o", str(good)]) == 0
    _edit(good, bad, **changes)
    with pytest.raises(UsageError, match=words) as error:
        load_tensor(bad)
    assert "\n" not in str(error.value) and str(bad) in str(error.value)


def test_files_of_another_kind(matrix, tmp_path):
    for path, words in ((matrix[0], "not an .npz"), (tmp_path / "none", "cannot read")):
        with pytest.raises(UsageError, match=words):
            load_tensor(path)
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    assert main(["quantize", str(matrix[0]), "--dtype", "fp4", "-o", str(good)]) == 0
    bad.write_bytes(good.read_bytes()[:-40])
    with pytest.raises(UsageError, match="damaged"):
        load_tensor(bad)
    with zipfile.ZipFile(good) as archive:
        offset = archive.getinfo("0.codes.npy").header_offset + 300
    data = bytearray(good.read_bytes())
    data[offset] ^= 255
    bad.write_bytes(data)
    with pytest.raises(UsageError, match="damaged"):
        load_tensor(bad)
