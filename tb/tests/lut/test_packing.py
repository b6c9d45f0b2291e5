"""Bit order: codes, patterns, beats and words, against the reference vectors and definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowbit.golden import bits as packed_bits
from lowbit.golden import groups as quantisation
from lowbit.golden.lut import packing
from lowbit.golden.lut.packing import Beats, weight_beats
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.vectors import VECTORS

CASES = VECTORS / "lut_int.npz"


def cases() -> list[str]:
    with np.load(CASES) as data:
        return sorted({key.rsplit("|", 1)[0] for key in data.files})


def load(case: str) -> dict[str, Any]:
    with np.load(CASES) as data:
        return {key.rsplit("|", 1)[1]: data[key] for key in data.files
                if key.rsplit("|", 1)[0] == case}


def tables(a: Any, K: int, groups: int, group_size: int | None) -> Any:
    """Half tables by their definition: (rows, steps, groups, 2**(K-1)), top activation added."""
    parts = packing.split_steps(a.astype(np.int64), K, groups, group_size)
    entries = []
    for index in range(1 << (K - 1)):
        signs = [1 if index >> k & 1 else -1 for k in range(K - 1)] + [1]
        entries.append(sum(sign * parts[..., k] for k, sign in enumerate(signs)))
    return np.stack(entries, axis=-1)


def evaluate(beats: Beats, table: Any, N: int) -> Any:
    """What a core computes from the words: one (rows, N) sum for each reduction."""
    K, groups = beats.K, table.shape[2]
    fields = packed_bits.unpack_bits(beats.words(), K, N * groups).reshape(len(beats), N, groups)
    results, total, step = [], None, 0
    for t in range(len(beats)):
        assert beats.step[t] == step
        assert bool(beats.first[t]) == (total is None)
        total = np.zeros((len(table), N), np.int64) if total is None else total
        for g in range(groups):
            index, sign = fields[t, :, g] & ((1 << (K - 1)) - 1), fields[t, :, g] >> (K - 1)
            entry = table[:, step, g][:, index]
            total += np.where(sign == 1, -entry, entry) << int(beats.plane[t])
        step += int(beats.group_last[t])
        if beats.last[t]:
            results.append(total)
            total = None
    assert total is None and step == table.shape[1]
    return results


@pytest.mark.parametrize("case", cases())
def test_reference_vectors(case: str) -> None:
    v = load(case)
    bits, K = int(case.split("|")[1][1:]), int(case.rsplit("G", 1)[1])
    beats = weight_beats(v["q"], bits, K)
    odd, _, offset = packing.reinterpret(v["q"], bits, None, v["z"])
    assert offset is not None
    assert (v["a"].astype(np.int64) @ odd.T.astype(np.int64) == v["y_qprime"]).all()
    table = tables(v["a"], K, 1, None)
    [y] = evaluate(beats, table, len(v["q"]))
    assert (y == v["y_qprime"]).all()
    if "raw_idx" in v:
        ours = beats.patterns.reshape(-1, bits, len(v["q"])).transpose(2, 0, 1)
        assert (ours == v["raw_idx"]).all()
        sign, index = packing.fold(ours, K)
        # the vectors store the other half of the table
        assert (sign == 1 - v["sign"]).all()
        assert (index == (~v["fold_idx"] & ((1 << (K - 1)) - 1))).all()
        assert (table[:, :, 0] == -v["half_table"][..., ::-1]).all()
    [y] = evaluate(weight_beats(v["q"], bits, K, zero=v["z"]), table, len(v["q"]))
    assert (y == v["y_2x_zero_corrected"]).all()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_beats_compute_the_product(data: st.DataObject) -> None:
    bits, K = data.draw(st.integers(1, 8), "bits"), data.draw(st.integers(2, 6), "K")
    groups, n = data.draw(st.integers(1, 3), "groups"), data.draw(st.integers(1, 7), "n")
    k = data.draw(st.integers(1, 40), "k")
    size = data.draw(st.none() | st.integers(1, 45), "group_size")
    kind = data.draw(st.sampled_from(["none", "two's complement", "column", "group"]), "zero")
    per_group = data.draw(st.booleans(), "per_group")
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32), "seed"))
    q = rng.integers(0, 1 << bits, (n, k))
    a = rng.integers(-128, 128, (2, k))
    quant_groups = quantisation.group_count(k, size)
    zero = {"none": None, "two's complement": np.full(n, 1 << (bits - 1)),
            "column": rng.integers(0, 1 << bits, n),
            "group": rng.integers(0, 1 << bits, (n, quant_groups))}[kind]
    beats = weight_beats(q, bits, K, groups, zero, group_size=size, per_group=per_group)
    got = evaluate(beats, tables(a, K, groups, size), n)

    odd = 2 * q - (2**bits - 1)
    owner = np.arange(k) // (size or k)
    if zero is not None:
        z = np.broadcast_to(zero if zero.ndim == 2 else zero[:, None], (n, quant_groups))
        odd = odd - (2 * z + 1 - 2**bits)[:, owner]
    sums = [a[:, owner == g] @ odd[:, owner == g].T for g in range(quant_groups)]
    expected = sums if per_group else [sum(sums)]
    assert len(got) == len(expected)
    for y, reference in zip(got, expected, strict=True):
        assert (y == reference).all()
    steps = len(packing.step_groups(k, K, groups, size))
    if kind in ("none", "two's complement"):
        assert len(beats) == steps * (bits + (kind != "none"))


def test_order_of_beats() -> None:
    """Steps, then planes, then the zero-point term; flags at the ends. Written out by hand."""
    q = np.array([[1, 2, 3, 0, 1], [0, 0, 1, 3, 2]])
    beats = weight_beats(q, 2, 2, groups=2, zero=np.array([2, 1]))
    assert beats.plane.tolist() == [0, 1, 0, 1] * 2
    assert beats.step.tolist() == [0] * 4 + [1] * 4
    assert beats.first.tolist() == [True] + [False] * 7
    assert beats.last.tolist() == [False] * 7 + [True]
    assert beats.group_last.tolist() == [False] * 3 + [True] + [False] * 3 + [True]
    # (beat, table, column); bit j is activation j
    assert beats.patterns[0].tolist() == [[0b01, 0b00], [0b01, 0b11]]
    assert beats.patterns[1].tolist() == [[0b10, 0b00], [0b01, 0b10]]
    assert beats.patterns[4].tolist() == [[0b01, 0b00], [0b00, 0b00]]
    # z = 2: plane 0 adds, plane 1 subtracts; z = 1 the other way round
    assert beats.patterns[2].tolist() == [[0b11, 0b00]] * 2
    assert beats.patterns[3].tolist() == [[0b00, 0b11]] * 2
    # columns, tables within a column, sign above the index: beat 0, little-endian
    assert beats.fields()[0].tolist() == [0b10, 0b10, 0b11, 0b01]
    assert beats.fields(raw=True)[0].tolist() == [0b01, 0b01, 0b00, 0b11]
    assert beats.words(raw=True)[0].tolist() == [0b11_00_01_01]


def test_zero_beats_are_few_for_twos_complement() -> None:
    q = np.zeros((3, 16), np.uint8)
    zero = np.array([[8, 8], [8, 3], [8, 8]])
    assert packing.zero_beats(zero, 4).tolist() == [1, 4]
    beats = weight_beats(q, 4, 4, zero=zero, group_size=8)
    assert np.bincount(beats.step).tolist() == [5, 5, 8, 8]
    more = weight_beats(q[:1], 4, 4, zero=zero[:1], group_size=8, counts=np.array([1, 4]))
    assert np.bincount(more.step).tolist() == [5, 5, 8, 8]
    with pytest.raises(ValueError, match="counts"):
        weight_beats(q, 4, 4, zero=zero, group_size=8, counts=np.array([1, 1]))


@pytest.mark.parametrize("K", range(1, 9))
def test_fold_all_patterns(K: int) -> None:
    patterns = np.arange(1 << K, dtype=np.uint8)
    sign, index = packing.fold(patterns, K)
    top = patterns >> (K - 1)
    assert (sign == 1 - top).all() and (index < max(1, 1 << (K - 1))).all()
    for pattern, s, i in zip(patterns.tolist(), sign.tolist(), index.tolist(), strict=True):
        selected = i | 1 << (K - 1)
        assert pattern == (~selected & ((1 << K) - 1) if s else selected)
    assert (packing.unfold(sign, index, K) == patterns).all()


def test_planes_rebuild_the_code() -> None:
    q = np.arange(256, dtype=np.uint8)
    planes = packing.plane_bits(q, 8).astype(np.int64)
    assert planes.shape == (8, 256)
    odd, half, _ = packing.reinterpret(q, 8, np.array([3], np.float32))
    assert (sum((2 * planes[i] - 1) << i for i in range(8)) == odd).all()
    assert half is not None and half.dtype == np.float32 and half[0] == 1.5


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 64), st.integers(1, 9), st.integers(0, 3), st.booleans(), st.data())
def test_words_are_little_endian(width: int, count: int, rows: int, signed: bool,
                                 data: st.DataObject) -> None:
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    element = st.integers(low, high)
    values = data.draw(st.lists(st.lists(element, min_size=count, max_size=count),
                                min_size=rows, max_size=rows))
    array = np.array(values, np.int64 if signed else np.uint64).reshape(rows, count)
    packed = packed_bits.pack_bits(array, width)
    words = [sum((v % (1 << width)) << (i * width) for i, v in enumerate(row)) for row in values]
    assert packed.shape == (rows, -(-width * count // 8))
    assert packed_bits.rows_to_ints(packed) == words
    assert (packed_bits.ints_to_rows(words, width * count).reshape(packed.shape) == packed).all()
    assert (packed_bits.unpack_bits(packed, width, count, signed=signed) == array).all()
    for small in (np.int8, np.int16, np.int32):
        if signed and width == np.iinfo(small).bits:
            assert (packed_bits.pack_bits(array.astype(small), width) == packed).all()


def test_a_narrow_type_in_a_wide_field() -> None:
    packed = packed_bits.pack_bits(np.array([-1, 1], np.int8), 12)
    assert packed_bits.rows_to_ints(packed[None]) == [0x001FFF]


@pytest.mark.parametrize(("codes", "bits", "zero", "message"), [
    (np.array([[0, 4]]), 2, None, "must be 0..3 for 2 bits; got 4"),
    (np.array([[0, -1]]), 2, None, "must be 0..3 for 2 bits; got -1"),
    (np.array([[0.0, 1.0]]), 2, None, "integers of shape"),
    (np.array([0, 1]), 2, None, "integers of shape"),
    (np.zeros((2, 0), int), 2, None, "integers of shape"),
    (np.array([[0, 1]]), 9, None, "--w-bits must be 1..8; got 9"),
    (np.array([[0, 1]]), 2, np.array([4]), "zero points must be 0..3 for 2 bits; got 4"),
    (np.array([[0, 1]]), 2, np.array([-1]), "zero points must be 0..3 for 2 bits; got -1"),
    (np.array([[0, 1]]), 2, np.array([1, 1]), "zero points must be integers of shape"),
    (np.array([[0, 1]]), 2, np.array([1.0]), "zero points must be integers of shape"),
])
def test_bad_codes(codes: Any, bits: int, zero: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        weight_beats(codes, bits, 4, zero=zero)
