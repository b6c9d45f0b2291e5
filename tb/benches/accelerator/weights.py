"""Random weights for the accelerator's programs, in the forms that the engines take."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from lowbit.golden.accelerator.bitmod_layout import special_register
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.bitmod.datatypes import get_data_type, is_two_term
from lowbit.golden.bitmod.ports import Weights
from lowbit.golden.grouped import GroupedWeights

__all__ = ["Draw", "draws_of"]


class Draw(ABC):
    """Draws the weights of a program; ``settings``: registers of the engine that it needs."""

    settings: dict[str, int]

    def __init__(self, p: AccelParameters, rng: np.random.Generator, draw: random.Random) -> None:
        self.p, self.rng, self.random = p, rng, draw
        self.settings = {}

    @abstractmethod
    def planes(self) -> int:
        """Words of patterns of a step of the matrix that comes next."""

    @abstractmethod
    def weights(self, n: int, k: int, planes: int, size: int) -> Any:
        """Weights (n, k) in groups of ``size``."""

    def slot_words(self, planes: int, size: int) -> int | None:
        """Of the weight buffer, that a chunk may fill; None: a slot."""
        return None


class _Lut(Draw):
    def planes(self) -> int:
        return self.random.randint(1, self.p.w_bits)

    def weights(self, n: int, k: int, planes: int, size: int) -> GroupedWeights:
        p, rng, bits = self.p, self.rng, planes
        groups = k // size
        kind = np.float16 if p.group_scale == "fp16" else np.float32
        scale = rng.normal(0, 0.1, (n, groups)).astype(kind).astype(np.float32)
        codes = rng.integers(0, 1 << bits, (n, k)).astype(np.uint8)
        meaning = self.random.choice(("odd", "signed", "zero", "minimum"))
        zero = minimum = None
        if meaning == "signed":
            zero = np.full((n, groups), 1 << bits - 1)
        elif p.offset == "integer" or (meaning == "zero" and p.offset == "real"
                                       and p.group_scale == "fp32"):
            zero = rng.integers(0, 1 << bits, (n, groups))
        elif meaning == "minimum" and p.offset == "real":
            minimum = rng.normal(0, 1, (n, groups)).astype(kind).astype(np.float32)
        return GroupedWeights(codes, scale, zero, bits, size, minimum)


class _Bitmod(Draw):
    """All codes of all types, all scales, special values that differ from program to program;
    channel scales of any size, some of which make results overflow or vanish."""

    def __init__(self, p: AccelParameters, rng: np.random.Generator, draw: random.Random) -> None:
        super().__init__(p, rng, draw)
        possible = [half / 2 for half in range(32) if is_two_term(half)]
        values = draw.sample(possible, 4)
        self.settings = {"SPECIAL": special_register(
            tuple(value * draw.choice((1, -1)) for value in values))}

    def planes(self) -> int:
        return self.random.randint(2, self.p.compute.planes)

    def weights(self, n: int, k: int, planes: int, size: int) -> Weights:
        rng, groups = self.rng, k // size
        names = [name for name in ("bitmod3", "bitmod4", "int3", "int4", "int5", "int6", "int7",
                                   "int8") if get_data_type(name).terms == planes]
        dtype = get_data_type(self.random.choice(names))
        channel = None
        if self.p.o_word and self.random.random() < 0.8:
            channel = (rng.normal(0, 1, n) * 2.0 ** rng.integers(-20, 20, n)).astype(np.float32)
            channel[rng.random(n) < 0.1] = rng.choice((0.0, -0.0, 1e-44, 3e38, np.inf))
        return Weights(rng.integers(0, 1 << dtype.bits, (n, k)).astype(np.uint8), dtype, size,
                       rng.integers(0, 256, (n, groups)).astype(np.uint8),
                       rng.integers(0, 4, (n, groups)), channel)

    def slot_words(self, planes: int, size: int) -> int | None:
        # short chunks: sums stay from one LMMA to the next
        return self.random.choice((None, planes * size // self.p.per_beat))


_DRAWS: dict[str, type[Draw]] = {"lut": _Lut, "bitmod": _Bitmod}


def draws_of(p: AccelParameters, rng: np.random.Generator, draw: random.Random) -> Draw:
    """Weights for a program of a design."""
    return _DRAWS[p.engine](p, rng, draw)
