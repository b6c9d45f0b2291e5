"""``gen pack --radix 3``: the words of a core that reads trits, by their definition."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.cli import main
from lowbit.generators.weights.formats import load_tensor
from lowbit.golden.bits import unpack_bits
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.packing import split_steps

from .test_unpack import sherry_word, trits5_word


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.npy"
    np.save(path, np.random.default_rng(0).standard_normal((7, 40)).astype(np.float32))
    return path


#: trits of the two bits {non-zero, negative} at a port; a digit 0 has no sign
TRITS = {0b00: 0, 0b10: 1, 0b11: -1}
FIVE = {trits5_word(trits): trits for trits in itertools.product((-1, 0, 1), repeat=5)}
FOUR = {sherry_word(trits): trits for trits in itertools.product((-1, 0, 1), repeat=4)}


def trits_of(stream: dict[str, Any], steps: int) -> Any:
    """Trits (tiles, steps, N, groups * K) of a stream's words, bit by bit."""
    K, groups, N = (int(stream[f"stream_{name}"]) for name in ("K", "groups", "N"))
    code = str(stream["stream_unpack"])
    count, words = N * groups * K, stream["stream_words"]
    assert words.shape[1] == steps
    flat = words.reshape(-1, words.shape[-1])
    if code == "none":
        trits = np.vectorize(TRITS.__getitem__)(unpack_bits(flat, 2, count))
    elif code == "trits5":
        trits = np.array([[trit for word in row for trit in FIVE[int(word)]] for row in flat])
    else:
        fields = unpack_bits(flat, 5, count // 4)
        trits = np.array([[trit for word in row for trit in FOUR[int(word)]] for row in fields])
    return trits[:, :count].reshape(*words.shape[:2], N, groups * K)


@pytest.mark.parametrize(("flags", "dtype", "word_bits"), [
    ("", "ternary", 64 * 2 * 2), ("--K 3 --groups 2 --N 4 --group-size 16", "ternary", 48),
    ("--unpack trits5 --K 3 --N 3 --group-size 0", "ternary", 16),
    ("--unpack trits5 --planes 2 --K 2 --groups 4 --N 5 --group-size 20", "ternary2", 64),
    ("--planes 2 --K 4 --N 2 --group-size 8", "ternary2", 16),
    ("--unpack sherry --K 4 --groups 3 --N 4 --group-size 20", "sherry", 60),
    ("--unpack sherry --groups 2 --N 64", "sherry", 320)])
def test_trits(weights: Path, tmp_path: Path, flags: str, dtype: str, word_bits: int,
               capsys: pytest.CaptureFixture[str]) -> None:
    """From the words alone: the layer; and the tensor is that of gen quantize."""
    out, plain = tmp_path / "packed.npz", tmp_path / "plain.npz"
    assert main(["pack", str(weights), "--radix", "3", "-o", str(out), "--json",
                 *flags.split()]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["format"], report["word_bits"]) == (dtype, word_bits)
    kind, tensor = load_tensor(out)
    assert kind.name == dtype and isinstance(tensor, GroupedWeights)
    size = tensor.group_size or 0
    assert main(["quantize", str(weights), "--dtype", dtype, "--group-size", str(size), "-o",
                 str(plain)]) == 0
    with np.load(out) as one, np.load(plain) as two:
        assert set(two.files) == {name for name in one.files if ".stream_" not in name}
        assert all(np.array_equal(one[name], two[name]) for name in two.files)
        stream = {name.removeprefix("0."): one[name] for name in one.files}
    assert (stream["stream_plane"] == 0).all() and stream["stream_table_last"].all()
    K, groups = (int(stream[f"stream_{name}"]) for name in ("K", "groups"))
    a = np.random.default_rng(5).integers(-128, 128, (3, 40))
    order = np.arange(40) if tensor.order is None else tensor.order
    parts = split_steps(a[:, order], K, groups, tensor.group_size).reshape(3, -1, groups * K)
    trits = trits_of(stream, parts.shape[1])
    if dtype != "sherry":       # columns that are not used read nothing
        assert (trits.swapaxes(1, 2).reshape(-1, *trits.shape[1::2])[7:] == 0).all()
    sums = np.einsum("rsk,tsnk->stnr", parts, trits)
    reduction = np.cumsum(stream["stream_first"]) - 1
    assert (np.flatnonzero(stream["stream_last"]) ==
            np.append(np.flatnonzero(stream["stream_first"])[1:], len(reduction)) - 1).all()
    y = np.zeros((3, 7))
    for step, group in enumerate(reduction):
        y += (sums[step].reshape(-1, 3)[:7] * tensor.scale[:, group, None].astype(float)).T
    np.testing.assert_allclose(y, a @ tensor.dequantize().T, rtol=1e-12, atol=1e-9)


def test_trits_in_words(weights: Path, tmp_path: Path,
                        capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pack", str(weights), "--radix", "3", "--K", "4", "-o", str(tmp_path / "p.npz")]
    assert main([*words, "--unpack", "sherry"]) == 0
    text = capsys.readouterr().out
    assert "quantised  sherry, groups of 128: 2.800 bits a weight with scales\n" in text
    assert "1 tiles of 10 beats of 320 bits (sherry), 400 bytes" in text
    a = np.random.default_rng(1).integers(-128, 128, (2, 40)).astype(np.int8)
    np.save(tmp_path / "a.npy", a)
    assert main(["run", "lut_core", "--radix", "3", "--K", "4", "--unpack", "sherry", "--a-format",
                 "int8", "--a", str(tmp_path / "a.npy"), "--w", str(tmp_path / "p.npz"), "-o",
                 str(tmp_path / "y.npy")]) == 0
    exact = a @ load_tensor(tmp_path / "p.npz")[1].dequantize().T
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), exact, rtol=1e-5, atol=1e-4)
    capsys.readouterr()
    assert main(words) == 0
    assert "of 512 bits (trits of two bits)" in capsys.readouterr().out
