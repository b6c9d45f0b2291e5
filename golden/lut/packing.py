"""Bit order of weights, activations and words: the one authority on it.

**Codes.** A weight is an unsigned b-bit code q with r = s(q - z). The core works on the
reinterpreted weight q' = 2q - (2**b - 1), which is odd and symmetric about 0, so that each bit of
q is a plane of signs: q' = sum of 2**i * (2*bit_i(q) - 1) (LUT Tensor Core, section 3.1.2;
docs/numerics.md, section 2).

**Patterns.** A table covers K neighbouring activations. Bit j of a plane's K-bit *pattern*
belongs to activation j of the table: 1 adds it, 0 subtracts it.

Radix 3: a weight is one trit, -1, 0 or +1, the codes 0, 1 and 2 of q - 1. A pattern is K digits
``ternary`` of :mod:`lowbit.golden.digits`, two bits each, that of activation 0 lowest. There is one
plane, plane 0, and there are no zero points.

**Steps.** A reduction of k activations is cut into quantisation groups (or is one group), each
padded at its end with zero activations to a multiple of ``K * groups``. One *step* is
``K * groups`` activations: the ``groups`` tables that a core reads at the same time.

**Beats.** One beat is what a core takes in one cycle: a plane number and one pattern for each of
``groups`` tables and N columns. Steps come in ascending order; in a step the planes come in
ascending order, then the zero-point term. That term, -z' * sum(a), is itself a sum of planes,
z' = sum of 2**i * (2*bit_i(z) - 1), of the table entry for the all-ones pattern: beat i adds it
where bit i of z is 0 and subtracts it where the bit is 1. It takes b beats a step, or one (plane
0, subtract) in groups where all columns have z = 2**(b-1), that is z' = 1.

With P parallel planes a beat has P planes, ascending, of P patterns each, and there are b / P beats
in place of b. Codes of other widths are padded first (:func:`padded`). A lone zero-point beat then
adds in planes 0 .. P - 2 and subtracts in plane P - 1, which is -1 again.

**Words.** Element 0 of a packed vector sits in the least significant bits. A weight word holds,
for column n and table g, a K-bit field at bit ``(n * groups + g) * K``: the table index in the
low K - 1 bits and the sign on top, or the raw pattern for a core that folds in hardware or has a
full table. Radix 3: the raw pattern, of 2 K bits; or packed trits (:meth:`Beats.packed`). With
parallel planes the fields of column n are those of its planes, of each its tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits
from ..digits import FORMATS
from ..grouped import check_codes
from ..groups import group_count, group_spans
from ..parameters import ParameterError
from ..trit_codes import TritCode
from .reads import pattern_digits

__all__ = ["Beats", "check_trits", "check_zero", "fold", "padded", "plane_bits", "reinterpret",
           "split_steps", "step_groups", "unfold", "weight_beats", "zero_beats"]

Array = NDArray[Any]


# -- codes ------------------------------------------------------------------------------------
def check_zero(zero: Array, bits: int, columns: int, groups: int) -> Array:
    """Zero points as uint8 (columns, groups), from (columns,) or (columns, groups) integers."""
    zero = np.asarray(zero)
    if zero.dtype.kind not in "iu" or zero.shape not in ((columns,), (columns, groups)):
        raise ParameterError(f"zero points must be integers of shape ({columns},) or "
                             f"({columns}, {groups}); got {zero.dtype} of shape {zero.shape}")
    if int(zero.min()) < 0 or int(zero.max()) >= 1 << bits:
        worst = int(zero.min()) if int(zero.min()) < 0 else int(zero.max())
        raise ParameterError(f"zero points must be 0..{(1 << bits) - 1} for {bits} bits; "
                             f"got {worst}")
    zero = zero.astype(np.uint8, copy=False)
    return np.broadcast_to(zero if zero.ndim == 2 else zero[:, None], (columns, groups))


def check_trits(codes: Array) -> Array:
    """Codes of trits as uint8 (cols, k); :class:`ParameterError` for another shape, or another
    code than 0, 1, 2."""
    codes = check_codes(codes, 2)
    if codes.max() > 2:
        raise ParameterError("ternary weights must have codes 0, 1, 2 (-1, 0, +1); got "
                             f"{codes.max()}")
    return codes


def reinterpret(codes: Array, bits: int, scale: Array | None = None,
                zero: Array | None = None) -> tuple[Array, Array | None, Array | None]:
    """(q', s', z') of codes q, scale s and zero point z: r = s(q - z) = s'(q' - z').

    q' and z' are int16, s' keeps the type of ``scale``; a part that is not given comes back None.
    """
    top = (1 << bits) - 1
    odd = 2 * np.asarray(codes).astype(np.int16) - np.int16(top)
    half = None if scale is None else np.asarray(scale) / np.asarray(scale).dtype.type(2)
    offset = None if zero is None else 2 * np.asarray(zero).astype(np.int16) - np.int16(top)
    # 2z + 1 - 2**b is the same map as 2q - (2**b - 1)
    return odd, half, offset


def padded(codes: Array, bits: int, planes: int, *, unsigned: bool = False) -> tuple[Array, int]:
    """Codes (or zero points) of a multiple of ``planes`` bits that stand for the same weights, and
    that number of bits.

    q' stays the same, and so does q - 2**(b-1): planes on top of it add up to nothing. ``unsigned``
    keeps q itself.
    """
    wide = -(-bits // planes) * planes
    more = 0 if unsigned else (1 << wide >> 1) - (1 << bits >> 1)
    return (np.asarray(codes) + more).astype(np.uint8), wide


def plane_bits(codes: Array, bits: int) -> Array:
    """Bit-planes of codes: uint8 0/1, one leading axis of ``bits`` planes, plane 0 first."""
    codes = np.asarray(codes, np.uint8)
    shifts = np.arange(bits, dtype=np.uint8).reshape((bits,) + (1,) * codes.ndim)
    return codes >> shifts & np.uint8(1)


def fold(patterns: Array, K: int) -> tuple[Array, Array]:
    """(sign, index) of K-bit patterns for a half table whose entries have the top bit set.

    sign = NOT the top bit; index = the low K - 1 bits, inverted where the sign is 1. The pattern's
    value is -T[index] where the sign is 1, else T[index]. Both uint8, shaped as ``patterns``.
    """
    patterns = np.asarray(patterns, np.uint8)
    sign = patterns >> np.uint8(K - 1) ^ np.uint8(1)
    low = np.uint8((1 << (K - 1)) - 1)
    return sign, (patterns ^ sign * low) & low


def unfold(sign: Array, index: Array, K: int) -> Array:
    """Patterns that :func:`fold` maps to (sign, index)."""
    sign, index = np.asarray(sign, np.uint8), np.asarray(index, np.uint8)
    full = np.uint8((1 << K) - 1)
    return (index | np.uint8(1 << (K - 1))) ^ sign * full


# -- steps ------------------------------------------------------------------------------------
def split_steps(x: Array, K: int, groups: int = 1, group_size: int | None = None, *,
                fill: int = 0) -> Array:
    """Cut (rows, k) activations or codes into (rows, steps, groups, K), padded with ``fill``.

    Every quantisation group starts a new step, so a table never straddles two groups.
    """
    x = np.asarray(x)
    rows, step, parts = x.shape[0], K * groups, []
    for columns, _, size in group_spans(x.shape[1], group_size):
        part = x[:, columns].reshape(rows, -1, size)
        padding = -size % step
        if padding:
            part = np.pad(part, ((0, 0), (0, 0), (0, padding)), constant_values=fill)
        parts.append(part.reshape(rows, -1, groups, K))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def step_groups(k: int, K: int, groups: int = 1, group_size: int | None = None) -> Array:
    """The quantisation group of each step: int64 (steps,)."""
    counts = [-(-size // (K * groups)) for _, span, size in group_spans(k, group_size)
              for _ in range(span.start, span.stop)]
    return np.repeat(np.arange(len(counts)), counts)


# -- beats ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Beats:
    """The weight stream of one tile: T beats for N columns."""

    K: int               #: activations of a table
    plane: Array         #: uint8 (T,): the beat counts 2**plane (its lowest plane)
    patterns: Array      #: uint8 (T, planes * groups, N): raw patterns, those of a plane together
    step: Array          #: int64 (T,): the step, that is the set of tables, that the beat reads
    first: Array         #: bool (T,): starts a reduction
    last: Array          #: bool (T,): ends a reduction, the result is complete
    group_last: Array    #: bool (T,): last beat of its step, the next beat needs new tables
    radix: int = 2       #: of the weights
    planes: int = 1      #: planes of a beat

    def __len__(self) -> int:
        return len(self.plane)

    @property
    def top_plane(self) -> int:
        """Plane of the weights' highest bit, or the lowest plane of the beat that has it."""
        return int(self.plane.max())

    @property
    def bits(self) -> int:
        """Planes of the weights."""
        return self.top_plane + self.planes

    def fields(self, *, raw: bool = False) -> Array:
        """Fields in port order: uint8 (T, N * planes * groups), table 0 of column 0 first.

        Index with the sign on top, or the pattern as it is with ``raw`` and of radix 3.
        """
        field = self.patterns
        if not raw and self.radix == 2:
            sign, index = fold(field, self.K)
            field = index | sign << np.uint8(self.K - 1)
        return field.transpose(0, 2, 1).reshape(len(self), -1)

    def packed(self, code: TritCode) -> Array:
        """Words of packed trits, radix 3: uint8 (T, bytes). Trits go column by column, in each
        table by table, and zeros fill the last word.

        ``sherry``: four zeros can only be padding, beside activations of 0 or in a column that is
        not used; they are packed as zero, plus, plus, plus.
        """
        digits = pattern_digits(self.K, self.radix)[self.patterns]      # (T, groups, N, K)
        flat = digits.swapaxes(1, 2).reshape(len(self), -1)
        flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % code.trits)))
        words = flat.reshape(len(self), -1, code.trits)
        if code.name == "sherry":
            words = np.where(words.any(-1, keepdims=True), words, [0, 1, 1, 1])
        return pack_bits(code.encode(words), code.bits)

    def words(self, *, raw: bool = False) -> Array:
        """Weight words: uint8 (T, bytes), least significant byte first."""
        bits = self.K if self.radix == 2 else self.K * FORMATS["ternary"].port_bits
        return pack_bits(self.fields(raw=raw), bits)


def zero_beats(zero: Array, bits: int, planes: int = 1) -> Array:
    """Zero-point beats a step needs in each quantisation group: int64 (quantisation groups,).

    ``zero``: (columns, quantisation groups). One beat where every column is two's complement
    (z = 2**(bits-1)), else as many as its ``bits`` take, ``planes`` a beat.
    """
    plain = (np.asarray(zero) == 1 << (bits - 1)).all(axis=0)
    return np.where(plain, 1, bits // planes)


def weight_beats(codes: Array, bits: int, K: int, groups: int = 1, zero: Array | None = None, *,
                 group_size: int | None = None, per_group: bool = False,
                 counts: Array | None = None, radix: int = 2, planes: int = 1) -> Beats:
    """The weight stream for one tile of columns.

    ``codes``: integers (N, k) below 2**bits. ``zero``: None where there is no zero-point term
    (z' = 0), or (N,) or (N, quantisation groups). ``per_group``: every quantisation group is a
    reduction of its own (first and last at its ends), as dequantisation needs it; otherwise
    the k activations are one reduction. ``counts``: :func:`zero_beats` of more columns than these,
    so that several tiles keep in step. ``radix`` 3: codes of trits 0, 1, 2, without ``bits`` and
    ``zero``. ``planes`` a beat divide ``bits`` (:func:`padded`). Raises :class:`ParameterError` for
    bad codes or zero points.
    """
    codes = check_codes(codes, bits) if radix == 2 else check_trits(codes)
    bits = bits if radix == 2 else 1
    if bits % planes:
        raise ValueError(f"bits must be a multiple of the planes of a beat, {planes}; got {bits}")
    full = bits // planes               # beats of all planes
    columns, k = codes.shape
    of_step = step_groups(k, K, groups, group_size)
    steps, quant_groups = len(of_step), group_count(k, group_size)
    terms = np.zeros(steps, np.int64)
    if zero is not None:
        zero = check_zero(zero, bits, columns, quant_groups)
        needed = zero_beats(zero, bits, planes)
        counts = needed if counts is None else np.asarray(counts)
        if counts.shape != needed.shape or not np.isin(counts, (1, full)).all() or \
                (counts < needed).any():
            raise ValueError(f"counts must be zero_beats() of these columns and others; "
                             f"got {counts.tolist()} where {needed.tolist()} are needed")
        terms = counts[of_step]
    start = np.concatenate(([0], np.cumsum(full + terms)))
    step = np.repeat(np.arange(steps), full + terms)
    within = np.arange(start[-1]) - start[step]
    plane = (planes * np.where(within < full, within, within - full)).astype(np.uint8)

    patterns = np.zeros((start[-1], planes, groups, columns), np.uint8)
    parts = split_steps(codes, K, groups, group_size, fill=radix - 2)   # (N, steps, groups, K)
    for i in range(bits):
        pattern = _patterns(parts, i) if radix == 2 else _trit_patterns(parts)
        patterns[start[:-1] + i // planes, i % planes] = pattern.transpose(1, 2, 0)
    if zero is not None:
        beat = np.flatnonzero(within >= full)
        # adding the all-ones entry is the pattern of ones, subtracting it the pattern of zeros;
        # fewer beats than for all planes: a lone one for z' = 1, which subtracts
        z = zero[:, of_step[step[beat]]].T                     # (zero beats, N)
        for i in range(planes):
            adds = np.where(terms[step[beat], None] == full, z >> plane[beat, None] + i & 1 == 0,
                            i < planes - 1)
            patterns[beat, i] = np.where(adds, np.uint8((1 << K) - 1), np.uint8(0))[:, None, :]

    group_last = np.zeros(start[-1], bool)
    group_last[start[1:] - 1] = True
    edge = np.diff(of_step, prepend=-1) != 0 if per_group else np.arange(steps) == 0
    first, last = np.zeros(start[-1], bool), np.zeros(start[-1], bool)
    first[start[:-1][edge]] = True
    last[start[1:][np.append(edge[1:], True)] - 1] = True
    return Beats(K, plane, patterns.reshape(start[-1], -1, columns), step, first, last, group_last,
                 radix, planes)


def _patterns(parts: Array, plane: int) -> Array:
    """Patterns (...) of a bit of codes (..., K)."""
    return np.packbits(parts >> np.uint8(plane) & np.uint8(1), axis=-1, bitorder="little")[..., 0]


def _trit_patterns(parts: Array) -> Array:
    """Patterns (...) of codes of trits (..., K)."""
    form = FORMATS["ternary"]
    places = form.port_bits * np.arange(parts.shape[-1])
    return np.asarray((form.pack(parts.astype(np.int64) - 1) << places).sum(-1).astype(np.uint8))
