"""Row-scaled entries: floating activations as integers at an exponent that fits a row's own sums.

The exponent of a row is the least at which every table entry fits the entry width E and whatever
its planes add up to the accumulator width W (docs/numerics.md, section 4). An entry is rounded
once, to nearest even, from activations with a few bits more: to round each activation would double
the error of K = 4. Planes count from the top: a beat of plane i adds the entry shifted right by i,
the lowest kept bit ORed with what was shifted out (round to odd, which commutes with negation), so
entries do not grow with the weights. A beat of several planes adds 2**p times the entry for its
plane p, exactly; i then counts from the lowest plane of the top beat, and sums are in units of that
plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..alignment import align
from ..formats import FloatFormat

__all__ = ["EntryScale", "RowScale", "step"]

Array = NDArray[np.int64]


def step(entries: Array, plane: int) -> Array:
    """Entries of a beat of plane ``plane``, counted from the top: shifted right, round to odd."""
    kept = entries >> plane
    return kept | (entries != kept << plane)


@dataclass(frozen=True, kw_only=True)
class EntryScale:
    """Activations and table entries at the exponent of their row.

    An entry t of a row with exponent x means t * 2**(x + emin); x is 0 or more. Rows of
    codes have k activations, a whole number of tables; a non-finite one counts as 0.
    """

    fmt: FloatFormat         #: of the activations
    K: int                   #: activations of a table
    entry_bits: int          #: E: bits of an entry, two's complement
    guard_bits: int = 2      #: bits of an activation below the unit of the entries

    @property
    def extra(self) -> int:
        """Places of the unit at exponent 0 below the format's smallest subnormal."""
        return 0

    @property
    def emin(self) -> int:
        """Exponent of the unit of entries at exponent 0."""
        return self.fmt.emin - self.extra

    @property
    def entry_limit(self) -> int:
        """Largest magnitude of an entry."""
        return (1 << (self.entry_bits - 1)) - 1

    @property
    def term_bits(self) -> int:
        """Magnitude bits of an activation: those of an entry, and the guard bits."""
        return self.entry_bits - 1 + self.guard_bits

    @property
    def top(self) -> int:
        """At exponent x the significands of exponent field x + top fill an activation's bits."""
        return self.term_bits - self.fmt.precision - self.guard_bits + 1 - self.extra

    @property
    def largest_table(self) -> int:
        """The sum of K largest activations, in units of the format's smallest subnormal."""
        return self.K * ((1 << self.fmt.precision) - 1 << self.fmt.max_exponent_field - 1)

    @property
    def max_exponent(self) -> int:
        """The exponent at which any table fits, roundings included."""
        return max(self.largest_table.bit_length() - (self.entry_bits - 1) + 1, 1)

    def fits(self, codes: Array, exponent: Array) -> NDArray[np.bool_]:
        """Do the entries of rows (rows, k) fit at these exponents (rows,)?"""
        tables, clipped = self._largest_entries(codes, exponent)
        return np.asarray(~clipped & (tables.max(axis=1) <= self.entry_limit))

    def least_exponent(self, codes: Array) -> Array:
        """The least exponents (rows,) at which the rows fit."""
        exponent = self._upper_exponent(codes)
        while True:
            lower = np.maximum(exponent - 1, 0)
            better = self.fits(codes, lower) & (lower < exponent)
            if not better.any():
                return exponent
            exponent = np.where(better, lower, exponent)

    def _upper_exponent(self, codes: Array) -> Array:
        """Exponents (rows,) at which the rows fit."""
        return np.full(len(codes), self.max_exponent)

    def _largest_entries(self, codes: Array, exponent: Array) -> tuple[Array, NDArray[np.bool_]]:
        """The largest entry of each table (rows, tables), and the rows that saturate before."""
        terms, clipped = self.terms(codes, exponent)
        magnitude = np.abs(terms).reshape(len(codes), -1, self.K)
        return _nearest(magnitude.sum(axis=2), self.guard_bits), np.asarray(clipped.any(axis=1))

    def terms(self, codes: Array, exponent: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Activations (rows, k) in units of the last guard bit at given exponents (rows,), and
        which of them saturate: an exponent that is too small for a row makes activations saturate
        here, entries in :meth:`entries`."""
        terms, clipped = align(self.fmt, codes, exponent[:, None] + self.top, self.term_bits)
        return terms, clipped

    def entries(self, terms: Array, signs: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Entries (rows, tables, entries) of terms (rows, k), and which tables (rows, tables)
        have one that saturates.

        ``signs`` (entries, K): :func:`~.table.pattern_signs`.
        """
        exact = _nearest(terms.reshape(len(terms), -1, self.K) @ signs.T, self.guard_bits)
        entries = np.clip(exact, -self.entry_limit, self.entry_limit)
        return entries, (entries != exact).any(axis=2)


@dataclass(frozen=True, kw_only=True)
class RowScale(EntryScale):
    """Entries and their sums: how the exponent of a row follows from the widths of a design."""

    acc_bits: int            #: W: bits of an accumulator, two's complement
    w_bits: int              #: planes of the widest weights
    zero_point: bool         #: zero-point beats may add each plane once more
    max_k: int               #: longest accumulation
    groups: int = 1          #: tables of a beat of the scan
    planes: int = 1          #: planes of a beat
    scan_bits: int = 14      #: bits of an activation in the sums of a scan

    @property
    def steps(self) -> int:
        """Places that entries step down, at most: those of the planes below the top beat's."""
        return self.w_bits - self.planes

    @property
    def step_errors(self) -> int:
        """Units that rounding to odd adds to the sum of a table's beats, of one sign, at most."""
        return self.steps // self.planes * ((1 << self.planes) - 1)

    @property
    def extra(self) -> int:
        """Room for the planes below the top beat's, as far as :attr:`top` stays positive."""
        return min(self.steps, self.entry_bits - self.fmt.precision - 1)

    @property
    def acc_limit(self) -> int:
        """Largest magnitude of an accumulator."""
        return (1 << (self.acc_bits - 1)) - 1

    @property
    def reads(self) -> int:
        """Beats that read each table, for each plane: one, two with zero points."""
        return 1 + self.zero_point

    def reach(self, total: Any) -> Any:
        """What the planes of all tables add up to at most, rounded up, of activations whose
        magnitudes have the sum ``total``: each plane half of the one above it."""
        return ((total << self.planes) - (total >> self.steps)) << int(self.zero_point)

    @property
    def tables(self) -> int:
        """Tables of the longest accumulation."""
        return -(-self.max_k // (self.K * self.groups)) * self.groups

    @property
    def rounded_up(self) -> int:
        """Units that rounding adds to a table's entry at most: half of one, and half of a guard
        bit's place for each activation."""
        return 1 if 1 << self.guard_bits >= self.K else 1 + (self.K >> (self.guard_bits + 1))

    @property
    def slack(self) -> int:
        """How much more an accumulator may reach: what each table was rounded up, and a unit for
        each read that was rounded to odd."""
        return self.reach(self.tables * self.rounded_up) \
            + self.reads * self.step_errors * self.tables

    # a sum of a scan below a power of two keeps room for roundings: it is enlarged by its part
    # 2**-room, and by one
    @property
    def entry_room(self) -> int:
        return _room(self.entry_bits, self.rounded_up)

    @property
    def acc_room(self) -> int:
        """0 or less: the accumulator has no room for the roundings of the longest sum."""
        return _room(self.acc_bits, self.slack)

    @property
    def scan_unit(self) -> int:
        """A scan whose largest exponent field is f has the unit of exponent f - scan_unit."""
        return 1 + self.scan_bits - self.fmt.precision - self.extra

    @property
    def max_exponent(self) -> int:
        """The largest exponent that a scan can find."""
        table = self.K << self.scan_bits
        unit = self.fmt.max_exponent_field - self.scan_unit
        found = [unit + _enlarged(total, room).bit_length() - (bits - 1) for total, room, bits in (
            (table, self.entry_room, self.entry_bits),
            (self.reach(self.tables * table), self.acc_room, self.acc_bits))]
        return max(*found, 1)

    @property
    def total_limit(self) -> int:
        """Sum of the largest entries of all tables that no weights bring out of an accumulator."""
        room = self.acc_limit - self.reads * self.step_errors * self.tables
        low, high = 0, max(room, 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.reach(middle) <= room else (low, middle)
        return low

    def fits(self, codes: Array, exponent: Array) -> NDArray[np.bool_]:
        """Do the rows (rows, k) fit both widths at these exponents (rows,)?"""
        tables, clipped = self._largest_entries(codes, exponent)
        return np.asarray(~clipped & (tables.max(axis=1) <= self.entry_limit)
                          & (tables.sum(axis=1) <= self.total_limit))

    def overflows(self, terms: Array) -> NDArray[np.bool_]:
        """Are the sums beyond the accumulator's reach for some weights (rows, tables), the tables
        before included?"""
        magnitude = np.abs(terms).reshape(len(terms), -1, self.K).sum(axis=2)
        largest = _nearest(magnitude, self.guard_bits)
        return np.asarray(np.cumsum(largest, axis=1) > self.total_limit)

    def _upper_exponent(self, codes: Array) -> Array:
        return self.scanned_exponent(codes)

    def scanned_exponent(self, codes: Array) -> Array:
        """The exponents (rows,) that a scan finds, beat by beat, at which the rows surely fit.

        A scan cannot know a row's unit before its end. It adds magnitudes of ``scan_bits`` bits
        below the largest exponent so far, everything rounded up, and moves its sums when a larger
        exponent comes.
        """
        rows = len(codes)
        _, field, significand = self.fmt.decode(codes)
        finite = self.fmt.is_finite(codes)
        field = np.where(finite, field, 1).reshape(rows, -1, self.groups, self.K)
        word = np.where(finite, significand << (self.scan_bits - self.fmt.precision), 0)
        word = word.reshape(field.shape)
        largest = np.ones(rows, np.int64)
        total, table = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        for beat in range(field.shape[1]):
            top = np.maximum(largest, field[:, beat].max(axis=(1, 2)))
            total, table = (_shifted_up(x, top - largest) for x in (total, table))
            largest = top
            below = top[:, None, None] - field[:, beat]
            ones = _shifted_up(word[:, beat], below).sum(axis=2)
            total, table = total + ones.sum(axis=1), np.maximum(table, ones.max(axis=1))
        unit = largest - self.scan_unit
        most = self.reach(total)
        entry = _bit_length(_enlarged(table, self.entry_room))
        acc = _bit_length(_enlarged(most, self.acc_room))
        return np.maximum(unit + np.maximum(entry - (self.entry_bits - 1),
                                            acc - (self.acc_bits - 1)), 0)


def _room(bits: int, slack: int) -> int:
    """Places of :func:`_enlarged` that leave room for ``slack`` units of the word of ``bits``
    bits that a power of two becomes."""
    return ((1 << (bits - 1)) // (slack + 1) - 1).bit_length() - 1


def _enlarged(value: Any, room: int) -> Any:
    return value + (value >> room) + 1


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
