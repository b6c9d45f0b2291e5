"""Weights in memory, read back bit by bit from the words' description; and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lowbit.golden.accelerator.isa import BLOCK
from lowbit.golden.accelerator.layout import Packed, pack
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FloatFormat
from lowbit.golden.group_scale import Codes
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.packing import unfold
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.accel import random_weights

Array = np.ndarray[Any, Any]
SMALL: dict[str, Any] = dict(N=32, chains=2, axi_data=64, a_kib=8, w_kib=16, s_kib=2, p_kib=2)


def fields(data: bytes, width: int, count: int) -> list[int]:
    """Fields of ``width`` bits, the first in the lowest bits."""
    whole = int.from_bytes(data, "little")
    return [whole >> i * width & (1 << width) - 1 for i in range(count)]


def unpack(p: AccelParameters, matrix: Packed) -> tuple[Array, Array, Array]:
    """Codes (n, k), scales and offsets as codes (n, groups), from the image."""
    n = -(-matrix.n // p.N) * p.N
    q = np.zeros((n, matrix.k), np.int64)
    values = {name: np.zeros((n, matrix.groups), np.int64) for name in ("scales", "offsets")}
    steps = matrix.group_size // p.per_beat
    # physical column c * drain + t holds column t * chains + c
    logical = [t * p.chains + c for c in range(p.chains) for t in range(p.drain)]
    covered = 0
    for chunk in matrix.chunks:
        for at, size in chunk.parts.values():
            assert at == covered        # one part after another, no byte lost
            covered += size
        at, size = chunk.parts["patterns"]
        data = matrix.image[at * BLOCK:(at + size) * BLOCK]
        word = p.w_word // 8
        for i in range(chunk.groups * steps * matrix.planes):
            step, plane = chunk.group * steps + i // matrix.planes, i % matrix.planes
            found = fields(data[i * word:(i + 1) * word], p.K, p.N * p.groups)
            for j, field in enumerate(found):
                column = chunk.column_block * p.N + logical[j // p.groups]
                first = (step * p.groups + j % p.groups) * p.K
                sign, index = field >> p.K - 1, field & (1 << p.K - 1) - 1
                pattern = int(unfold(np.array(sign), np.array(index), p.K))
                for activation in range(p.K):
                    q[column, first + activation] |= (pattern >> activation & 1) << plane
        for name, width in (("scales", p.s_word), ("offsets", p.o_word)):
            if name not in chunk.parts:
                continue
            at, size = chunk.parts[name]
            found = fields(matrix.image[at * BLOCK:(at + size) * BLOCK], width // p.chains,
                           chunk.groups * p.N)
            for i, value in enumerate(found):
                group, column = divmod(i, p.N)      # words of a column of each chain: as it is
                values[name][chunk.column_block * p.N + column, chunk.group + group] = value
    assert covered * BLOCK == len(matrix.image)
    return q, values["scales"], values["offsets"]


@pytest.mark.parametrize("fields_of_design", [
    {}, dict(groups=2), dict(K=2, min_group=16), dict(group_scale="fp32"), dict(w_bits=8)])
@pytest.mark.parametrize("meaning", ["odd", "signed", "minimum"])
def test_every_bit_has_its_place(fields_of_design: dict[str, Any], meaning: str) -> None:
    p = AccelParameters(**SMALL | fields_of_design)
    rng = np.random.default_rng(3)
    weights = random_weights(rng, 45, 192, min(3, p.w_bits), 64, meaning)
    matrix = pack(p, weights, p.w_slot // 2)
    q, scales, offsets = unpack(p, matrix)
    assert np.array_equal(q[:45], weights.codes)
    fmt = p.core.scale_format
    assert isinstance(fmt, FloatFormat)
    kind = np.float16 if fmt.bits == 16 else np.float32
    assert np.array_equal(scales[:45], fmt.from_array(weights.scale.astype(kind)))
    assert not q[45:].any() and not scales[45:].any() and not offsets[45:].any()
    assert matrix.has_offsets == (meaning == "minimum")
    if weights.minimum is not None:
        assert np.array_equal(offsets[:45], fmt.from_array(weights.minimum.astype(kind)))
    assert matrix.codes is {"odd": Codes.ODD, "signed": Codes.SIGNED}.get(meaning, Codes.UNSIGNED)


def test_long_groups_are_cut() -> None:
    p = AccelParameters(**SMALL)
    rng = np.random.default_rng(4)
    for size, parts in ((256, 2), (96, 3), (None, 6), (128, 1)):
        weights = random_weights(rng, 5, 768, 4, size or 768, "odd")
        matrix = pack(p, replace(weights, group_size=size))
        assert matrix.group_size * parts == (size or 768)
        _, scales, _ = unpack(p, matrix)
        assert (np.diff(scales.reshape(len(scales), -1, parts), axis=2) == 0).all()


def test_image_is_as_large_as_the_weights() -> None:
    """Whole blocks of columns and chunks of whole words: nothing but codes, scales, offsets."""
    weights = random_weights(np.random.default_rng(1), 192, 576, 4, 32, "minimum")
    matrix = pack(AccelParameters(), weights)
    assert len(matrix.image) == matrix.data == 192 * 576 * 5 // 8


@pytest.mark.parametrize(("change", "error"), [
    (dict(levels=np.zeros(16, np.float32), zero=None), "integer codes"),
    (dict(order=np.arange(64)[::-1]), "neighbours"),
    (dict(scale=np.full((8, 2), 1e-9, np.float32)), "scales must be finite fp16 numbers"),
    (dict(scale=np.full((8, 2), 1e9, np.float32)), "scales must be finite fp16 numbers"),
    (dict(zero=None, minimum=np.full((8, 2), 0.1, np.float32)), "offsets must be finite fp16"),
    (dict(group_size=16, scale=np.ones((8, 4), np.float32), zero=np.zeros((8, 4), int)),
     "k = 64 in groups of 16 must be whole groups of a multiple of --min-group 32"),
    (dict(bits=5), "need --w-bits 5; this design has 4")])
def test_refusals(change: dict[str, Any], error: str) -> None:
    good = random_weights(np.random.default_rng(2), 8, 64, 4, 32, "zero")
    good = replace(good, zero=np.zeros((8, 2), int))
    pack(AccelParameters(**SMALL), good)
    with pytest.raises(ParameterError, match=error):
        pack(AccelParameters(**SMALL), replace(good, **change))


def test_refusal_without_offsets() -> None:
    weights: GroupedWeights = random_weights(np.random.default_rng(2), 8, 64, 4, 32, "minimum")
    with pytest.raises(ParameterError, match="--offset"):
        pack(AccelParameters(**SMALL, offset="none"), weights)


def test_refusal_of_a_design_whose_largest_group_fits_no_slot() -> None:
    with pytest.raises(ParameterError, match="--w-kib must hold two slots of the largest group"):
        AccelParameters(**SMALL | dict(w_kib=2))


def test_halves_of_results_fit_beats() -> None:
    """Rows rounded to FP16 have words of half the bits: three beats are no multiple of two."""
    with pytest.raises(ParameterError, match="--chains makes words of 96 bits in a buffer, and "
                       "words must be a multiple or a part of --axi-data 64"):
        AccelParameters(N=192, chains=6, group_scale="fp32", axi_data=64)
