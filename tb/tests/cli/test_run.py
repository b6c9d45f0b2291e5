"""``gen run``: GEMMs through the golden model and the simulated RTL, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from lowbit.generators.cli import main
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.core import operation
from lowbit.golden.lut.gemm import Gemm, Operands
from lowbit.golden.lut.packing import weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.quantizer import quantize
from lowbit.golden.lut.table import make_tables

Array = NDArray[Any]

SMALL = ["--M", "2", "--N", "5", "--max-k", "16"]


class Case:
    """Random operands in files, and the arrays for the reference."""

    def __init__(self, folder: Path, a: Array, cols: int, bits: int, group: int | None = None,
                 zero: str = "", scale: bool = False) -> None:
        rng = np.random.default_rng(a.size + bits)
        self.folder, self.a, self.bits, self.group = folder, a, bits, group
        k = a.shape[1]
        groups = 1 if group is None else -(-k // group)
        self.q = rng.integers(0, 1 << bits, (cols, k)).astype(np.uint8)
        self.z = {"": None, "column": rng.integers(0, 1 << bits, cols).astype(np.uint8),
                  "group": rng.integers(0, 1 << bits, (cols, groups)).astype(np.uint8)}[zero]
        self.s = rng.uniform(0.001, 2, (cols, groups)).astype(np.float32) if scale else None
        self.words = ["run", "lut_core", "--dtype", f"lut{bits}", "-o", str(folder / "y.npy")]
        for option, array in (("--a", a), ("--w", self.q), ("--zero", self.z),
                              ("--scale", self.s)):
            if array is not None:
                path = folder / f"{option[2:]}.npy"
                np.save(path, array)
                self.words += [option, str(path)]
        if group is not None:
            self.words += ["--group-size", str(group)]

    def run(self, *words: str) -> Array:
        assert main([*self.words, *words]) == 0
        result: Array = np.load(self.folder / "y.npy")
        return result

    def spans(self) -> list[slice]:
        step = self.group or self.a.shape[1]
        return [slice(i, i + step) for i in range(0, self.a.shape[1], step)]

    def group_sums(self, a: Array | None = None) -> list[Array]:
        """Exact sum of a * (q' - z') of each group; int64 where the activations are integers."""
        a = self.a if a is None else a
        wide = np.int64 if a.dtype.kind == "i" else np.float64
        sums = []
        for g, span in enumerate(self.spans()):
            w = 2 * self.q[:, span].astype(np.int64) - (1 << self.bits) + 1
            if self.z is not None:
                z = self.z[:, None] if self.z.ndim == 1 else self.z[:, g:g + 1]
                w = w - (2 * z.astype(np.int64) + 1 - (1 << self.bits))
            sums.append(a[:, span].astype(wide) @ w.T.astype(wide))
        return sums


def integers(rows: int, k: int, dtype: str = "int8") -> Array:
    rng = np.random.default_rng(rows * k)
    info = np.iinfo(dtype)
    a = rng.integers(info.min, info.max, (rows, k), endpoint=True).astype(dtype)
    a[0, :] = info.min
    return a


def halves(rows: int, k: int) -> Array:
    return np.random.default_rng(rows * k).standard_normal((rows, k)).astype(np.float16)


# -- results against plain NumPy --------------------------------------------------------------
@pytest.mark.parametrize(("dtype", "bits", "rows", "cols", "k", "group", "zero"), [
    ("int8", 1, 1, 1, 1, None, ""), ("int8", 2, 3, 7, 50, None, "column"),
    ("int16", 4, 5, 13, 37, 10, "group"), ("int8", 8, 2, 6, 33, 16, "group"),
    ("int16", 3, 3, 5, 64, None, ""), ("int8", 5, 4, 3, 7, 100, "group")])
@pytest.mark.parametrize("design", [["--max-k", "12"], [], ["--K", "3", "--groups", "2"],
                                    ["--table", "full", "--negation", "offline"]])
def test_integer_products(tmp_path: Path, dtype: str, bits: int, rows: int, cols: int, k: int,
                          group: int | None, zero: str, design: list[str]) -> None:
    """Odd sizes, zero points for each column and group, k longer than an operation: exact."""
    case = Case(tmp_path, integers(rows, k, dtype), cols, bits, group, zero)
    result = case.run("--a-format", dtype, *design)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, sum(case.group_sums()))


@pytest.mark.parametrize("max_k", ["8", "4096"])
@pytest.mark.parametrize("zero", ["", "column", "group"])
def test_dequantised_integers(tmp_path: Path, zero: str, max_k: str) -> None:
    """Every group's exact sum as float32, times s/2, groups added in order, all in float32."""
    case = Case(tmp_path, integers(3, 50, "int16"), 7, 4, 20, zero, scale=True)
    result = case.run("--a-format", "int16", "--max-k", max_k)
    assert case.s is not None
    total = None
    for g, exact in enumerate(case.group_sums()):
        # the format's own rounding, not NumPy's
        rounded = FP32.to_array(FP32.round((exact < 0).astype(np.int64), np.abs(exact), 0))
        term = rounded * (case.s[:, g] / np.float32(2))
        total = term if total is None else total + term
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, total)


def test_large_integers_round_once() -> None:
    """Integer results beyond float32's 24 bits enter dequantisation rounded to nearest even."""
    p = LutCoreParameters(a_format="int16", out_format="int64")
    values = np.array([[2**24 + 1, 2**24 + 3, -2**25 - 2, -2**25 - 6, 2**53 + 1, 2**40 + 2**16]])
    x = Operands(np.ones((1, 4), np.int64), np.ones((6, 4), np.uint8), 1,
                 scale=np.full(6, 2, np.float32))
    expected = FP32.to_array(FP32.round(values < 0, np.abs(values), 0))
    np.testing.assert_array_equal(Gemm(p, x).result([values]), expected)


@pytest.mark.parametrize("datapath", ["aligned", "float"])
@pytest.mark.parametrize("scale", [False, True])
def test_floats_close_to_exact(tmp_path: Path, datapath: str, scale: bool) -> None:
    """Floating results within their accuracy of the exact product."""
    case = Case(tmp_path, halves(5, 100), 9, 4, 32, "group", scale)
    result = case.run("--datapath", datapath).astype(np.float64)
    factors = np.ones((9, 4)) if case.s is None else case.s / 2.0
    exact = sum(y * factors[:, g] for g, y in enumerate(case.group_sums()))
    bound = np.abs(case.a).astype(np.float64).sum(axis=1, keepdims=True) * 30 * factors.max()
    assert (np.abs(result - exact) <= 2.0**-22 * bound).all()
    assert not np.array_equal(result, np.zeros_like(result))


@pytest.mark.parametrize(("a_format", "kind", "raw"), [
    ("bf16", ml_dtypes.bfloat16, np.uint16), ("fp8_e4m3", ml_dtypes.float8_e4m3fn, np.uint8),
    ("fp8_e5m2", ml_dtypes.float8_e5m2, np.uint8), ("fp16", np.float16, np.uint16)])
def test_raw_codes(tmp_path: Path, a_format: str, kind: Any, raw: Any) -> None:
    """Raw codes mean what ml_dtypes says; small integers come out exact, NaN rows as NaN."""
    values = np.random.default_rng(1).integers(-8, 9, (4, 30)).astype(np.float32)
    values[2, 3] = np.nan
    case = Case(tmp_path, values.astype(kind).view(raw), 6, 3, 10, "group")
    result = case.run("--a-format", a_format)
    expected = sum(case.group_sums(np.nan_to_num(values).astype(np.int64)))
    expected = np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, expected)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


def test_float_groups_are_separate_operations() -> None:
    """With scales every group is an operation of its own; chunks of a group follow each other."""
    p = LutCoreParameters(datapath="float", max_k=8)
    codes = FP16.from_array(halves(3, 36))
    rng = np.random.default_rng(5)
    q, z = rng.integers(0, 4, (5, 36)).astype(np.uint8), rng.integers(0, 4, (5, 3))
    s = rng.random((5, 3)).astype(np.float32)
    total = np.zeros((3, 5), np.float32)
    for g, (start, stop) in enumerate(((0, 12), (12, 24), (24, 36))):
        psum = None
        for i in range(start, stop, 8):
            part = slice(i, min(i + 8, stop))
            psum = operation(p, make_tables(codes[:, part], p),
                             weight_beats(q[:, part], 2, 4, 1, z[:, g]), psum)
        assert psum is not None
        term = FP32.to_array(psum) * (s[:, g] / np.float32(2))
        total = total + term
    gemm = Gemm(p, Operands(codes, q, 2, z, s, 12))
    assert [(b.group, b.chained) for b in gemm.blocks] == \
        [(g, c) for g in range(3) for c in (False, True)]
    np.testing.assert_array_equal(gemm.result(gemm.run()), total)


@pytest.mark.parametrize("datapath", ["float", "aligned"])
def test_tiling_changes_nothing(datapath: str) -> None:
    """Any columns alone give the bits that they have in the whole matrix, zero points or not."""
    p = LutCoreParameters(datapath=datapath, max_k=16)
    rng = np.random.default_rng(9)
    codes = FP16.from_array(halves(4, 60))
    q, z = rng.integers(0, 8, (11, 60)).astype(np.uint8), rng.integers(0, 8, (11, 3))
    z[:3] = 4       # alone, these columns would need one zero-point beat and not three
    gemm = Gemm(p, Operands(codes, q, 3, z, None, 20))
    whole = gemm.run()[0]
    block = gemm.blocks[0]
    for rows, columns in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 11))):
        part = operation(p, make_tables(gemm.activations(block, rows), p),
                         gemm.beats(block, columns))
        np.testing.assert_array_equal(part, whole[rows, columns])


def test_packed_file(tmp_path: Path) -> None:
    """gen pack's file gives what its parts give, and its words are those that the RTL takes."""
    rng = np.random.default_rng(3)
    w = rng.standard_normal((10, 40)).astype(np.float32)
    quantized = quantize(w, 2, 16)
    np.save(tmp_path / "w.npy", w)
    path = str(tmp_path / "p.npz")
    assert main(["pack", str(tmp_path / "w.npy"), "--w-bits", "2", "--group-size", "16", "--N", "5",
                 "-o", path]) == 0
    a = halves(3, 40)
    np.save(tmp_path / "a.npy", a)
    assert main(["run", "lut_core", "--a", str(tmp_path / "a.npy"), "--w", path,
                 "-o", str(tmp_path / "y.npy")]) == 0
    result = np.load(tmp_path / "y.npy")
    exact = a.astype(np.float64) @ quantized.dequantize().T
    np.testing.assert_allclose(result, exact, atol=1e-5)

    kind, weights = load_tensor(tmp_path / "p.npz")
    assert kind.name == "lut2" and isinstance(weights, GroupedWeights)
    with np.load(path) as archive:
        stream = archive["0.stream_words"]
    gemm = Gemm(LutCoreParameters(N=5), Operands(FP16.from_array(a), weights.codes, 2,
                                                 weights.zero, weights.scale, 16))
    for tile in range(2):
        columns = slice(5 * tile, 5 * tile + 5)
        words = [gemm.beats(block, columns).words() for block in gemm.blocks]
        np.testing.assert_array_equal(np.concatenate(words), stream[tile])


# -- the simulated RTL ------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [True, False])
def test_rtl_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str], scale: bool) -> None:
    """INT8: tiles that do not fill the core, groups, chunks that add up through partial sums."""
    case = Case(tmp_path, integers(3, 50), 13, 3, 20, "group", scale)
    golden = case.run("--a-format", "int8", *SMALL)
    capsys.readouterr()
    rtl = case.run("--a-format", "int8", *SMALL, "--backend", "rtl", "--force", "--json")
    report = json.loads(capsys.readouterr().out)
    assert rtl.dtype == golden.dtype
    np.testing.assert_array_equal(rtl, golden)
    blocks = 2 + 2 + 1 if scale else 4      # of at most 4 steps: 5 + 5 + 3 steps, or 13
    assert report["operations"] == 2 * 3 * blocks and report["cycles"] > 6 * blocks * 5


def test_rtl_fp16(tmp_path: Path) -> None:
    """FP16, one tile only: partial sums and results in different formats, a row of NaN, the
    table unit inside."""
    a = halves(2, 45)
    a[1, 40] = np.inf
    case = Case(tmp_path, a, 4, 2, 18, "group", scale=True)
    design = ["--M", "2", "--N", "4", "--max-k", "8", "--out-format", "fp16",
              "--table-source", "internal"]
    golden = case.run(*design)
    rtl = case.run(*design, "--backend", "rtl", "--force")
    assert np.isnan(golden[1]).all() and np.isfinite(golden[0]).all()
    np.testing.assert_array_equal(rtl.view(np.uint32), golden.view(np.uint32))


# -- what is refused --------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Operands of 3 x 20 times 20 x 4, and wrong ones."""
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.standard_normal((3, 20)).astype(np.float16), "a8": integers(3, 20),
        "a21": halves(3, 21), "a64": np.zeros((3, 20)), "a1": halves(1, 20)[0],
        "a0": np.zeros((0, 20), np.float16), "w": rng.integers(0, 4, (4, 20)).astype(np.uint8),
        "w_int": np.zeros((4, 20), int), "w1": np.zeros(20, np.uint8),
        "w5": np.full((4, 20), 5, np.uint8), "z": np.full((4, 2), 1, np.uint8),
        "z5": np.full((4, 2), 4, np.uint8), "zf": np.zeros((4, 2), np.float32),
        "z3": np.ones((4, 3), np.uint8), "s": np.ones((4, 2), np.float32),
        "s64": np.ones((4, 2)), "snan": np.full((4, 2), np.nan, np.float32),
        "sinf": np.full((4, 2), np.inf, np.float32), "s3": np.ones((3, 2), np.float32),
        "sodd": np.full((4, 2), np.nextafter(np.float32(0), np.float32(1)))}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "short.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-7])
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04 not really")
    (tmp_path / "folder").mkdir()
    return tmp_path


GROUPED = "--zero z.npy --group-size 10"
SCALED = "--scale s.npy --group-size 10"


@pytest.mark.parametrize(("words", "message"), [
    ("--a a64.npy", "--a must be float16 or uint16 for --a-format fp16"),
    ("--a a8.npy", "give --a-format int8"),
    ("--a-format int8", "--a must be int8 for --a-format int8; got float16"),
    ("--a-format fp8_e4m3", "--a must be uint8 for --a-format fp8_e4m3"),
    ("--a a1.npy", "shape (rows, k)"), ("--a a0.npy", "both at least 1"),
    ("--a a21.npy", "the same k; got shapes (3, 21) and (4, 20)"),
    ("--a none.npy", "cannot read --a"), ("--a folder", "cannot read --a"),
    ("--a objects.npy", "not a readable .npy array"),
    ("--a short.npy", "not a readable .npy array"), ("--a text.npy", "not a .npy file"),
    ("--w w_int.npy", "--w must be uint8 codes; got int64"),
    ("--w w1.npy", "--w must have shape (cols, k)"),
    ("--w w5.npy", "weight codes must be 0..3 for 2 bits; got 5"),
    ("--dtype lut1", "weight codes must be 0..1 for 1 bits"),
    ("--dtype lut9", "--dtype must say what the codes of --w are"),
    ("--w-bits 9", "--w-bits must be 1..8; got 9"),
    ("--w-bits 1", "weights of 2 bits need as many bit-planes; this design has 1"),
    (f"{GROUPED} --dtype lut2_sym", "--zero does not belong to --dtype lut2_sym"),
    ("--zero z.npy", "--zero with 2 groups a column needs --group-size"),
    (SCALED.replace("--group-size 10", ""), "--scale with 2 groups a column needs --group-size"),
    ("--group-size 10", "give --zero or --scale"),
    (f"{SCALED} --group-size 0", "must be at least 1; got 0"),
    (f"{GROUPED} --zero z5.npy", "zero points must be 0..3 for 2 bits; got 4"),
    (f"{GROUPED} --zero zf.npy", "zero points must be integers"),
    (f"{GROUPED} --zero z3.npy", "shape (4,) or (4, 2); got uint8 of shape (4, 3)"),
    (f"{GROUPED} --no-zero-point", "leave --no-zero-point out"),
    (f"{SCALED} --scale s64.npy", "scales must be float32"),
    (f"{SCALED} --scale snan.npy", "scales must be finite; got nan"),
    (f"{SCALED} --scale sinf.npy", "scales must be finite; got inf"),
    (f"{SCALED} --scale s3.npy", "got float32 of shape (3, 2)"),
    (f"{SCALED} --scale sodd.npy", "halves that float32 holds"),
    ("--no-preload --max-k 8", "k is longer than --max-k 8"),
    (f"{SCALED} --no-preload --max-k 8", "a quantisation group is longer than --max-k 8"),
    ("--w zip.npz", "a tensor file brings its own format and scales; leave --dtype out"),
    ("--backend fpga", "invalid choice: 'fpga'"), ("--K 7", "--K must be 1..6; got 7"),
    ("--a-format fp4", "--a-format must be one of"), ("-o folder", "is a directory"),
    ("-o none/y.npy", "does not exist"), ("-o -", "-o must name a file"),
    ("-o a.npy", "-o must not be a file that is read"),
    ("-o w.npy --force", "-o must not be a file that is read"),
    ("-o text.npy", "add --force")])
def test_refused(files: Path, monkeypatch: pytest.MonkeyPatch,
                 capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    """One line, status 2, and nothing written."""
    monkeypatch.chdir(files)
    before = {path: path.stat().st_mtime_ns for path in files.iterdir()}
    line = f"run lut_core --a a.npy --w w.npy --dtype lut2 -o y.npy {words}"
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1
    assert message in err
    assert {path: path.stat().st_mtime_ns for path in files.iterdir()} == before


@pytest.mark.parametrize(("words", "message"), [
    ("run lut_dot", "matrices on lut_core, dot_core, fp16_tile, bitmod_tile, bitmod_array, "
     "systolic; lut_dot is"),
    ("run lut_core --a a.npy -o y.npy", "required: --w"),
    ("run lut_core --a a.npy -o y.npy --w w.npy", "--dtype must say what the codes of --w are"),
    ("run lut_core --a a.npy -o y.npy --w zip.npz", "not a tensor file"),
    ("run lut_core --w w.npy -o y.npy", "required: --a"),
    ("run lut_core --a a.npy --w w.npy", "required: -o")])
def test_incomplete(files: Path, monkeypatch: pytest.MonkeyPatch,
                    capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    monkeypatch.chdir(files)
    assert main(words.split()) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err


def test_failed_simulation_leaves_nothing(files: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    """A simulation that does not finish is status 1 and writes no result."""
    monkeypatch.chdir(files)
    monkeypatch.setattr("lowbit.generators.flow.product.BENCH", "lowbit.tb.no_such_bench")
    line = ["run", "lut_core", "--a", "a8.npy", "--w", "w.npy", "--dtype", "lut2", "-o", "y.npy",
            "--a-format", "int8", "--backend", "rtl", *SMALL]
    assert main(line) == 1
    assert "the simulation failed" in capsys.readouterr().err
    assert not (files / "y.npy").exists()
