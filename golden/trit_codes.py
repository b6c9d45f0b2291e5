"""Trits in few bits: how ternary weights -1, 0, +1 are packed at a weight port.

======= ======= ============ ================================================================
code    trits   bits a word  word
======= ======= ============ ================================================================
trits2  1       2            {non-zero, negative}: the digit ``ternary`` of :mod:`.digits`
trits5  5       8            see below; 243 of 256 words are used
sherry  4       5            exactly one of the four is 0: 4 z + r, sign on top
======= ======= ============ ================================================================

``trits5``: with u = w + 1 the first two trits are a = u0 + 3 u1, the next two b = u2 + 3 u3, the
last e = u4. A byte is e, a and b in 2, 3 and 3 bits; a pair that is 8, the one value that three
bits do not hold, has a word of its own from 192 on, so that a decoder needs no division:

=================== ================
pairs               word
=================== ================
a < 8, b < 8        64 e + 8 a + b
a = 8, b < 8        192 + 8 e + b
a < 8, b = 8        192 + 8 (3 + e) + a
a = 8, b = 8        240 + e
=================== ================

``sherry``: z is the place of the 0, bit 0 and 1 of r say whether the second and the third of the
others have another sign than the first of them, and the top bit is the first one's sign (3:4 sparse
weights, 1.25 bits each, as Sherry stores them).

A packer makes no unused word. The hardware (:mod:`lowbit.hdl.common.trit_decoder`) reads them as
:meth:`TritCode.decode` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .digits import FORMATS
from .parameters import ParameterError

__all__ = ["TRIT_CODES", "TritCode"]

Array = NDArray[Any]


@dataclass(frozen=True)
class TritCode:
    """One code: ``words`` holds the trits of every word, int64 (2**bits, trits)."""

    name: str
    trits: int          #: of a word
    bits: int           #: of a word
    words: Array
    used: Array         #: bool (2**bits,): a packer makes the word

    def decode(self, words: Array) -> Array:
        """Trits (..., trits) of words."""
        return np.asarray(self.words[np.asarray(words, np.int64)])

    def encode(self, trits: Array) -> Array:
        """Words (...) of trits (..., trits), integers; :class:`ParameterError` for what is no trit,
        and for trits that the code has no word for."""
        trits = np.asarray(trits, np.int64)
        wrong = np.abs(trits) > 1
        if wrong.any():
            raise ParameterError(f"ternary weights must be -1, 0 or 1; got {trits[wrong][0]}")
        powers = 3 ** np.arange(self.trits)
        table = np.full(3 ** self.trits, -1)
        table[((self.words + 1) @ powers)[self.used]] = np.flatnonzero(self.used)
        words = table[(trits + 1) @ powers]
        if (words < 0).any():
            raise ParameterError(f"{self.name} takes {self.trits} weights of which exactly one is "
                                 f"0; got {trits[words < 0][0].tolist()}")
        return np.asarray(words)


def _pair(code: Array) -> list[Array]:
    return [code % 3, code // 3]


def _trits5() -> TritCode:
    word = np.arange(256)
    escape, field, low = word >= 192, word >> 3 & 7, word & 7
    a8, b8 = escape & ((field < 3) | (field >= 6)), escape & (field >= 3)
    last = np.select([~escape, field < 3, field < 6], [word >> 6, field, field - 3], word & 3)
    a = np.where(a8, 8, np.where(escape, low, field))
    b = np.where(b8, 8, low)
    last = np.where(last == 3, 1, last)                 # only unused words: no weight
    u = np.stack([*_pair(a), *_pair(b), last], axis=-1)
    return TritCode("trits5", 5, 8, u - 1, word < 243)


def _sherry() -> TritCode:
    words = np.zeros((32, 4), np.int64)
    for word in range(32):
        others = [place for place in range(4) if place != word >> 2 & 3]
        sign = -1 if word >> 4 else 1
        for place, other in zip(others, (0, word & 1, word >> 1 & 1), strict=True):
            words[word, place] = -sign if other else sign
    return TritCode("sherry", 4, 5, words, np.ones(32, bool))


def _trits2() -> TritCode:
    form = FORMATS["ternary"]
    used = np.isin(np.arange(1 << form.port_bits), form.codes)
    return TritCode("trits2", 1, form.port_bits, form.values[:, None], used)


#: by name
TRIT_CODES = {code.name: code for code in (_trits2(), _trits5(), _sherry())}
