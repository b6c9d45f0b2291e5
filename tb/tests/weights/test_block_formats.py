"""Block formats: codes and rounding against ml_dtypes and fractions, files, and products."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.bitmod.block_tensor import block_tensor
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import tensor_layer
from lowbit.golden.block_formats import E2M1, quantize
from lowbit.golden.digits import FLINT4_HALVES
from lowbit.golden.formats import FP8_E4M3
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

Array = np.ndarray[Any, Any]
F4, E8, E4 = ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e8m0fnu, ml_dtypes.float8_e4m3fn
#: blocks of every size of numbers: Gaussian, outliers, subnormals, the largest, zeros
RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((40, 104)) * 10.0 ** RNG.integers(-42, 37, (40, 1))
MATRIX = MATRIX.astype(np.float32)
MATRIX[::3, ::17] *= np.float32(30)
MATRIX[5], MATRIX[6, 3] = 0, np.finfo(np.float32).max
MATRIX[7] = np.float32(1e-45) * RNG.integers(-3, 4, 104)


def blocks(values: Array, size: int) -> list[Array]:
    return [values[:, i:i + size] for i in range(0, values.shape[1], size)]


def test_values_of_codes() -> None:
    codes = np.arange(16, dtype=np.uint8)
    np.testing.assert_array_equal(E2M1, codes.view(F4).astype(np.float32))
    assert sorted(FLINT4_HALVES) == [0, 1, 2, 3, 4, 6, 8, 16]
    for name in ("mxfp4", "nvfp4"):
        np.testing.assert_array_equal(get_data_type(name).values2x(), 2 * E2M1)
    # ANT's 3-bit flint {0, 1, 2, 3, 4, 6, 8, 16}, halved, with a sign
    flint = get_data_type("flint4").values2x()
    assert flint.tolist() == [0, 1, 2, 3, 4, 6, 8, 16, 0, -1, -2, -3, -4, -6, -8, -16]


def test_mxfp4_against_ml_dtypes() -> None:
    got = quantize(MATRIX, "mxfp4")
    for number, block in enumerate(blocks(MATRIX, 32)):
        largest = np.abs(block).max(axis=1).astype(np.float64)
        # OCP MX v1.0, section 6.3: the largest power of two in the block, over that of E2M1
        power = np.array([0 if v == 0 else Fraction(v).numerator.bit_length()
                          - Fraction(v).denominator.bit_length() for v in largest])
        power -= np.array([v != 0 and Fraction(2) ** int(p) > Fraction(v)
                           for v, p in zip(largest, power, strict=True)])
        scale = np.where(largest > 0, np.ldexp(1.0, np.maximum(power - 2, -127)), 2.0**-127)
        np.testing.assert_array_equal(got.scale[:, number], scale.astype(np.float32))
        scaled = np.clip(block / scale[:, None], -6, 6)
        theirs = scaled.astype(F4).astype(np.float64) + 0
        part = got.codes[:, 32 * number:32 * number + 32]
        np.testing.assert_array_equal(E2M1[part], theirs)
        assert (part != 8).all()
    np.testing.assert_array_equal(got.scale.astype(E8).astype(np.float32), got.scale)


def test_ties_of_e2m1_go_to_even_codes() -> None:
    middles = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0]
    around = [float(np.nextafter(np.float32(m), np.float32(d))) for m in middles for d in (0, 9)]
    row = np.array([[4.0, *middles, *(-m for m in middles), *around, 7.9]], np.float32)
    got = quantize(row, "mxfp4")
    assert got.scale.tolist() == [[1.0]]
    assert E2M1[got.codes[0, 1:8]].tolist() == [0, 1, 1, 2, 2, 4, 4]
    assert E2M1[got.codes[0, 8:15]].tolist() == [0, -1, -1, -2, -2, -4, -4]
    assert E2M1[got.codes[0, 15:29]].tolist() == [0, .5, .5, 1, 1, 1.5, 1.5, 2, 2, 3, 3, 4, 4, 6]
    assert E2M1[got.codes[0, 29]] == 6      # saturated


def test_nvfp4_against_fractions() -> None:
    matrix = MATRIX[np.abs(MATRIX).max(axis=1) < 1e6]
    got = quantize(matrix, "nvfp4")
    tensor_scale = np.abs(matrix).max() / np.float32(2688)
    assert got.factor is not None and (got.factor == tensor_scale).all()
    for number, block in enumerate(blocks(matrix, 16)):
        wanted = np.abs(block).max(axis=1).astype(np.float64) / (6 * np.float64(tensor_scale))
        theirs = np.minimum(wanted, 448).astype(E4).astype(np.float32)
        np.testing.assert_array_equal(got.scale[:, number], theirs)
        for row in range(0, len(matrix), 5):
            step = Fraction(float(theirs[row])) * Fraction(float(tensor_scale))
            for column, weight in enumerate(block[row]):
                code = int(got.codes[row, 16 * number + column])
                if step == 0:
                    assert code == 0
                    continue
                exact = abs(Fraction(float(weight))) / step
                distance = [abs(exact - Fraction(float(v))) for v in E2M1[:8]]
                best = [i for i, d in enumerate(distance) if d == min(distance)]
                assert code & 7 == next(i for i in best if len(best) == 1 or i % 2 == 0)
                assert code >> 3 == (weight < 0 and code & 7 != 0)


def test_mxint8_against_its_definition() -> None:
    got = quantize(MATRIX, "mxint8")
    assert got.zero is not None and (got.zero == 128).all()
    for number, block in enumerate(blocks(MATRIX, 32)):
        scale = got.scale[:, number].astype(np.float64) * 64
        largest = np.abs(block).max(axis=1)
        normal = largest >= 2.0**-126
        assert ((scale <= largest) & (largest < 2 * scale))[normal].all()
        q = got.codes[:, 32 * number:32 * number + 32].astype(np.int64) - 128
        exact = block.astype(np.float64) / scale[:, None] * 64
        np.testing.assert_array_equal(q, np.clip(np.rint(exact), -127, 127))


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "mxint8"])
def test_refuses_what_is_not_finite(name: str) -> None:
    for bad in (np.nan, np.inf, 1e39):
        with pytest.raises(ParameterError, match="weights must be finite in float32"):
            quantize(np.array([[1.0, bad]]), name)


def test_flint4_groups_are_nearest() -> None:
    from lowbit.golden.bitmod.quantizer import quantize as bitmod

    weights = RNG.standard_normal((8, 64)).astype(np.float32)
    tensor, _ = bitmod(weights, get_data_type("flint4"), 32)
    grid = np.array(sorted({s * v / 2 for v in FLINT4_HALVES for s in (1, -1)}))
    for row, group in np.ndindex(8, 2):
        part = weights[row, 32 * group:32 * group + 32].astype(np.float64)
        step = np.abs(part).max() / 8
        near = grid[np.abs(part[:, None] / step - grid).argmin(axis=1)]
        np.testing.assert_array_equal(
            tensor.integer_values2x()[row, 32 * group:32 * group + 32], 2 * near)


# -- files and products ---------------------------------------------------------------------------
@pytest.fixture
def layer(tmp_path: Path) -> tuple[Path, Array, Array]:
    rng = np.random.default_rng(1)
    w = rng.normal(0, 0.05, (6, 72)).astype(np.float32)
    a = rng.normal(0, 1, (3, 72)).astype(np.float16)
    np.save(tmp_path / "w.npy", w)
    np.save(tmp_path / "a.npy", a)
    return tmp_path, w, a


def gen(*arguments: Any) -> int:
    return main([str(x) for x in arguments])


@pytest.mark.parametrize(("name", "scale"), [("mxfp4", "e8m0"), ("nvfp4", "e4m3")])
def test_quantize_and_run(layer: tuple[Path, Array, Array], name: str, scale: str) -> None:
    folder, w, a = layer
    assert gen("quantize", folder / "w.npy", "--dtype", name, "-o", folder / "q.npz") == 0
    _, tensor = load_tensor(folder / "q.npz")
    assert isinstance(tensor, GroupedWeights)
    np.testing.assert_array_equal(tensor.codes, quantize(w, name).codes)
    assert gen("run", "bitmod_tile", "--group-scale", scale, "--a", folder / "a.npy",
               "--w", folder / "q.npz", "-o", folder / "y.npy") == 0
    y = np.load(folder / "y.npy")
    exact = a.astype(np.float64) @ tensor.dequantize().T
    bound = np.abs(a.astype(np.float64)) @ np.abs(tensor.dequantize()).T
    assert (np.abs(y - exact) <= 1e-4 * bound).all()
    np.testing.assert_array_equal(block_tensor(tensor).dequantize(),
                                  tensor.dequantize().astype(np.float32))
    np.testing.assert_array_equal(tensor_layer(a, block_tensor(tensor)), y)


def test_run_on_the_lut_core(layer: tuple[Path, Array, Array]) -> None:
    """MXFP4 as 5-bit integers, MXINT8 as it is: exact sums, powers of two as scales."""
    folder, w, _ = layer
    a = np.random.default_rng(2).integers(-128, 128, (3, 72)).astype(np.int8)
    np.save(folder / "a8.npy", a)
    for name, bits in (("mxfp4", 5), ("mxint8", 8)):
        assert gen("quantize", folder / "w.npy", "--dtype", name, "-o", folder / f"{name}.npz") == 0
        assert gen("run", "lut_core", "--a-format", "int8", "--group-scale", "e8m0",
                   "--no-preload", "--w-bits", bits, "--a", folder / "a8.npy",
                   "--w", folder / f"{name}.npz", "-o", folder / f"{name}.npy") == 0
        groups = np.split(a.astype(np.float64), [32, 64], axis=1)
        parts = np.split(quantize(w, name).dequantize(), [32, 64], axis=1)
        y = np.zeros((3, 6), np.float32)
        for x, part in zip(groups, parts, strict=True):
            y = y + (x @ part.T).astype(np.float32)
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), y)


@pytest.mark.parametrize(("arguments", "message"), [
    (("--dtype", "mxfp4", "--group-size", 64), "--group-size is 32 for --dtype mxfp4; got 64"),
    (("--dtype", "nvfp4", "--scale-bits", 8), "--scale-bits does not belong to --dtype nvfp4")])
def test_options_refused(layer: tuple[Path, Array, Array], arguments: tuple[Any, ...],
                         message: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = layer[0]
    assert gen("quantize", folder / "w.npy", *arguments, "-o", folder / "q.npz") == 2
    assert message in capsys.readouterr().err and not (folder / "q.npz").exists()


@pytest.mark.parametrize(("dtype", "design", "message"), [
    ("mxfp4", ("bitmod_tile",), "--group-scale must be e8m0 for these weights; got int8"),
    ("flint4", ("bitmod_tile",), "flint4 weights need a design with --flint"),
    ("nvfp4", ("lut_core",), "take a core that multiplies by it"),
    ("mxint8", ("bitmod_tile",), "bitmod_tile takes")])
def test_designs_refused(layer: tuple[Path, Array, Array], dtype: str, design: tuple[str, ...],
                         message: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = layer[0]
    assert gen("quantize", folder / "w.npy", "--dtype", dtype, "-o", folder / "q.npz") == 0
    assert gen("run", *design, "--a", folder / "a.npy", "--w", folder / "q.npz", "-o",
               folder / "y.npy") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_e4m3_scales_reach_their_largest() -> None:
    """The block with the largest weight has the scale 448; one below 2**-10 of it has none."""
    w = np.zeros((1, 48), np.float32)
    w[0, 0], w[0, 16], w[0, 32] = 6, 6e-7, 3
    got = quantize(w, "nvfp4")
    assert got.scale[0].tolist() == [448.0, 0.0, 224.0] and got.codes[0, 16] == 0
    assert FP8_E4M3.from_float64(np.array(448.0)) == 0x7E
