"""``gen run fp16_tile``: FP16 matrix products through golden model and simulated RTL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lowbit.generators.cli import main
from lowbit.golden.baselines import gemm as gemm_module
from lowbit.golden.baselines.gemm import Gemm, Operands
from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.formats import FP16

Array = NDArray[Any]

NAN = {"float32": 0x7FC00000, "float16": 0x7E00}


def bits(y: Array) -> Array:
    return y.view(f"u{y.dtype.itemsize}")


def sequential(a: Array, w: Array, kind: str) -> Array:
    """NumPy's own sum, one product after the other; bits of the results, NaNs canonical."""
    total = np.zeros((len(a), len(w)), kind)
    with np.errstate(all="ignore"):
        for x, y in zip(a.T.astype(kind), w.T.astype(kind), strict=True):
            total = total + x[:, None] * y[None, :]
    return np.where(np.isnan(total), NAN[kind], bits(total))


def matrix(n: int, k: int, seed: int) -> Array:
    """Rows of all kinds, as far as n goes: normal numbers, subnormals, cancelling pairs, zeros of
    both signs, the largest numbers, an infinity among them, a NaN, any codes."""
    rng = np.random.default_rng(seed)
    signs = rng.integers(0, 2, (n, k)) << 15
    x = rng.standard_normal((n, k)).astype(np.float16)
    codes = x.view(np.uint16).astype(np.int64)
    tiny, large = rng.integers(1, 0x400, (n, k)), rng.integers(0x7800, 0x7C00, (n, k))
    pairs = codes[:, np.arange(k) // 2] ^ (np.arange(k) % 2 << 15)
    special = codes.copy()
    special[:, rng.integers(k)] = 0xFC00
    nan = codes.copy()
    nan[:, rng.integers(k)] = 0xFD23
    kinds = [codes, tiny | signs, pairs, signs, large | signs, special, nan,
             rng.integers(0, 1 << 16, (n, k))]
    rows = np.stack([kinds[(i + seed) % len(kinds)][i] for i in range(n)])
    return rows.astype(np.uint16).view(np.float16)


class Case:
    """Matrices in files."""

    def __init__(self, folder: Path, rows: int, cols: int, k: int) -> None:
        self.folder, self.shape = folder, (rows, cols)
        self.a, self.w = matrix(rows, k, 0), matrix(cols, k, 3)
        for name, array in (("a", self.a), ("w", self.w)):
            np.save(folder / f"{name}.npy", array)
            np.save(folder / f"{name}_raw.npy", array.view(np.uint16))

    def run(self, *words: str, raw: str = "") -> Array:
        files = [str(self.folder / f"{name}{raw}.npy") for name in "aw"]
        assert main(["run", "fp16_tile", "--a", files[0], "--w", files[1], "-o",
                     str(self.folder / "y.npy"), "--force", *words]) == 0
        result: Array = np.load(self.folder / "y.npy")
        assert result.shape == self.shape
        return result


SIZES = [(5, 7, 1), (1, 1, 33), (16, 9, 64), (20, 40, 300)]


@pytest.mark.parametrize(("rows", "cols", "k"), SIZES)
@pytest.mark.parametrize(("acc", "kind"), [("fp32", "float32"), ("fp16", "float16")])
def test_sequential_sums(tmp_path: Path, rows: int, cols: int, k: int, acc: str,
                         kind: str) -> None:
    """The golden model against NumPy, bit for bit; files of floats and of raw codes."""
    case = Case(tmp_path, rows, cols, k)
    result = case.run("--acc", acc)
    assert result.dtype == kind
    np.testing.assert_array_equal(bits(result), sequential(case.a, case.w, kind))
    raw = case.run("--acc", acc, "--rows", "3", "--columns", "2", raw="_raw")
    np.testing.assert_array_equal(bits(raw), bits(result))


def test_matrices_hold_what_they_should() -> None:
    """The largest case has finite sums, subnormal products, infinities, NaNs, order that
    matters."""
    a, w = matrix(20, 300, 0), matrix(40, 300, 3)
    y = sequential(a, w, "float32").astype(np.uint32).view(np.float32)
    assert np.isfinite(y).any() and np.isinf(y).any() and np.isnan(y).any() and (y == 0).any()
    assert (sequential(a[:, ::-1], w[:, ::-1], "float32") != bits(y)).any()
    half = sequential(a, w, "float16").astype(np.uint16).view(np.float16)
    assert ((half != 0) & (np.abs(half) < 2.0 ** -14)).any()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Operands(FP16.from_array(matrix(4, 21, 0)), FP16.from_array(matrix(13, 21, 3)))
    whole = Gemm(Fp16TileParameters(), x).run()
    monkeypatch.setattr(gemm_module, "BLOCK", 8)
    seen: list[tuple[int, int]] = []
    parts = Gemm(Fp16TileParameters(), x).run(lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(bits(parts), bits(whole))
    assert seen == [(2 * i, 13) for i in range(1, 7)] + [(13, 13)]


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 5, 17, 3)
    case.run("--rows", "2", "--columns", "8", "--json")
    report = json.loads(capsys.readouterr().out)
    assert [report[key] for key in ("rows", "columns", "k", "operations", "dtype")] == \
        [5, 17, 3, 9, "float32"]
    assert report["parameters"]["rows"] == 2 and "cycles" not in report
    case.run("--acc", "fp16")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "fp16_tile --acc fp16" and "golden model: " in out[2]
    assert out[1] == "  (5 x 3) times (3 x 17), weights of fp16, sums in fp16"
    assert out[3].endswith("y.npy: float16 (5, 17)")


# -- the simulated RTL ----------------------------------------------------------------------------
#: design, its size, registers from operands to sums; then sizes of the matrices
@pytest.mark.parametrize(("design", "latency", "sizes"), [
    ([], 2, [(5, 7, 1), (5, 7, 33), (13, 17, 33)]),
    (["--rows", "1", "--columns", "1"], 2, [(5, 7, 1), (3, 4, 33)]),
    (["--rows", "2", "--columns", "3", "--acc", "fp16", "--pipeline", "1", "--style", "fast",
      "--reset", "async_low"], 3, [(5, 7, 1), (8, 16, 33)])])
def test_rtl(tmp_path: Path, capsys: pytest.CaptureFixture[str], design: list[str], latency: int,
             sizes: list[tuple[int, int, int]]) -> None:
    """Ragged in all directions, sums of 1: the bits of the golden model, an operation straight
    after the other (its k cycles, and one for each row but the first)."""
    height, width = (int(design[i]) for i in (1, 3)) if design else (6, 8)
    for rows, cols, k in sizes:
        case = Case(tmp_path, rows, cols, k)
        golden = case.run(*design)
        capsys.readouterr()
        rtl = case.run(*design, "--backend", "rtl", "--compare", "--json")
        report = json.loads(capsys.readouterr().out)
        assert rtl.dtype == golden.dtype and report["differ"] == 0
        np.testing.assert_array_equal(bits(rtl), bits(golden))
        across, down = -(-cols // width), -(-rows // height)
        assert report["operations"] == across * down
        assert report["cycles"] == across * (down * (k - 1) + rows) + latency


ONE = ["--rows", "1", "--columns", "1"]


def test_a_difference_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden model that is wrong in two places: counted, status 1, the RTL's result kept."""
    case = Case(tmp_path, 3, 2, 5)
    good = case.run()
    golden = Gemm.run

    def wrong(self: Gemm, *args: Any) -> Array:
        result = golden(self, *args)
        bits(result)[[0, 2], 1] ^= 1
        return result

    monkeypatch.setattr(Gemm, "run", wrong)
    capsys.readouterr()
    with pytest.raises(AssertionError, match="1 == 0"):
        case.run(*ONE, "--backend", "rtl", "--compare")
    out, err = capsys.readouterr()
    assert "2 of 6 outputs differ" in out and "2 outputs differ" in err
    assert " 6 operations, 32 cycles, " in out
    np.testing.assert_array_equal(bits(np.load(tmp_path / "y.npy")), bits(good))


def test_failed_simulation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(tmp_path, 1, 1, 1)
    monkeypatch.setattr("lowbit.generators.flow.product.BENCH", "lowbit.tb.no_such_bench")
    with pytest.raises(AssertionError, match="1 == 0"):
        case.run(*ONE, "--backend", "rtl")
    assert "the simulation failed" in capsys.readouterr().err
    assert not (tmp_path / "y.npy").exists()


# -- what is refused --------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Operands of 3 x 20 times 20 x 4, and wrong ones."""
    Case(tmp_path, 3, 4, 20)
    arrays: dict[str, Array] = {
        "w32": np.zeros((4, 20), np.float32), "a64": np.zeros((3, 20)),
        "a8": np.zeros((3, 20), np.int8), "a32": np.zeros((3, 20), np.uint32),
        "ab": np.zeros((3, 20), bool), "a21": np.zeros((3, 21), np.float16),
        "a1": np.zeros(20, np.float16), "w3": np.zeros((4, 20, 1), np.uint16),
        "a0": np.zeros((0, 20), np.float16), "w0": np.zeros((4, 0), np.uint16)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "short.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-7])
    (tmp_path / "text.npy").write_text("1 2 3")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("words", "message"), [
    ("--w w32.npy", "--w must be float16, or uint16 as raw FP16 codes; got float32; "
                    "convert it: array.astype(numpy.float16)"),
    ("--a a64.npy", "--a must be float16, or uint16 as raw FP16 codes; got float64; convert it"),
    ("--a a8.npy", "got int8; convert it: array.astype(numpy.float16)"),
    ("--a a32.npy", "raw FP16 codes; got uint32\n"), ("--a ab.npy", "raw FP16 codes; got bool\n"),
    ("--a a21.npy", "the same k; got shapes (3, 21) and (4, 20)"),
    ("--a a1.npy", "--a must have shape (rows, k), both at least 1; got (20,)"),
    ("--w w3.npy", "--w must have shape (cols, k), both at least 1; got (4, 20, 1)"),
    ("--a a0.npy", "both at least 1; got (0, 20)"), ("--w w0.npy", "both at least 1; got (4, 0)"),
    ("--a none.npy", "cannot read --a"), ("--w folder", "cannot read --w"),
    ("--a objects.npy", "not a readable .npy array"), ("--w short.npy", "not a readable .npy"),
    ("--w text.npy", "--w text.npy is not a .npy file"),
    ("--rows 65", "--rows must be 1..64; got 65"), ("--acc bf16", "--acc must be one of"),
    ("--compare", "it needs --backend rtl"), ("--backend fpga", "invalid choice: 'fpga'"),
    ("--w-bits 4", "unrecognized arguments: --w-bits 4"),
    ("--backend rtl --build-dir text.npy", "set --build-dir to a writable folder"),
    ("-o folder", "is a directory"), ("-o none/y.npy", "does not exist"),
    ("-o /proc/y.npy", "writ"),
    ("-o -", "-o must name a file"), ("-o text.npy", "add --force"),
    ("-o a.npy --force", "-o must not be a file that is read"),
    ("-o w.npy --force", "-o must not be a file that is read")])
def test_refused(files: Path, capsys: pytest.CaptureFixture[str], words: str,
                 message: str) -> None:
    """One line, status 2, and nothing written."""
    before = {path: path.stat().st_mtime_ns for path in files.iterdir()}
    assert main(f"run fp16_tile --a a.npy --w w.npy -o y.npy {words}".split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1
    assert message in err
    assert {path: path.stat().st_mtime_ns for path in files.iterdir()} == before


@pytest.mark.parametrize(("words", "message"), [
    ("-o y.npy --a a.npy", "required: --w"), ("-o y.npy --w w.npy", "required: --a"),
    ("--a a.npy --w w.npy", "required: -o")])
def test_incomplete(files: Path, capsys: pytest.CaptureFixture[str], words: str,
                    message: str) -> None:
    assert main(["run", "fp16_tile", *words.split()]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err


def test_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "fp16_tile" in capsys.readouterr().out
