"""OliVe's 4-bit outlier-victim pairs (Guo et al., ISCA 2023).

Two neighbouring weights have a byte: code 0 in its low half. In a half

- 0 .. 7 and 9 .. 15 is a two's complement integer, -7 .. 7: a normal weight;
- 8 says that this weight is a *victim*, worth 0, and that the other one is an *outlier*: sign on
  top, an exponent e of two bits and a bit m, worth (2 + m) * 2**(e + 2): 12, 16, 24, 32, 48, 64 or
  96. The code of 8 (e = m = 0) is not used.

These are the values of the authors' artefact, which has them four times as large (normal weights
up to 28, outliers 48 .. 384). Choices of ours, where the paper leaves one: of two outliers the
larger stays (the first if equal); a pair is an outlier's only where that has the lower error; a
byte of two victims is worth 0, 0; a group has the scale with the least error of 11 between half
and one and a half times (abs(mean) + 3 deviations) / 7, in FP32. The last weight of an odd channel
has no neighbour, and is a normal one.

Scales are FP32, or of two levels as BitMoD's are: 8-bit integers of the groups and an FP32 scale of
the channel. Codes are not made again after scales are rounded to two levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .groups import Weights, group_count, group_spans, row_blocks, second_level
from .parameters import ParameterError

__all__ = ["OUTLIERS", "VICTIM", "OlivePairs", "decode", "quantize", "quantize_groups"]

Array = NDArray[Any]

VICTIM = 8
#: magnitudes of outliers by their low three bits; the first is not used
OUTLIERS = np.array([(2 + m) << (e + 2) for e in range(4) for m in range(2)])
#: scales tried, over that of three deviations
_FACTORS = np.linspace(0.5, 1.5, 11)


def decode(codes: Array) -> Array:
    """Values (..., k), int64, of codes (..., k): those of neighbours belong together, and the last
    of an odd number has none."""
    codes = np.asarray(codes, np.int64)
    if codes.shape[-1] % 2:
        return decode(_paired(codes))[..., :-1]
    other = codes.reshape(*codes.shape[:-1], -1, 2)[..., ::-1].reshape(codes.shape)
    outlier = np.where(codes & 8, -OUTLIERS[codes & 7], OUTLIERS[codes & 7])
    value = np.where(other == VICTIM, outlier, codes - ((codes & 8) << 1))
    return np.where(codes == VICTIM, 0, value)


def _paired(values: Array) -> Array:
    """(..., k) with a zero behind an odd k."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, values.shape[-1] % 2)])


def _encode(weights: Array) -> Array:
    """Codes of the nearest pairs of values (n, k) in units of the scale."""
    x = _paired(weights).reshape(len(weights), -1, 2)
    normal = np.clip(np.rint(x), -7, 7)
    magnitude = np.abs(x)
    middles = (OUTLIERS[1:-1] + OUTLIERS[2:]) / 2
    index = 1 + (magnitude[..., None] > middles).sum(axis=-1)
    outlier = np.where(x < 0, -OUTLIERS[index], OUTLIERS[index])
    first = magnitude[..., 0] >= magnitude[..., 1]
    keep = np.stack([first, ~first], axis=-1)
    as_normal = ((x - normal) ** 2).sum(axis=-1)
    as_outlier = np.where(keep, (x - outlier) ** 2, x**2).sum(axis=-1)
    wins = (as_outlier < as_normal)[..., None]
    if weights.shape[1] % 2:
        wins[:, -1] = False
    codes = np.where(keep, index | np.where(x < 0, 8, 0), VICTIM)
    found = np.where(wins, codes, normal.astype(np.int64) & 15).astype(np.uint8)
    return found.reshape(len(weights), -1)[:, :weights.shape[1]]


def quantize_groups(weights: Array) -> tuple[Array, Array]:
    """Codes uint8 (n, G) and scales float64 (n,) of groups (n, G) of finite weights."""
    weights = np.asarray(weights, np.float64)
    spread = np.abs(weights.mean(axis=1)) + 3 * weights.std(axis=1)
    best = np.full(len(weights), np.inf)
    codes = np.zeros(weights.shape, np.uint8)
    scales = np.zeros(len(weights))
    for factor in _FACTORS:
        scale = (spread * factor / 7).astype(np.float32).astype(np.float64)
        step = np.where(scale > 0, scale, 1.0)[:, None]
        tried = _encode(weights / step)
        error = ((decode(tried) * step - weights) ** 2).sum(axis=1)
        better = error < best
        codes[better], scales[better], best[better] = tried[better], scale[better], error[better]
    return codes, scales


@dataclass(frozen=True)
class OlivePairs:
    """Weights of n channels of k inputs in pairs."""

    codes: Array                    #: uint8 (n, k)
    scale: Array                    #: float32 (n, groups), or uint8 scale codes of two levels
    group_size: int                 #: even
    channel_scale: Array | None = None      #: float32 (n,) of two levels

    def group_scales(self, rows: slice = slice(None)) -> Array:
        """Scales, float64 (n, groups), exactly."""
        scales = self.scale[rows].astype(np.float64)
        if self.channel_scale is not None:
            scales = scales * self.channel_scale[rows, None]
        return scales

    def integer_values2x(self) -> Array:
        """Weights in halves of their scales, int64 (n, k)."""
        return 2 * decode(self.codes)

    def dequantize(self, rows: slice = slice(None)) -> Array:
        """The weights of some channels, float64 (n, k), exactly."""
        group = np.arange(self.codes.shape[1]) // self.group_size
        return np.asarray(decode(self.codes[rows]) * self.group_scales(rows)[:, group])

    @property
    def stored_bits(self) -> int:
        """Bits of codes and scales."""
        channels = 0 if self.channel_scale is None else self.channel_scale.size
        return 4 * self.codes.size + 8 * self.scale.nbytes + 32 * channels


def quantize(weights: Weights, group_size: int = 128,
             progress: Callable[[int, int], None] | None = None, *,
             two_levels: bool = False) -> OlivePairs:
    """Weights (n, k) in pairs, groups of an even ``group_size`` along k; a few rows at a time.
    Scales are FP32, or of two levels.

    :class:`ParameterError` for an odd size and for weights that are not finite in float32.
    """
    if group_size < 2 or group_size % 2:
        raise ParameterError(f"--group-size must be even, 2 or more, for pairs; got {group_size}")
    n, k = weights.shape
    codes = np.empty((n, k), np.uint8)
    scale = np.empty((n, group_count(k, group_size)), np.float32)
    for rows in row_blocks((n, k)):
        with np.errstate(over="ignore"):
            block = np.asarray(weights[rows]).astype(np.float32).astype(np.float64)
        if not np.isfinite(block).all():
            raise ParameterError("weights must be finite in float32; the tensor has NaN, infinite "
                                 "or larger values")
        for columns, groups, size in group_spans(k, group_size):
            part = block[:, columns].reshape(-1, size)
            q, s = quantize_groups(part)
            codes[rows, columns] = q.reshape(len(block), -1)
            scale[rows, groups] = s.reshape(len(block), -1)
        if progress is not None:
            progress(rows.stop, n)
    if not two_levels:
        return OlivePairs(codes, scale, group_size)
    scale_codes, channel_scale = second_level(scale.astype(np.float64))
    return OlivePairs(codes, scale_codes, group_size, channel_scale)
