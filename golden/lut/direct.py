"""Golden model of the direct core: sums of activations times weights, exactly.

The weight stream of the direct core has no planes: a beat is a step. Everything behind the sums
(:mod:`.core`) is that of the LUT core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits
from ..digits import FORMATS
from .direct_parameters import DirectFrame
from .packing import Beats, split_steps, step_groups

__all__ = ["DirectBeats", "direct_beats"]

Array = NDArray[Any]


@dataclass(frozen=True)
class DirectBeats(Beats):
    """The weight stream of one tile; ``patterns``: the weights, int64 (T, weights a beat, N)
    integers in the unit of their format."""

    w_format: str = "int4"
    #: bits of two's complement at the port; 0: port codes of digits
    plain_bits: int = 0

    def fields(self, *, raw: bool = False) -> Array:
        """Port codes in port order: (T, N * weights a beat), those of column 0 first."""
        form, weights = FORMATS[self.w_format], self.patterns
        if 0 not in form.values:    # a place without a weight has one, which meets no activation
            weights = np.where(weights == 0, form.values[form.codes[0]], weights)
        codes = weights if self.plain_bits else form.pack(weights)
        return codes.transpose(0, 2, 1).reshape(len(self), -1)

    def words(self, *, raw: bool = False) -> Array:
        return pack_bits(self.fields(), self.plain_bits or FORMATS[self.w_format].port_bits)

    def sums(self, p: DirectFrame, entries: Array) -> Array:
        """Sums over all beats of entries (rows, activations, 1) times weights: (rows, columns), in
        units of 2**sum_unit."""
        terms = entries[:, :, 0].reshape(len(entries), -1, p.groups)[:, self.step]
        weights = self.patterns.reshape(-1, self.patterns.shape[2])
        return np.asarray(terms.reshape(len(terms), -1) @ weights)


def direct_beats(weights: Array, p: DirectFrame, group_size: int | None = None,
                 per_group: bool = False) -> DirectBeats:
    """The weight stream for columns of ``weights``: integers (N, k) in the unit of the format."""
    of_step = step_groups(weights.shape[1], 1, p.groups, group_size)
    parts = split_steps(weights, 1, p.groups, group_size)[..., 0]       # (N, steps, groups)
    count = len(of_step)
    edge = np.diff(of_step, prepend=-1) != 0 if per_group else np.arange(count) == 0
    return DirectBeats(1, np.zeros(count, np.uint8), parts.transpose(1, 2, 0).astype(np.int64),
                       np.arange(count), edge, np.append(edge[1:], True), np.ones(count, bool),
                       w_format=p.w_format, plain_bits=p.weight_bits if p.recodes else 0)
