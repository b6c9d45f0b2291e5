"""Weights of the LUT engine in memory.

Patterns: for each group, step and plane (the lowest first) a word; scales and offsets: for each
group ``drain`` words. Within a block of columns, physical column c * drain + t of the core holds
column t * chains + c of the matrix: so the results that leave together are neighbours in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits
from ..formats import ScaleFormat
from ..group_scale import Codes, exact_codes
from ..grouped import GroupedWeights
from ..lut.packing import fold
from ..parameters import ParameterError
from .layout import Matrix, Packed, filled, plan

if TYPE_CHECKING:
    from .parameters import AccelParameters

__all__ = ["codes_of", "pack"]

Array = NDArray[Any]


def codes_of(weights: GroupedWeights) -> tuple[Codes, bool]:
    """What weights' codes stand for, and whether they have offsets.

    :class:`ParameterError` for codes of a floating type and groups that are not neighbours.
    """
    if weights.levels is not None or weights.order is not None:
        raise ParameterError("weights must be integer codes in groups that are neighbours")
    if weights.zero is not None and (weights.zero == 1 << weights.bits - 1).all():
        return Codes.SIGNED, False
    return (Codes.ODD, False) if weights.symmetric else (Codes.UNSIGNED, True)


def pack(p: AccelParameters, weights: GroupedWeights, slot_words: int | None = None) -> Packed:
    """Lay weights out; ``slot_words`` as of :func:`plan`. :class:`ParameterError` for weights that
    the design has no form for."""
    n, k = weights.codes.shape
    codes, has_offsets = codes_of(weights)
    matrix = plan(p, n, k, weights.bits, weights.group_size, codes, has_offsets, slot_words)
    parts = (weights.group_size or k) // matrix.group_size
    values = {"scales": _codes_in(weights.scale, p.core.scale_format, "scales")}
    if has_offsets:
        offset = weights.minimum
        if weights.zero is not None:
            offset = -weights.scale * weights.zero.astype(np.float32)
        assert offset is not None and p.core.offset_format is not None
        values["offsets"] = _codes_in(offset, p.core.offset_format, "offsets")
    values = {name: np.repeat(value, parts, axis=1) for name, value in values.items()}
    return _Packer(p, weights.codes, matrix, values).packed()


def _codes_in(values: Array, fmt: ScaleFormat, what: str) -> Array:
    codes, bad = exact_codes(fmt, values)
    if bad.any() or not np.isfinite(values).all():
        raise ParameterError(f"{what} must be finite {fmt.name} numbers; others need a design "
                             "with --group-scale fp32")
    return codes


class _Packer:
    def __init__(self, p: AccelParameters, q: Array, matrix: Matrix,
                 values: dict[str, Array]) -> None:
        self.p, self.q, self.matrix, self.values = p, q, matrix, values

    def packed(self) -> Packed:
        return filled(self.p, self.matrix, self._parts)

    def _parts(self, columns: slice) -> dict[str, Array]:
        core = self.p.core
        data = {"patterns": self._patterns(self.q[columns])}        # (groups, words, bytes)
        for name, fmt in (("scales", core.scale_format), ("offsets", core.offset_format)):
            if name in self.values and fmt is not None:
                data[name] = self._values(self.values[name][columns], fmt)
        return data

    def _physical(self, values: Array) -> Array:
        """Values of columns (columns, ...) in the order of the core, padded to N."""
        p = self.p
        padded = np.zeros((p.N, *values.shape[1:]), values.dtype)
        padded[:len(values)] = values
        return padded.reshape(p.drain, p.chains, -1).swapaxes(0, 1).reshape(padded.shape)

    def _patterns(self, codes: Array) -> Array:
        """Pattern words uint8 (groups, steps * planes, bytes) of a block of columns."""
        p, bits = self.p, self.matrix.planes
        q = self._physical(codes)                                   # (N, k)
        steps = q.shape[1] // p.per_beat
        of_table = np.ascontiguousarray(
            q.reshape(p.N, steps, p.groups, p.K).transpose(3, 1, 0, 2))     # columns innermost
        pattern = np.zeros((steps, bits, p.N, p.groups), np.uint8)
        for plane in range(bits):
            for i, activation in enumerate(of_table):
                pattern[:, plane] |= (activation >> np.uint8(plane) & np.uint8(1)) << np.uint8(i)
        sign, index = fold(pattern, p.K)
        field = index | sign << np.uint8(p.K - 1)                   # (steps, planes, N, groups)
        words = pack_bits(field.reshape(steps * bits, -1), p.K)
        return words.reshape(self.matrix.groups, -1, words.shape[-1])

    def _values(self, values: Array, fmt: ScaleFormat) -> Array:
        """Words uint8 (groups, drain, bytes) of codes (columns, groups)."""
        p = self.p
        of_groups = self._physical(values).T                        # (groups, N)
        beats = of_groups.reshape(-1, p.chains, p.drain).swapaxes(1, 2)
        return pack_bits(beats, fmt.bits)
