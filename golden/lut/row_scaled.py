"""Row-scaled entries: floating activations as integers at an exponent that fits a row's own sums.

The `aligned` datapath takes the largest activation of a row for its exponent and leaves headroom
for the longest operation. Here the exponent is the least at which the row itself fits: every table
entry the entry width E, and whatever its planes add up to the accumulator width W
(docs/numerics.md, "Row-scaled entries"). An entry is rounded once, to nearest even, from
activations with a few bits more: to round each activation would double the error of K = 4. Planes
count from the top: a beat of plane i adds the entry shifted right by i, the lowest kept bit ORed
with what was shifted out (round to odd, which commutes with negation), so entries do not grow with
the weights.

This is the model alone; no generator takes it yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..alignment import align
from ..formats import FloatFormat

__all__ = ["RowScale", "step"]

Array = NDArray[np.int64]


def step(entries: Array, plane: int) -> Array:
    """Entries of a beat of plane ``plane``, counted from the top: shifted right, round to odd."""
    kept = entries >> plane
    return kept | (entries != kept << plane)


@dataclass(frozen=True)
class RowScale:
    """Widths of a row-scaled design, and what follows for the exponent of a row.

    An entry t of a row with exponent x means t * 2**(x + fmt.emin); x is 0 or more. Rows of
    codes have k activations, a whole number of tables; a non-finite one counts as 0.
    """

    fmt: FloatFormat         #: of the activations
    K: int                   #: activations of a table
    entry_bits: int          #: E: bits of an entry, two's complement
    acc_bits: int            #: W: bits of an accumulator, two's complement
    w_bits: int              #: planes of the widest weights
    zero_point: bool         #: zero-point beats may add each plane once more
    max_k: int               #: longest operation
    guard_bits: int = 2      #: bits of an activation below the unit of the entries
    scan_bits: int = 14      #: bits of an activation in the sums of a scan

    @property
    def entry_limit(self) -> int:
        """Largest magnitude of an entry."""
        return (1 << (self.entry_bits - 1)) - 1

    @property
    def acc_limit(self) -> int:
        """Largest magnitude of an accumulator."""
        return (1 << (self.acc_bits - 1)) - 1

    @property
    def reads(self) -> int:
        """Beats that read each table, for each plane: one, two with zero points."""
        return 1 + self.zero_point

    def reach(self, total: int) -> int:
        """What the planes of all tables add up to at most, rounded up, of activations whose
        magnitudes have the sum ``total``: each plane half of the one above it."""
        return self.reads * (2 * total - (total >> (self.w_bits - 1)))

    @property
    def slack(self) -> int:
        """How much more an accumulator may reach: what each table was rounded up, and a unit for
        each read that was rounded to odd."""
        tables = -(-self.max_k // self.K)
        return self.reach(tables * self.rounded_up) + self.reads * (self.w_bits - 1) * tables

    @property
    def rounded_up(self) -> int:
        """Units that rounding adds to a table's entry at most: half of one, and half of a guard
        bit's place for each activation."""
        return 1 if 1 << self.guard_bits >= self.K else 1 + (self.K >> (self.guard_bits + 1))

    # -- the exponent of a row ----------------------------------------------------------------
    def fits(self, codes: Array, exponent: Array) -> NDArray[np.bool_]:
        """Do the rows (rows, k) fit both widths at these exponents (rows,)?"""
        terms, clipped = self.terms(codes, exponent)
        magnitude = np.abs(terms).reshape(len(codes), -1, self.K)
        tables = _nearest(magnitude.sum(axis=2), self.guard_bits)
        total = tables.sum(axis=1)
        below_top = self.reads * (self.w_bits - 1) * tables.shape[1]
        most = self.reads * (2 * total - (total >> (self.w_bits - 1))) + below_top
        return np.asarray(~clipped & (tables.max(axis=1) <= self.entry_limit)
                          & (most <= self.acc_limit))

    def least_exponent(self, codes: Array) -> Array:
        """The least exponents (rows,) at which the rows fit."""
        exponent = self.scanned_exponent(codes)
        while True:
            lower = np.maximum(exponent - 1, 0)
            better = self.fits(codes, lower) & (lower < exponent)
            if not better.any():
                return exponent
            exponent = np.where(better, lower, exponent)

    def scanned_exponent(self, codes: Array) -> Array:
        """The exponents that a scan finds, beat by beat, at which the rows surely fit.

        A scan cannot know a row's unit before its end. It adds magnitudes of ``scan_bits`` bits
        below the largest exponent so far, everything rounded up, and moves its sums when a larger
        exponent comes.
        """
        rows = len(codes)
        _, field, significand = self.fmt.decode(codes)
        finite = self.fmt.is_finite(codes)
        field = np.where(finite, field, 1).reshape(rows, -1, self.K)
        word = np.where(finite, significand << (self.scan_bits - self.fmt.precision), 0)
        word = word.reshape(field.shape)
        largest = np.ones(rows, np.int64)
        total, table = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for beat in range(field.shape[1]):
            top = np.maximum(largest, field[:, beat].max(axis=1))
            total, table = (_shifted_up(x, top - largest) for x in (total, table))
            largest = top
            one = _shifted_up(word[:, beat], top[:, None] - field[:, beat]).sum(axis=1)
            total, table = total + one, np.maximum(table, one)
        # exponent of the scan's unit
        unit = largest - 1 - (self.scan_bits - self.fmt.precision)
        most = self.reads * (2 * total - (total >> (self.w_bits - 1)))
        entry = _bit_length(self._guarded(table, self.entry_bits, self.rounded_up))
        acc = _bit_length(self._guarded(most, self.acc_bits, self.slack))
        return np.maximum(unit + np.maximum(entry - (self.entry_bits - 1),
                                            acc - (self.acc_bits - 1)), 0)

    @staticmethod
    def _guarded(value: Array, bits: int, slack: int) -> Array:
        """``value`` enlarged so that below a power of two there is room for ``slack`` units of the
        word of ``bits`` bits that this power of two becomes."""
        places = ((1 << (bits - 1)) // (slack + 1) - 1).bit_length() - 1
        if places < 1:
            raise ValueError(f"{bits} bits have no room for {slack} units of rounding")
        return value + (value >> places) + 1

    # -- integers at an exponent ------------------------------------------------------------------
    @property
    def term_bits(self) -> int:
        """Magnitude bits of an activation: those of an entry, and the guard bits."""
        return self.entry_bits - 1 + self.guard_bits

    @property
    def top(self) -> int:
        """At exponent x the significands of exponent field x + top fill an activation's bits."""
        return self.term_bits - self.fmt.precision - self.guard_bits + 1

    def terms(self, codes: Array, exponent: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Activations (rows, k) in units of the last guard bit at given exponents (rows,), and
        which rows saturate: an exponent that is too small for a row makes activations saturate
        here, entries in :meth:`entries`."""
        terms, clipped = align(self.fmt, codes, exponent[:, None] + self.top, self.term_bits)
        return terms, clipped.any(axis=1)

    def entries(self, terms: Array, signs: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Entries (rows, tables, entries) of terms (rows, k), and which rows saturate.

        ``signs`` (entries, K): :func:`~.table.pattern_signs`.
        """
        exact = _nearest(terms.reshape(len(terms), -1, self.K) @ signs.T, self.guard_bits)
        entries = np.clip(exact, -self.entry_limit, self.entry_limit)
        return entries, (entries != exact).any(axis=(1, 2))


def _nearest(value: Array, places: int) -> Array:
    """Signed value / 2**places, to nearest even."""
    if not places:
        return value
    floor = value >> places
    rest, half = value - (floor << places), 1 << (places - 1)
    return floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))


def _shifted_up(value: Array, places: Array) -> Array:
    """value / 2**places, rounded up."""
    places = np.minimum(places, 62)
    return -(-value >> places)


def _bit_length(value: Array) -> Array:
    """Bits of non-negative integers below 2**62."""
    high, low = value >> 31, value & 0x7FFFFFFF
    return np.where(high > 0, 31 + np.frexp(high.astype(np.float64))[1],
                    np.frexp(low.astype(np.float64))[1]).astype(np.int64)
