"""The memory image of a model's weights, written as it grows."""

from __future__ import annotations

from functools import lru_cache

from lowbit.golden.accelerator.layout import Matrix, plan
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import Codes

__all__ = ["PAGE", "Image", "matrix_of"]

#: matrices begin on pages
PAGE = 4096


class Image:
    """Pieces of the image, and the place and size of each matrix in bytes."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[int, int]] = {}
        self.pieces: list[bytes] = []
        self.size = 0

    def add(self, name: str, data: bytes) -> None:
        self.places[name] = self.size, len(data)
        self.pieces += [data, bytes(-len(data) % PAGE)]
        self.size += -(-len(data) // PAGE) * PAGE


@lru_cache(maxsize=256)
def matrix_of(p: AccelParameters, n: int, k: int, bits: int, group: int, codes: Codes,
              offsets: bool, slot: int | None) -> Matrix:
    """:func:`~lowbit.golden.accelerator.layout.plan`: the matrices of a model are much alike."""
    return plan(p, n, k, bits, group, codes, offsets, slot)
