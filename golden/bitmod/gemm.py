"""A whole layer on the BitMoD tile or array: checked operands, golden result, streams, cycles.

One :class:`Gemm` serves every backend. Cutting rows and columns into blocks changes no result:
rows and columns never meet, and groups follow each other inside one operation. Where the group
size does not divide the channel, the last group holds what remains; a group that is no multiple
of the lanes ends with zeros. Contract: docs/numerics.md, sections 5 to 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16, FP32, FloatFormat
from lowbit.golden.olive import OlivePairs
from lowbit.golden.parameters import ParameterError

from .cycles import LayerCycles, layer_cycles
from .datatypes import MAX_SPECIAL_VALUES, DataType, check_special_values, get_data_type
from .pe import layer
from .ports import Weights, stream_beats
from .quantizer import QuantizedTensor
from .tile_parameters import BitmodMeshParameters
from .zero_points import running_tensor

__all__ = ["Gemm", "Operands"]

Array = NDArray[Any]

#: outputs of the golden model at once: its temporaries stay in the cache
BLOCK = 1 << 14


@dataclass(frozen=True)
class Operands:
    """What a layer multiplies; g = ceil(k / group_size)."""

    activations: Array                  #: FP16 codes (rows, k)
    codes: Array                        #: uint8 (columns, k), codes of ``dtype``
    dtype: DataType
    group_size: int
    scale_codes: Array                  #: uint8 (columns, g)
    special_values: Array | None = None  #: (columns, g) of FP3 and FP4; None where there are none
    channel_scale: Array | None = None  #: float32 (columns,)
    stored: str | None = None           #: asymmetric type that they come from, if any
    scale_kind: str = "int8"            #: what the scale codes are

    @classmethod
    def of_tensor(cls, activations: Array, tensor: QuantizedTensor) -> Operands:
        """Operands with the weights of ``gen quantize``, asymmetric ones in the type that runs.

        :class:`~lowbit.golden.parameters.ParameterError` for weights with 16-bit scales, and for
        zero points that no integer type makes up for.
        """
        if tensor.scale_codes is None:
            raise ParameterError("weights must have 8-bit scales, by which a group sum is "
                                 f"multiplied; these have {tensor.scale_bits}-bit scales: "
                                 "quantize them with --scale-bits 8")
        runs = running_tensor(tensor)
        special = runs.special_values() if runs.dtype.kind == "float" else None
        return cls(activations, runs.codes, runs.dtype, runs.group_size, tensor.scale_codes,
                   special, runs.channel_scale, None if runs is tensor else tensor.dtype.name,
                   tensor.scale_kind)

    @classmethod
    def of_pairs(cls, activations: Array, pairs: OlivePairs) -> Operands:
        """Operands with OliVe's pairs; :class:`~lowbit.golden.parameters.ParameterError` unless
        their scales have two levels."""
        if pairs.channel_scale is None:
            raise ParameterError("pairs must have scales of two levels, by whose 8-bit integers a "
                                 "group sum is multiplied; these have float32 scales: quantize "
                                 "them with --scale-bits 8")
        return cls(activations, pairs.codes, get_data_type("olive4"), pairs.group_size,
                   pairs.scale, None, pairs.channel_scale)

    @property
    def type_name(self) -> str:
        """The weights' type for a report: the one that runs, and what it stands for."""
        return self.dtype.name if self.stored is None else f"{self.stored} as {self.dtype.name}"


class Gemm:
    """Sum over the groups of scale code times group sum, times the channel's scale if given.

    Raises :class:`~lowbit.golden.parameters.ParameterError` for operands that do not fit each
    other, or the design: types with zero points, codes beyond the type, special values that two
    terms do not express, or more of them than the register file holds.
    """

    def __init__(self, p: BitmodMeshParameters, x: Operands) -> None:
        self.p, self.operands = p, x
        self.rows, self.columns, self.k = len(x.activations), len(x.codes), x.codes.shape[1]
        _check(p, x)
        #: special values as the register file holds them, and the entry of each group
        self.register_file, selectors = _register_file(x)
        self.weights = Weights(x.codes, x.dtype, x.group_size, x.scale_codes, selectors,
                               x.channel_scale)

    @property
    def format(self) -> FloatFormat:
        """Format of the results."""
        return FP16 if self.p.out == "fp16" else FP32

    @property
    def cycles(self) -> LayerCycles:
        """What the cycle model says."""
        return layer_cycles(self.p, self.operands.dtype, self.rows, self.columns, self.k,
                            self.operands.group_size)

    @property
    def stream_cycles(self) -> int:
        """Cycles from the first operands at the ports to the last result."""
        cycles = self.cycles
        return cycles.fill + cycles.cycles

    def streams(self) -> dict[str, Iterator[dict[str, int]]]:
        """Beats of the design's input streams, made as they are taken."""
        return stream_beats(self.p, self.operands.activations, self.weights)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Array:
        """Results by the golden model, float32 or float16 (rows, columns).

        ``progress`` is told the columns done and their number.
        """
        x = self.operands
        activations = FP16.to_array(x.activations)
        special = None
        if x.dtype.kind == "float":
            special = np.array(self.register_file)[self.weights.selectors]
        step = max(1, BLOCK // self.rows)
        parts = []
        for start in range(0, self.columns, step):
            span = slice(start, start + step)
            parts.append(layer(
                activations, x.codes[span], x.dtype, x.scale_codes[span], x.group_size,
                special_values=None if special is None else special[span],
                channel_scale=None if x.channel_scale is None else x.channel_scale[span],
                out_fp16=self.p.out == "fp16", parameters=self.p.pe, scale_kind=x.scale_kind))
            progress(min(start + step, self.columns), self.columns)
        return np.concatenate(parts, axis=1)


def _check(p: BitmodMeshParameters, x: Operands) -> None:
    dtype, (columns, k) = x.dtype, x.codes.shape
    dtype.check_runs()
    if x.scale_kind != p.group_scale:
        raise ParameterError(f"--group-scale must be {x.scale_kind} for these weights; got "
                             f"{p.group_scale}")
    if dtype.flint and not p.flint:
        raise ParameterError("flint4 weights need a design with --flint, which decodes them")
    if dtype.pairs and not p.olive:
        raise ParameterError(f"{dtype.name} weights need a design with --olive, which decodes them")
    if dtype.pairs and x.group_size % 2:
        raise ParameterError(f"group size must be even for pairs; got {x.group_size}")
    if x.activations.shape[1:] != (k,):
        raise ParameterError("activations and weights must have the same k; got shapes "
                             f"{x.activations.shape} and {x.codes.shape}")
    if min(x.group_size, k) > p.max_group:
        raise ParameterError(f"--max-group must be at least the group size "
                             f"{min(x.group_size, k)} of the weights; got {p.max_group}")
    if int(x.codes.max()) >> dtype.bits:
        raise ParameterError(f"codes of {dtype.name} must be 0..{(1 << dtype.bits) - 1}; "
                             f"got {int(x.codes.max())}")
    groups = -(-k // x.group_size)
    for what, array in (("scale codes", x.scale_codes), ("special values", x.special_values)):
        if array is not None and array.shape != (columns, groups):
            raise ParameterError(f"{what} must have shape ({columns}, {groups}), a value for each "
                                 f"of {groups} groups of {x.group_size}; got {array.shape}")
    scale = x.channel_scale
    if scale is None:
        return
    if not p.channel_scale:
        raise ParameterError("weights with channel scales need a design that multiplies by them; "
                             "leave --no-channel-scale out")
    if scale.shape != (columns,):
        raise ParameterError(f"channel scales must have shape ({columns},); got {scale.shape}")
    if not np.isfinite(scale).all():
        raise ParameterError(f"channel scales must be finite; got {scale[~np.isfinite(scale)][0]}"
                             f" at index {int(np.flatnonzero(~np.isfinite(scale))[0])}")


def _register_file(x: Operands) -> tuple[tuple[float, ...], Array]:
    """(the different special values, the entry (columns, g) of each group's). Groups in which no
    code stands for the special value take any entry."""
    none = np.zeros(x.scale_codes.shape, np.int64)
    if x.dtype.kind != "float":
        if x.special_values is not None:
            raise ParameterError("special values belong to FP3 and FP4 types, not to "
                                 f"{x.dtype.name}")
        return (0.0,), none
    if x.dtype.pairs:
        if x.special_values is not None:
            raise ParameterError(f"{x.dtype.name} has no special values")
        return (0.0,), none
    starts = np.arange(0, x.codes.shape[1], x.group_size)
    used = np.logical_or.reduceat(x.codes == x.dtype.sv_code, starts, axis=1)
    if x.special_values is None:
        if used.any():
            column, group = np.argwhere(used)[0].tolist()
            raise ParameterError(f"code {x.dtype.sv_code} of {x.dtype.name} stands for the group's "
                                 f"special value, and column {column} has it in group {group}; "
                                 "give special values")
        return (0.0,), none
    for value in np.unique(x.special_values):
        check_special_values((float(value),), what="special values")
    chosen = x.special_values[used]
    values, selectors = np.unique(np.where(used, x.special_values, chosen[0] if chosen.size else 0),
                                  return_inverse=True)
    if len(values) > MAX_SPECIAL_VALUES:
        raise ParameterError(f"special values: a design holds {MAX_SPECIAL_VALUES} at a time; "
                             f"these weights use {len(values)}: "
                             f"{', '.join(f'{v:g}' for v in values[:8])}")
    return tuple(values.tolist()), selectors.reshape(none.shape)
