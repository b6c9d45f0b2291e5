"""``gen run bitmod_tile|bitmod_array``: layers through golden model and simulated RTL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lowbit.generators.cli import main
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.bitmod import gemm as gemm_module
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.pe import tensor_layer
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16, FP32

Array = NDArray[Any]

SPECIAL = (5.0, -5.0, 3.5, 12.0)


class Raw:
    """A random layer in files, and its exact value."""

    def __init__(self, folder: Path, dtype: str, m: int, n: int, k: int, group: int,
                 delta: bool = False) -> None:
        rng = np.random.default_rng(m * n + k)
        kind = get_data_type(dtype, ())
        groups = -(-k // group)
        self.folder, self.shape = folder, (m, n)
        self.a = rng.integers(-8, 9, (m, k)).astype(np.float16)
        codes = rng.integers(0, 1 << kind.bits, (n, k)).astype(np.uint8)
        scales = rng.integers(0, 256, (n, groups)).astype(np.uint8)
        self.words = ["--a", str(folder / "a.npy"), "--w", str(folder / "codes.npy"),
                      "--dtype", dtype, "--scale-codes", str(folder / "s8.npy"),
                      "--group-size", str(group), "-o", str(folder / "y.npy")]
        arrays: dict[str, Array] = {"a": self.a, "codes": codes, "s8": scales}
        number = np.arange(k) // group
        values = kind.values2x()[codes] / 2
        if kind.kind == "float":
            special = rng.choice(SPECIAL, (n, groups))
            values = np.where(codes == kind.sv_code, special[:, number], values)
            arrays["sv"] = special
            self.words += ["--sv", str(folder / "sv.npy")]
        self.exact = self.a.astype(np.float64) @ (values * scales[:, number]).T
        if delta:
            scale = (2.0 ** rng.integers(-9, 3, n)).astype(np.float32)
            arrays["d"] = scale
            self.exact *= scale
            self.words += ["--column-scale", str(folder / "d.npy")]
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)

    def run(self, generator: str, *words: str) -> Array:
        assert main(["run", generator, *self.words, "--force", *words]) == 0
        result: Array = np.load(self.folder / "y.npy")
        assert result.shape == self.shape
        return result


@pytest.mark.parametrize(("dtype", "m", "n", "k", "group", "delta"), [
    ("fp4", 3, 7, 50, 16, False), ("fp3", 1, 1, 1, 128, True), ("int8", 9, 5, 37, 10, True),
    ("int6", 2, 20, 33, 33, False), ("bitmod4", 5, 3, 64, 32, True), ("int3", 4, 4, 7, 5, False)])
@pytest.mark.parametrize("design", [["bitmod_tile"], ["bitmod_array", "--lanes", "3",
                                                      "--max-group", "300"]])
def test_exact_layers(tmp_path: Path, dtype: str, m: int, n: int, k: int, group: int,
                      delta: bool, design: list[str]) -> None:
    """Small integers, row-aligned or with an exact accumulator: the plain sum, groups that divide
    nothing."""
    raw = Raw(tmp_path, dtype, m, n, k, group, delta)
    exact = ["--align", "cycle", "--exact"]
    for words in ([], exact):       # 17 bits hold all integers up to 8
        result = raw.run(*design, *words)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, raw.exact)
    # the default widths hold 24 bits, and so these numbers but for what alignment by cycles cuts
    rounded = raw.run(*design, "--align", "cycle")
    assert np.abs(rounded - raw.exact).max() <= 1e-3 * np.abs(raw.exact).max()
    # every result is rounded once more
    half = raw.run(*design, *exact, "--out", "fp16")
    assert half.dtype == np.float16
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(half, raw.exact.astype(np.float16))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Weights (20, 72) as w.npy and activations (9, 72) as a.npy, with a row of infinity."""
    rng = np.random.default_rng(4)
    np.save(tmp_path / "w.npy", rng.normal(0, 0.05, (20, 72)).astype(np.float32))
    a = rng.standard_normal((9, 72)).astype(np.float16)
    a[3, 70] = np.inf
    np.save(tmp_path / "a.npy", a)
    return tmp_path


def quantized(folder: Path, dtype: str, *options: str) -> str:
    path = str(folder / f"{dtype}.npz")
    assert main(["quantize", str(folder / "w.npy"), "--dtype", dtype, "--group-size", "32",
                 "-o", path, *options]) == 0
    return path


def run(folder: Path, generator: str, *words: str) -> Array:
    assert main(["run", generator, "--a", str(folder / "a.npy"), "-o", str(folder / "y.npy"),
                 "--force", *words]) == 0
    result: Array = np.load(folder / "y.npy")
    return result


@pytest.mark.parametrize("dtype", ["bitmod3", "bitmod4", "fp3", "fp4_ea", "int4", "int8",
                                   "int4_asym", "int3_asym"])
def test_packed_layers(packed: Path, dtype: str) -> None:
    """What gen quantize wrote, the golden PE's bits, near the product with its weights."""
    path = quantized(packed, dtype)
    result = run(packed, "bitmod_tile", "--w", path)
    kind, tensor = load_tensor(Path(path))
    assert kind.name == dtype
    a = np.load(packed / "a.npy")
    np.testing.assert_array_equal(result, tensor_layer(a, tensor))
    finite = np.arange(9) != 3
    assert np.isnan(result[3]).all()
    exact = a[finite].astype(np.float64) @ tensor.dequantize().T
    assert np.abs(result[finite] - exact).max() < 2e-3 * np.abs(exact).max()
    np.testing.assert_array_equal(result, run(packed, "bitmod_array", "--w", path))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    x = Operands(FP16.from_array(rng.standard_normal((4, 21)).astype(np.float16)),
                 rng.integers(0, 16, (13, 21)).astype(np.uint8), get_data_type("fp4"), 8,
                 rng.integers(0, 128, (13, 3)).astype(np.uint8), rng.choice(SPECIAL, (13, 3)),
                 rng.random(13).astype(np.float32))
    whole = Gemm(BitmodTileParameters(), x).run()
    monkeypatch.setattr(gemm_module, "BLOCK", 8)
    seen: list[tuple[int, int]] = []
    parts = Gemm(BitmodTileParameters(), x).run(lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(parts, whole)
    assert seen == [(2 * i, 13) for i in range(1, 7)] + [(13, 13)]


def test_special_values_of_groups_that_use_none(tmp_path: Path) -> None:
    """Only groups with the special value's code take a place in the register file."""
    rng = np.random.default_rng(6)
    codes = np.tile(np.arange(8, dtype=np.uint8), (6, 2))
    codes[0, 0] = 8
    special = np.arange(12).reshape(6, 2) % 10 / 2      # ten different ones
    x = Operands(rng.integers(0, 100, (2, 16)), codes, get_data_type("fp4"), 8,
                 np.ones((6, 2), np.uint8), special)
    assert Gemm(BitmodTileParameters(), x).register_file == (0.0,)
    special[0, 0] = -3.5
    assert Gemm(BitmodTileParameters(), x).register_file == (-3.5,)


# -- the simulated RTL ----------------------------------------------------------------------------
SMALL = {"bitmod_tile": ["--rows", "4", "--columns", "4"],
         "bitmod_array": ["--rows", "4", "--columns", "4", "--tile-rows", "2", "--tile-columns",
                          "2", "--input-chunks", "32", "--weight-chunks", "32"]}


@pytest.mark.parametrize("generator", SMALL)
def test_rtl(packed: Path, capsys: pytest.CaptureFixture[str], generator: str) -> None:
    """Ragged in all directions, a row of NaN, floating and integer weights: bits and cycles.

    Nine chunks of activations wait in the array's input buffer for its three blocks of columns.
    """
    for dtype in ("bitmod4", "int6"):
        path = quantized(packed, dtype)
        capsys.readouterr()
        rtl = run(packed, generator, *SMALL[generator], "--w", path, "--backend", "rtl",
                  "--compare", "--json")
        report = json.loads(capsys.readouterr().out)
        golden = run(packed, generator, *SMALL[generator], "--w", path)
        np.testing.assert_array_equal(FP32.from_array(rtl), FP32.from_array(golden))
        assert np.isnan(rtl[3]).all() and np.isfinite(rtl[:3]).all()
        assert report["differ"] == 0 and report["operations"] in (15, 6)
        assert report["cycles"] == report["model_cycles"] > 100


@pytest.mark.parametrize(("dtype", "runs"), [("int4_asym", "int5"), ("int3_asym", "int4")])
@pytest.mark.parametrize("generator", SMALL)
def test_rtl_asymmetric(packed: Path, capsys: pytest.CaptureFixture[str], generator: str,
                        dtype: str, runs: str) -> None:
    """Codes less zero points through the RTL: bits and cycles, and the type that runs by name."""
    path = quantized(packed, dtype)
    capsys.readouterr()
    rtl = run(packed, generator, *SMALL[generator], "--w", path, "--backend", "rtl", "--compare",
              "--json")
    report = json.loads(capsys.readouterr().out)
    golden = run(packed, generator, *SMALL[generator], "--w", path)
    np.testing.assert_array_equal(FP32.from_array(rtl), FP32.from_array(golden))
    assert f"weights of {dtype} as {runs}, groups of 32" in capsys.readouterr().out
    assert report["differ"] == 0 and report["weights"] == f"{dtype} as {runs}"
    assert report["cycles"] == report["model_cycles"] > 100


@pytest.mark.parametrize("generator", SMALL)
def test_rtl_scan(packed: Path, capsys: pytest.CaptureFixture[str], generator: str) -> None:
    """The design finds the exponents: the results of those given, and the cycle model's cycles."""
    path = quantized(packed, "bitmod4")
    capsys.readouterr()
    rtl = run(packed, generator, *SMALL[generator], "--exponent", "scan", "--w", path,
              "--backend", "rtl", "--compare", "--json")
    report = json.loads(capsys.readouterr().out)
    golden = run(packed, generator, *SMALL[generator], "--w", path)
    np.testing.assert_array_equal(FP32.from_array(rtl), FP32.from_array(golden))
    assert report["differ"] == 0 and report["cycles"] == report["model_cycles"] > 100


def test_rtl_raw(tmp_path: Path) -> None:
    """Special values of the user's own, no channel scales, FP16 results."""
    raw = Raw(tmp_path, "fp4", 6, 9, 30, 12)
    design = [*SMALL["bitmod_tile"], "--out", "fp16"]
    golden = raw.run("bitmod_tile", *design)
    rtl = raw.run("bitmod_tile", *design, "--backend", "rtl", "--compare")
    assert rtl.dtype == np.float16
    np.testing.assert_array_equal(FP16.from_array(rtl), FP16.from_array(golden))


def test_a_difference_is_reported(packed: Path, capsys: pytest.CaptureFixture[str],
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden model that is wrong in two places: counted, status 1, the RTL's result kept."""
    path = quantized(packed, "bitmod4")
    good = run(packed, "bitmod_tile", "--w", path)
    golden = Gemm.run

    def wrong(self: Gemm, *args: Any) -> Array:
        result = golden(self, *args)
        result[0, 0] += 1
        result[8, 19] = -result[8, 19]
        return result

    monkeypatch.setattr(Gemm, "run", wrong)
    capsys.readouterr()
    assert main(["run", "bitmod_tile", "--a", str(packed / "a.npy"), "--w", path, "-o",
                 str(packed / "y.npy"), "--force", "--backend", "rtl", "--compare",
                 *SMALL["bitmod_tile"]]) == 1
    out, err = capsys.readouterr()
    assert "2 of 180 outputs differ" in out and "2 outputs differ" in err
    np.testing.assert_array_equal(np.load(packed / "y.npy"), good)
