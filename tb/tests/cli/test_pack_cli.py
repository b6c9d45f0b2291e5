"""``gen pack`` as a user calls it: what it reads, what it writes, what it refuses."""

from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from lowbit.generators.cli import main
from lowbit.generators.errors import UsageError
from lowbit.generators.families.lut.stream import stream_entries
from lowbit.generators.weights.checkpoint import open_tensor
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.bits import unpack_bits
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.packing import split_steps
from lowbit.golden.lut.parameters import LutCoreParameters

from ..weights.packers import write_safetensors

ML = {"BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn,
      "F8_E5M2": ml_dtypes.float8_e5m2, "F16": np.float16, "F32": np.float32, "F64": np.float64,
      "I8": np.int8}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Two matrices and a vector in a safetensors file."""
    rng = np.random.default_rng(0)
    path = tmp_path / "w.safetensors"
    save_file({"layer.0.up.weight": rng.standard_normal((7, 40)).astype(np.float32),
               "layer.0.down.weight": rng.standard_normal((4, 8)).astype(np.float32),
               "layer.0.up.bias": np.ones(7, np.float32)}, path)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run; the answer must be one line and status 2, and no new file."""
    folders = {Path(str(w)).parent for w in words if "/" in str(w)}
    before = {p for folder in folders if folder.is_dir() for p in folder.iterdir()}
    assert main(["pack", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1, err
    assert {p for folder in folders if folder.is_dir() for p in folder.iterdir()} == before
    return err


@pytest.mark.parametrize("dtype", ["BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2"])
def test_decoding(tmp_path: Path, dtype: str) -> None:
    """Every code of the small types, as ml_dtypes decodes it; rows on demand."""
    kind = np.dtype(ML[dtype])
    if kind.itemsize <= 2:
        raw = np.arange(1 << (8 * kind.itemsize)).astype(f"u{kind.itemsize}").reshape(-1, 64)
        array = raw.view(kind)
    else:
        array = np.random.default_rng(1).standard_normal((9, 5)).astype(kind)
    path = tmp_path / "x.safetensors"
    write_safetensors(path, {"before": ("I8", np.ones(3, np.int8)), "w": (dtype, array)})
    tensor = open_tensor(path, "w")
    assert tensor.shape == array.shape
    with np.errstate(invalid="ignore"):      # signalling NaN among all codes
        expected = array.astype(np.float64)
        got, some = (tensor[rows].astype(np.float64) for rows in (slice(0, None), slice(2, 4)))
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(some, expected[2:4])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(np.random.default_rng(2).standard_normal((6, 3)), dtype, order=order)
    np.save(tmp_path / "w.npy", array)
    tensor = open_tensor(tmp_path / "w.npy")
    assert (tensor[slice(1, 5)] == array[1:5]).all()


class Packed:
    """Quantised weights and a core's words for them."""

    def __init__(self, quantized: GroupedWeights, stream: dict[str, Any]) -> None:
        self.quantized = quantized
        self.group_size, self.scale = quantized.group_size, quantized.scale
        self.K, self.groups, self.N, self.raw, self.plane, self.last, self.table_last, self.words \
            = (stream[f"stream_{name}"] for name in
               ("K", "groups", "N", "raw", "plane", "last", "table_last", "words"))
        self.K, self.groups, self.N = int(self.K), int(self.groups), int(self.N)


def load_packed(path: Path) -> Packed:
    _, quantized = load_tensor(path)
    assert isinstance(quantized, GroupedWeights)
    with np.load(path) as archive:
        return Packed(quantized, {name.removeprefix("0."): archive[name]
                                  for name in archive.files})


def words_value(p: Packed, a: Any) -> Any:
    """The dequantised product computed from a stream: (rows, n) float64."""
    n = len(p.quantized.codes)
    parts = split_steps(a, p.K, p.groups, p.group_size)
    signs = np.array([[1 if i >> j & 1 else -1 for j in range(p.K)] for i in range(1 << p.K)])
    full = parts.astype(np.int64) @ signs.T          # (rows, steps, groups, patterns)
    y = np.zeros((len(a), len(p.words) * p.N))
    scale = np.zeros((len(p.words) * p.N, p.scale.shape[1]))
    scale[:n] = p.scale.astype(np.float64) / 2
    for tile, stream in enumerate(p.words):
        fields = unpack_bits(stream, p.K, p.N * p.groups).reshape(len(stream), p.N, p.groups)
        columns = slice(tile * p.N, (tile + 1) * p.N)
        step = reduction = 0
        total = np.zeros((len(a), p.N), np.int64)
        for t in range(len(stream)):
            for g in range(p.groups):
                field = fields[t, :, g].astype(np.int64)
                if not p.raw:
                    index, sign = field & ((1 << (p.K - 1)) - 1), field >> (p.K - 1)
                    upper = index | 1 << (p.K - 1)
                    value = np.where(sign == 1, -1, 1) * full[:, step, g][:, upper]
                else:
                    value = full[:, step, g][:, field]
                total += value << int(p.plane[t])
            step += int(p.table_last[t])
            if p.last[t]:
                y[:, columns] += total * scale[columns, reduction]
                total, reduction = np.zeros_like(total), reduction + 1
        assert step == full.shape[1] and reduction == p.scale.shape[1]
    assert (y[:, n:] == 0).all()
    return y[:, :n]


@pytest.mark.parametrize("flags", [
    "", "--symmetric", "--w-bits 1", "--w-bits 1 --symmetric", "--w-bits 8 --K 6 --N 3",
    "--w-bits 3 --K 5 --groups 2 --N 4 --group-size 16", "--group-size 0 --N 7 --K 3",
    "--w-bits 3 --K 1 --groups 3 --N 4", "--table full --w-bits 2",
    "--negation hardware --K 2 --groups 3 --group-size 9"])
def test_stream_is_the_layer(weights: Path, tmp_path: Path, flags: str,
                             capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "packed.npz"
    assert main(["pack", str(weights), "--tensor", "layer.0.up.weight", "-o", str(out),
                 *flags.split()]) == 0
    assert "normalised MSE" in capsys.readouterr().out
    packed = load_packed(out)
    assert packed.raw == ("full" in flags or "hardware" in flags)
    a = np.random.default_rng(5).integers(-128, 128, (3, 40))
    expected = a @ packed.quantized.dequantize().T
    np.testing.assert_allclose(words_value(packed, a), expected, rtol=1e-12, atol=1e-9)


def test_tiles_keep_in_step() -> None:
    """Columns that need more zero-point beats set the beats of all tiles; padding needs none."""
    rng = np.random.default_rng(6)
    zero = np.full((5, 3), 8, np.uint8)
    zero[4, 1] = 3
    quantized = GroupedWeights(rng.integers(0, 16, (5, 24), np.uint8),
                               np.ones((5, 3), np.float32), zero, 4, 8)
    packed = Packed(quantized, stream_entries(quantized, LutCoreParameters(K=4, groups=1, N=2)))
    assert packed.words.shape == (3, 2 * (5 + 8 + 5), 1)
    a = rng.integers(-128, 128, (2, 24))
    assert (words_value(packed, a) == a @ quantized.dequantize().T).all()


def test_report(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "packed.npz"
    words = ["pack", str(weights), "--tensor", "layer.0.up.weight", "--w-bits", "2",
             "--group-size", "20", "-o", str(out)]
    assert main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    w = open_tensor(weights, "layer.0.up.weight")[slice(0, None)].astype(np.float64)
    error = load_packed(out).quantized.dequantize() - w
    assert report["mse"] == pytest.approx((error**2).mean())
    assert report["normalized_mse"] == pytest.approx((error**2).sum() / (w**2).sum())
    assert report["max_error"] == np.abs(error).max()
    assert report["bits_per_weight"] == 2 + (32 + 2) / 20
    assert report["file_bytes"] == out.stat().st_size
    assert (report["tiles"], report["beats_per_tile"], report["word_bits"]) == (1, 40, 256)
    assert report["stream_bytes"] == 40 * 32
    first = out.read_bytes()
    # a file of ours is replaced without --force, and equal input gives equal bytes
    assert main(words) == 0
    assert out.read_bytes() == first
    assert "(sign and index)" in capsys.readouterr().out
    assert out.stat().st_mode & 0o044
    with np.load(out, allow_pickle=False) as archive:
        assert str(archive["format"]) == "lowbit-weights" and archive["version"] == 2


def test_the_only_tensor_needs_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.safetensors"
    write_safetensors(path, {"w": ("BF16", np.ones((2, 8), ml_dtypes.bfloat16))})
    assert main(["pack", str(path), "-o", str(tmp_path / "p.npz")]) == 0
    assert load_packed(tmp_path / "p.npz").quantized.codes.shape == (2, 8)
    assert "2 x 8, bfloat16" in capsys.readouterr().out


class Bomb:
    """Fails the test if anything unpickles it."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


def test_bad_weight_files(weights: Path, tmp_path: Path,
                          capsys: pytest.CaptureFixture[str]) -> None:
    out = ["-o", tmp_path / "out.npz"]
    up = ["--tensor", "layer.0.up.weight"]
    data = weights.read_bytes()
    bad = tmp_path / "bad"

    def case(content: bytes, *words: object) -> str:
        bad.write_bytes(content)
        return refused(capsys, bad, *words, *out)
    for cut in (0, 5, 60, len(data) - 1):
        assert "not a readable safetensors file" in case(data[:cut], *up)
    assert "not a readable safetensors file" in case(b"module m; endmodule\n" * 9, *up)
    assert "pickle" in case(pickle.dumps(Bomb()), *up)
    assert "zip archive" in case(b"PK\x03\x04" + bytes(50), *up)
    # a header of 128 bytes starts like a pickle; it is none
    header = b'{"w":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}'.ljust(128)
    (tmp_path / "short").write_bytes(struct.pack("<Q", 128) + header + bytes(4))
    assert open_tensor(tmp_path / "short").shape == (1, 1)
    file = io.BytesIO()
    np.save(file, np.array([[Bomb()]], object), allow_pickle=True)
    assert "not a readable .npy array" in case(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.ones((3, 4), np.float32))
    assert "not a readable .npy array" in case(file.getvalue()[:-1])
    assert "leave --tensor out" in case(file.getvalue(), *up)
    for array, words in ((np.ones((3, 4), np.int8), "holds int8"),
                         (np.ones((3, 4), complex), "holds complex128"),
                         (np.ones(4), "has shape (4,)"),
                         (np.ones((2, 2, 2)), "has shape (2, 2, 2)"),
                         (np.ones((0, 4)), "has shape (0, 4)")):
        file = io.BytesIO()
        np.save(file, array)
        assert words in case(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.array([[0x7D00, 0]], np.uint16).view(np.float16))
    assert "1 of 2 are NaN" in case(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.array([[1, 2], [np.nan, np.inf]]))
    assert "2 of 4 are NaN or infinite, the first at row 1, column 0" in case(file.getvalue())
    assert "No such file" in refused(capsys, tmp_path / "none.npy", *out)
    assert "Is a directory" in refused(capsys, tmp_path, *out)
    write_safetensors(bad, {"i": ("I8", np.ones((2, 2), np.int8)),
                            "e": ("F32", np.ones((0, 2), np.float32))})
    assert "i is I8" in refused(capsys, bad, "--tensor", "i", *out)
    assert "has shape (0, 2)" in refused(capsys, bad, "--tensor", "e", *out)


def test_bad_tensor_names(weights: Path, tmp_path: Path,
                          capsys: pytest.CaptureFixture[str]) -> None:
    out = ["-o", tmp_path / "out.npz"]
    error = refused(capsys, weights, *out)
    assert "--tensor must name one of the 3 tensors" in error and "layer.0.up.bias" in error
    error = refused(capsys, weights, "--tensor", "up.weight", *out)
    assert "no tensor 'up.weight'" in error and "there is layer.0.up.weight" in error
    assert "layer.0.down.weight" in refused(capsys, weights, "--tensor", "layer.0.dwn.weight", *out)
    assert "there is" in refused(capsys, weights, "--tensor", "zzz", *out)
    assert "shape (7,)" in refused(capsys, weights, "--tensor", "layer.0.up.bias", *out)


@pytest.mark.parametrize(("flags", "message"), [
    ("--w-bits 0", "--w-bits must be 1..8; got 0"), ("--w-bits 9", "--w-bits must be 1..8; got 9"),
    ("--w-bits two", "integer"), ("--group-size -1", "--group-size must be 0..2147483647"),
    ("--group-size 99999999999999999999", "--group-size must be 0..2147483647"),
    ("--K 7", "--K must be 1..6; got 7"), ("--N 0", "--N must be 1..1024; got 0"),
    ("--groups 0", "--groups must be 1..8; got 0"),
    ("--radix 4", "--radix must be 2..3; got 4"),
    ("--radix 3 --K 5", "--K must be 1..4 with --radix 3"),
    ("--radix 3 --w-bits 2", "--w-bits must be 1 with --radix 3"),
    ("--radix 3 --symmetric", "--symmetric belongs to --radix 2"),
    ("--radix 3 --negation hardware", "--negation belongs to --radix 2"),
    ("--radix 3 --table full", "--table must be half with --radix 3; got full"),
    ("--unpack trits5", "--unpack needs --radix 3"),
    ("--radix 3 --unpack six", "--unpack must be one of none, trits5, sherry; got six"),
    ("--radix 3 --unpack sherry --K 3", "must be a multiple of 4; got sherry with 3 * 1"),
    ("--radix 3 --unpack sherry --K 4 --group-size 6", "as inputs and --group-size; got 40 and 6"),
    ("--radix 3 --unpack sherry --K 4 --planes 2", "--planes must be 1 unless --radix is 3"),
    ("--planes 2", "--planes must be 1 unless --radix is 3"),
    ("--radix 3 --planes 3", "--planes must be 1..2; got 3"),
    ("--radix 3 --planes 2 --group-size 24", "a --group-size that divides the inputs"),
    ("--table third", "--table must be one of"),
    ("--negation none", "--negation must be one of"), ("--w 4", "unrecognized arguments")])
def test_bad_parameters(weights: Path, tmp_path: Path, flags: str, message: str,
                        capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, weights, "--tensor", "layer.0.up.weight", "-o", tmp_path / "o.npz",
                    *flags.split())
    assert message in error


def test_bad_outputs(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [weights, "--tensor", "layer.0.up.weight"]
    assert "-o" in refused(capsys, *words)
    assert "is a directory" in refused(capsys, *words, "-o", tmp_path)
    assert "does not exist" in refused(capsys, *words, "-o", tmp_path / "no" / "p.npz")
    assert "standard output" in refused(capsys, *words, "-o", "-")
    before = weights.read_bytes()
    assert "a file that is read" in refused(capsys, *words, "-o", weights, "--force")
    assert weights.read_bytes() == before
    other = tmp_path / "notes.npz"
    other.write_text("mine")
    assert "add --force" in refused(capsys, *words, "-o", other)
    assert other.read_text() == "mine"
    assert main(["pack", *map(str, words), "-o", str(other), "--force"]) == 0
    assert load_packed(other).quantized.codes.shape == (7, 40)


def test_pack_is_quantize(weights: Path, tmp_path: Path,
                          capsys: pytest.CaptureFixture[str]) -> None:
    """The tensor is that of gen quantize; gen pack adds the words."""
    up = ["--tensor", "layer.0.up.weight", "--group-size", "16"]
    for bits, symmetric in ((3, []), (1, ["--symmetric"])):
        packed, plain = tmp_path / f"p{bits}.npz", tmp_path / f"q{bits}.npz"
        assert main(["pack", str(weights), *up, "--w-bits", str(bits), *symmetric,
                     "-o", str(packed)]) == 0
        assert main(["quantize", str(weights), *up, "--dtype",
                     f"lut{bits}{'_sym' if symmetric else ''}", "-o", str(plain)]) == 0
        with np.load(packed) as one, np.load(plain) as two:
            assert set(two.files) == {name for name in one.files if ".stream_" not in name}
            assert all(np.array_equal(one[name], two[name]) for name in two.files)
    capsys.readouterr()
    assert main(["quantize", str(weights), *up, "--dtype", "lut4", "--scale-bits", "8",
                 "-o", str(tmp_path / "x.npz")]) == 2
    assert "--scale-bits does not belong to --dtype lut4" in capsys.readouterr().err


def rewritten(source: Path, target: Path, **changes: Any) -> Path:
    with np.load(source) as archive:
        entries = {name: archive[name] for name in archive.files}
    entries |= {f"0.{name}": value for name, value in changes.items()}
    np.savez(target, **{name: v for name, v in entries.items() if v is not None})
    return target


def test_bad_tensors(weights: Path, tmp_path: Path) -> None:
    """What belongs to the format; the file itself: test_quantize_cli.py."""
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    assert main(["pack", str(weights), "--tensor", "layer.0.up.weight", "--w-bits", "3",
                 "-o", str(good)]) == 0
    for changes, message in (
            (dict(scale=np.ones((7, 9), np.float32)), "'scale' must be float32 (7, 1)"),
            (dict(scale=np.full((7, 1), np.inf, np.float32)), "not finite"),
            (dict(zero=np.full((7, 1), 8.0)), "'zero' must be uint8 or int32 (7, 1)"),
            (dict(zero=None), "'0.zero' is missing"), (dict(group_size=-1), "an integer 0.."),
            (dict(codes=np.zeros((7, 14), np.uint8)), "'codes' must be uint8 (7, 15)")):
        with pytest.raises(UsageError) as error:
            load_tensor(rewritten(good, bad, **changes))
        assert message in str(error.value) and "\n" not in str(error.value)
    assert load_tensor(rewritten(good, bad))[1].bits == 3
