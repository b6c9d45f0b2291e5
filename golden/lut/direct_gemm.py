"""A whole matrix product on the direct core: weights as integers with a scale a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..digits import FORMATS
from ..formats import FP32, ExponentFormat, IntFormat
from ..groups import group_count
from ..parameters import ParameterError
from .direct import direct_beats
from .direct_parameters import DirectFrame, DotCoreParameters
from .gemm import Block, Gemm, Scales, check_scale, exact
from .packing import split_steps, step_groups
from .requantized import Requantized
from .workload import LutWorkload

__all__ = ["DirectGemm", "DirectOperands", "DirectWorkload", "ScaledIntegers", "fitting_format"]

Array = NDArray[Any]


@runtime_checkable
class ScaledIntegers(Protocol):
    """Weights of any quantiser: integers in halves of a group's scale."""

    @property
    def group_size(self) -> int | None: ...

    def integer_values2x(self) -> Array: ...

    def group_scales(self) -> Array: ...


def fitting_format(values2x: Array) -> str:
    """The weight format of fewest bits that holds all ``values2x``, integers in halves; odd ones
    may halve the scale. :class:`ParameterError` where there is none."""
    held = np.unique(values2x)
    for name, form in sorted(FORMATS.items(), key=lambda item: item[1].port_bits):
        if np.isin(_in_units(held, form.unit)[0], form.values[list(form.codes)]).all():
            return name
    raise ParameterError(f"no weight format has all weights; they are {held.min() / 2:g} .. "
                         f"{held.max() / 2:g} times a scale")


def _in_units(values2x: Array, unit: int) -> tuple[Array, float]:
    """Integers in units of 2**``unit``, and how much more a scale counts."""
    if unit == 0 and not (values2x & 1).any():
        return values2x >> 1, 1.0
    return values2x, 1.0 if unit == -1 else 0.5


@dataclass(frozen=True)
class DirectOperands(Requantized):
    """What is multiplied: weights w s + m, w integers in the unit of the design's format."""

    codes: Array                    #: (rows, k) integers, or raw floating codes
    weights: Array                  #: (columns, k) integers
    scale: Array | None = None      #: (columns,) or (columns, groups) float32 s
    group_size: int | None = None   #: weights that share s and m; None: all
    minimum: Array | None = None    #: (columns, groups) float32 m, with ``scale``
    #: (rows,) or (rows, groups) float32: scales of the activations of each row
    row_scale: Array | None = None
    #: (columns,) float32: second scales, of whole columns, by which results are multiplied
    factor: Array | None = None

    @classmethod
    def of(cls, codes: Array, tensor: ScaledIntegers, w_format: str,
           row_scale: Array | None = None) -> DirectOperands:
        """Operands of a quantised tensor; activations (rows, k) in the order of the model's
        inputs. :class:`ParameterError` for scales that float32 does not hold."""
        order = getattr(tensor, "order", None)
        values = tensor.integer_values2x()
        if codes.shape[1:] != values.shape[1:]:
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{codes.shape} and {values.shape}")
        weights, factor = _in_units(values, FORMATS[w_format].unit)
        scale = np.asarray(tensor.group_scales() * factor)
        if (scale.astype(np.float32) != scale).any():
            bad = scale[scale.astype(np.float32) != scale][0]
            raise ParameterError(f"scales must be float32 numbers; got {bad}; two levels of scales "
                                 "are more: quantise with --scale-bits 16")
        if order is not None and row_scale is not None:
            raise ParameterError("the weights' groups are not runs of inputs, and those of the "
                                 "activations are")
        return cls(codes if order is None else codes[:, order], weights,
                   scale.astype(np.float32), tensor.group_size,
                   getattr(tensor, "minimum", None), row_scale, getattr(tensor, "factor", None))


class DirectGemm(Gemm):
    """Sum of a * w over k, in units of 2**sum_unit where it is an integer; with scales its
    dequantised form. See :class:`~.gemm.Gemm`."""

    p: DirectFrame

    def __init__(self, p: DirectFrame, x: DirectOperands) -> None:
        self.p = p
        self.rows, self.columns, k = len(x.codes), len(x.weights), x.codes.shape[1]
        if x.weights.shape[1:] != (k,):
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{x.codes.shape} and {x.weights.shape}")
        form = FORMATS[p.w_format]
        wrong = ~np.isin(x.weights, form.values[list(form.codes)])
        if wrong.any():
            raise ParameterError(f"weights must be numbers of --w-format {p.w_format}, in units of "
                                 f"2**{form.unit}; got {int(x.weights[wrong][0])}; choose another "
                                 "format")
        groups = group_count(k, x.group_size)
        self.streamed, self.scales, self.scale, self.offset = self.columns, None, None, None
        self.requantizer = x.requantizer(p, self.columns, x.scale is not None)
        self._row_scales = self._scales_of_rows(x, groups)
        self.second = x.factor
        if p.scales_groups:
            scale = x.scale
            if scale is not None and isinstance(p.scale_format, ExponentFormat):
                scale = self._of_zeros(x, check_scale(scale, self.columns, groups, halves=False))
            self.scales = Scales.direct(p, self.columns, groups, scale, x.minimum)
        elif x.minimum is not None:
            raise ParameterError("weights with minima need a design that takes them: one with "
                                 "--group-scale and --offset real")
        elif x.scale is not None:
            self.scale = check_scale(x.scale, self.columns, groups, halves=False)
        self._beats = direct_beats(x.weights, p, x.group_size)
        self._steps = split_steps(x.codes, 1, p.groups, x.group_size)
        self._edges = np.arange(self._steps.shape[1] + 1)
        self.blocks = self._cut(step_groups(k, 1, p.groups, x.group_size))
        self.check_chained(x.scale is not None)

    def _scales_of_rows(self, x: DirectOperands, groups: int) -> Array | None:
        """Codes (rows, groups) of the scales of activations; where none are given, of 1."""
        fmt = self.p.row_scale_format
        if fmt is None:
            if x.row_scale is not None:
                raise ParameterError("scales of activations need a design that takes them: one "
                                     "with --a-scale")
            return None
        scale = np.ones((self.rows, groups), np.float32) if x.row_scale is None else \
            check_scale(x.row_scale, self.rows, groups, halves=False)
        return exact(scale, fmt, "scales of activations", "or choose another --a-scale")

    def _of_zeros(self, x: DirectOperands, scale: Array) -> Array:
        """Powers of two have no zero: a group of zeros has the scale 1."""
        groups = scale.shape[1]
        size = x.group_size or x.weights.shape[1]
        used = np.add.reduceat(np.abs(x.weights), np.arange(groups) * size, axis=1) > 0
        return np.where(used, scale, np.float32(1))

    def row_scales(self, block: Block, rows: slice = slice(None)) -> Array | None:
        return None if self._row_scales is None else self._row_scales[rows, block.group]

    def result(self, results: list[Array]) -> Array:
        y = super().result(results)
        if self.second is None:
            return y
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            return FP32.to_array(FP32.canonical(FP32.from_array(y * self.second)))

    @property
    def factor(self) -> Array:
        assert self.scale is not None
        unit = self.p.sum_unit if isinstance(self.p.out, IntFormat) else 0
        return np.asarray(self.scale * np.float32(2.0**unit))


class DirectWorkload(LutWorkload):
    """Integer or floating activations times weights of any format of digits."""

    operand_class = DirectOperands      # type: ignore[assignment]
    parameters: DotCoreParameters       # type: ignore[assignment]
    operands: DirectOperands            # type: ignore[assignment]

    def __init__(self, parameters: DotCoreParameters, operands: DirectOperands) -> None:
        self.parameters, self.operands = parameters, operands
        self._cut(parameters.frame, DirectGemm(parameters.frame, operands))

    def weights(self) -> str:
        x = self.operands
        group = f", groups of {x.group_size}" if x.group_size else ""
        parts = [name for name, array in (("scales", x.scale), ("minima", x.minimum))
                 if array is not None]
        return f"{self.parameters.w_format}{group}{''.join(f', {part}' for part in parts)}"

    def facts(self) -> dict[str, Any]:
        x = self.operands
        return {"w_format": self.parameters.w_format, "group_size": x.group_size,
                "scale": x.scale is not None, "minimum": x.minimum is not None,
                "weight_beats": self.plane_beats, "cycle_model": self.cycles}
