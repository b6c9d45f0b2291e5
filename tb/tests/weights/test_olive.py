"""OliVe's pairs: all bytes, and quantised groups against a search over all bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.olive import OUTLIERS, VICTIM, decode, quantize, quantize_groups


def test_all_bytes() -> None:
    """Written out: a victim makes its neighbour an outlier, of either sign."""
    positive = [None, 12, 16, 24, 32, 48, 64, 96]
    for low in range(16):
        for high in range(16):
            got = decode(np.array([low, high])).tolist()
            if low == high == VICTIM:
                assert got == [0, 0]
            elif VICTIM in (low, high):
                code, place = (high, 1) if low == VICTIM else (low, 0)
                value = positive[code & 7]
                assert got[1 - place] == 0
                if value is not None:
                    assert got[place] == (-value if code & 8 else value)
            else:
                assert got == [low - 16 * (low > 8), high - 16 * (high > 8)]
    assert OUTLIERS[1:].tolist() == positive[1:]


def test_pairs_are_nearest_but_for_the_smaller_outlier() -> None:
    """The artefact's grid times a quarter: outliers (1 | 1.5) * 2**5..8 without 32."""
    assert sorted(4 * OUTLIERS[1:]) == [2.0**e * f for e in range(5, 9) for f in (1, 1.5)][1:]
    rng = np.random.default_rng(1)
    weights = rng.standard_t(3, (20, 32))
    codes, scales = quantize_groups(weights)
    everything = np.array([(low, high) for low in range(16) for high in range(16)
                           if (low, high) not in ((8, 0), (0, 8), (8, 8))])
    values = decode(everything)
    assert (codes == VICTIM).any()
    for row in range(20):
        for x, code in zip(weights[row].reshape(-1, 2) / scales[row], codes[row].reshape(-1, 2),
                           strict=True):
            errors = ((x - values) ** 2).sum(axis=1)
            # an outlier beside a larger weight, which would be its victim, is never nearest
            assert np.isclose(((x - decode(code)) ** 2).sum(), errors.min())


def test_zeros() -> None:
    codes, scales = quantize_groups(np.zeros((1, 8)))
    assert not codes.any() and scales.tolist() == [0.0]


def test_last_of_an_odd_channel_is_normal() -> None:
    """It has no neighbour that could be a victim, however large it is."""
    weights = np.random.default_rng(4).standard_normal((1, 127)).astype(np.float32)
    weights[0, -1] = 12
    tensor = quantize(weights, 128)
    assert 0 < tensor.codes[0, -1] <= 7
    np.testing.assert_allclose(tensor.dequantize()[0, -1],
                               tensor.codes[0, -1] * tensor.scale[0, -1], rtol=1e-7)
    paired = quantize(weights[:, 1:], 128)        # with a neighbour: an outlier
    assert paired.codes[0, -2] == VICTIM and abs(paired.dequantize()[0, -1] - 12) < 2


def test_two_levels_of_scales(tmp_path: Path) -> None:
    """The codes of FP32 scales; scales are within half a code of them; a file keeps both."""
    weights = np.random.default_rng(3).standard_t(3, (5, 70)).astype(np.float32)
    wide, narrow = quantize(weights, 16), quantize(weights, 16, two_levels=True)
    np.testing.assert_array_equal(wide.codes, narrow.codes)
    assert narrow.channel_scale is not None
    half = narrow.channel_scale[:, None] / 2 * (1 + 1e-6)
    assert (np.abs(narrow.group_scales() - wide.group_scales()) <= half).all()
    assert narrow.stored_bits == 4 * 350 + 8 * 25 + 32 * 5
    np.save(tmp_path / "w.npy", weights)
    assert main(["quantize", str(tmp_path / "w.npy"), "--dtype", "olive4", "--group-size", "16",
                 "--scale-bits", "8", "-o", str(tmp_path / "q.npz")]) == 0
    _, tensor = load_tensor(tmp_path / "q.npz")
    np.testing.assert_array_equal(tensor.dequantize(), narrow.dequantize())


def test_file_and_its_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Odd channels, a shorter last group; other scales and cores are refused in one line."""
    rng = np.random.default_rng(2)
    weights = rng.standard_t(3, (3, 45)).astype(np.float32)
    np.save(tmp_path / "w.npy", weights)
    np.save(tmp_path / "a.npy", np.ones((1, 45), np.float16))
    out = tmp_path / "q.npz"
    quantise = ["quantize", str(tmp_path / "w.npy"), "--dtype", "olive4", "--group-size"]
    assert main([*quantise, "15", "-o", str(out)]) == 2 and not out.exists()
    assert "--group-size must be even" in capsys.readouterr().err
    assert main([*quantise, "16", "--scale-bits", "16", "-o", str(out)]) == 2 and not out.exists()
    assert "--scale-bits must be 8 with --dtype olive4" in capsys.readouterr().err
    assert main([*quantise, "16", "-o", str(out)]) == 0
    kind, tensor = load_tensor(out)
    assert kind.name == "olive4"
    np.testing.assert_array_equal(tensor.dequantize(), quantize(weights, 16).dequantize())
    assert np.abs(tensor.dequantize() - weights).max() < np.abs(weights).max() / 2
    capsys.readouterr()
    assert main(["run", "lut_core", "--a", str(tmp_path / "a.npy"), "--w", str(out), "-o",
                 str(tmp_path / "y.npy")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
