"""``gen run dot_core``: activations of any format, weights of any format of digits."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.block_formats import BLOCK_KINDS, quantize
from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.direct_gemm import (
    DirectOperands,
    DirectWorkload,
    ScaledIntegers,
    fitting_format,
)
from lowbit.golden.lut.direct_parameters import DotCoreParameters
from lowbit.golden.parameters import Parameters
from lowbit.golden.workload import Workload

from ...errors import UsageError
from ...operands import OperandOptions, matrix, read_array
from ...sampling import Sample, nearest_levels, rounded
from .operands import (
    ACTIVATION_TYPES,
    REQUANTIZER,
    activation_codes,
    held_scales,
    requantizer_arrays,
    sampled,
)

__all__ = ["DirectOperandOptions"]

Array = NDArray[Any]

#: what the direct core takes beside the types of the LUT core
TYPES = {"int4": ("int8",), "e2m1": ("uint8",), "mxint8": ("int8",)}


def _block_formats(scale: str, elements: str) -> list[str]:
    """Block formats with a kind of scales and these elements (``e2m1`` or ``int8``)."""
    return [kind.name for kind in BLOCK_KINDS.values() if kind.scale == scale
            and ("int8" if kind.levels is None else "e2m1") == elements]


def _blocks(array: Array, p: DotCoreParameters) -> GroupedWeights | None:
    """Floats in the block format that the design takes as activations, if it takes one."""
    kinds = _block_formats(p.a_scale, {"mxint8": "int8"}.get(p.a_format, p.a_format))
    if not kinds or array.dtype not in (np.float16, np.float32):
        return None
    return quantize(matrix(array, "--a", "(rows, k)"), kinds[0])


def _activations(array: Array, p: DotCoreParameters) -> Array:
    """Activations (rows, k) as the golden model takes them."""
    codes = activation_codes(array, p.a_format, ACTIVATION_TYPES | TYPES)
    fmt = p.frame.activation
    if not isinstance(fmt, CodedInt):
        return codes
    count = 1 << fmt.code_bits
    low, high = (0, count - 1) if fmt.values else (fmt.low, fmt.high)
    if codes.min() < low or codes.max() > high:
        worst = codes.min() if codes.min() < low else codes.max()
        raise UsageError(f"--a must be {low}..{high} for --a-format {p.a_format}; got {worst}")
    return np.array(fmt.values)[codes] if fmt.values else codes


#: weight format -> format of gen quantize whose values it has
SAMPLED = {**{f"int{bits}": f"int{bits}" for bits in range(3, 9)}, "int2": "ternary",
           "ternary": "ternary", "e2m1": "mxfp4", "bitmod4": "bitmod4", "bitmod3": "bitmod3",
           "flint4": "flint4"}


class DirectOperandOptions(OperandOptions):
    """Tensors of all formats whose weights are integers in halves of a scale."""

    workload = DirectWorkload
    weights = "weights of gen quantize that are integers, or halves of them, times a scale"
    activations = ("of --a-format: int8 (int4, int8, mxint8), int16, float16, or raw codes: uint16 "
                   "for bf16 and fp16, uint8 for fp8 and e2m1; float16 or float32 where --a-format "
                   "and --a-scale are those of MXFP4, MXINT8 or NVFP4: they are quantised to it")
    result = ("result (rows, cols): int64 in units of 2**sum_unit (see the manifest), or float32 "
              "for floating results and with scales; with --out-format int8 -128..127")
    raw_files = (
        ("--scale", "scale", "scales s (cols,) or (cols, groups), float32: the result is the sum "
         "of s*a*w"),
        ("--row-scale", "row_scale", "scales of activations (rows,) or (rows, groups), float32, "
         "for a design with --a-scale"), *REQUANTIZER)

    #: whether the design gets the format that the weights need
    chooses = False

    def read(self, args: argparse.Namespace, parameters: Parameters) -> Workload:
        self.chooses = not hasattr(args, "w_format")
        return super().read(args, parameters)

    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> DirectWorkload:
        if not isinstance(tensor, ScaledIntegers):
            self.refuse(parameters, tensor)
        assert isinstance(parameters, DotCoreParameters)
        p = parameters
        if self.chooses:
            p = replace(p, w_format=fitting_format(tensor.integer_values2x()))
        return self._workload(p, activations, None, lambda codes, row_scale: DirectOperands.of(
            codes, tensor, p.w_format, row_scale))

    def _workload(self, p: DotCoreParameters, activations: Array, row_scale: Array | None,
                  operands: Callable[[Array, Array | None], DirectOperands]) -> DirectWorkload:
        """The workload of ``operands`` for integers or codes of activations, and their scales."""
        blocks = _blocks(activations, p)
        if blocks is None:
            return DirectWorkload(p, operands(_activations(activations, p), row_scale))
        if row_scale is not None:
            raise UsageError("--row-scale belongs to activations that are quantised; --a has "
                             "floats")
        unit = 2.0 ** p.frame.entry_unit
        values = blocks.integer_values2x() * (0.5 if blocks.levels is None else 0.5 / unit)
        scale = blocks.scale if blocks.levels is not None else blocks.scale / np.float32(unit)
        x = operands(values.astype(np.int64), scale)
        if x.group_size != blocks.group_size:
            raise UsageError(f"--a is quantised in blocks of {blocks.group_size}, and so must be "
                             f"the weights; they have groups of {x.group_size or 'all'}")
        if blocks.factor is not None:
            own = np.ones(len(x.weights), np.float32) if x.factor is None else x.factor
            x = replace(x, factor=own * blocks.factor[0])
        return DirectWorkload(p, x)

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        """Weights of the quantiser that has the design's values; of none, the nearest ones."""
        assert isinstance(parameters, DotCoreParameters)
        p, form = parameters, parameters.frame.form
        blocks = _blocks(activations.astype(np.float32), p)
        codes, values, step = rounded(p.frame.activation, activations)
        kinds = [*_block_formats(p.group_scale, p.w_format), *SAMPLED.get(p.w_format, "").split()]
        if kinds:
            tensor = sampled(p.frame, kinds[0], weights)
            if blocks is not None:
                values = blocks.dequantize().astype(np.float64)
                return Sample(self.of_tensor(p, activations.astype(np.float32), tensor), values,
                              tensor.dequantize(), 1.0)
            x = DirectOperands.of(codes, tensor, p.w_format)
        else:
            integers, steps = nearest_levels(form, weights)
            x = DirectOperands(codes, integers, (steps * 2.0**-form.unit).astype(np.float32))
        assert x.scale is not None
        scale, column = held_scales(p.frame, x.scale.reshape(len(weights), -1))
        size = x.group_size or weights.shape[1]
        spread = np.repeat(scale, size, axis=1)[:, :weights.shape[1]] * 2.0**form.unit
        return Sample(DirectWorkload(p, replace(x, scale=scale)), values,
                      x.weights * spread * column.T, step * column)

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        assert isinstance(parameters, DotCoreParameters)
        return parameters.M, parameters.N

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> DirectWorkload:
        assert isinstance(parameters, DotCoreParameters)
        p = parameters
        if args.dtype is not None:
            raise UsageError("--dtype does not belong to the raw form here: --w are integers in "
                             "the unit of --w-format; leave it out")
        weights = read_array(args.w, "--w")
        if weights.dtype not in (np.int8, np.int16):
            raise UsageError(f"--w must be int8 or int16, integers in the unit of --w-format; got "
                             f"{weights.dtype}")
        matrix(weights, "--w", "(cols, k)")
        scale = None if args.scale is None else read_array(args.scale, "--scale")
        if scale is None and args.group_size is not None:
            raise UsageError("--group-size says how many weights share a scale; give --scale, or "
                             "leave it out")
        if scale is not None and args.group_size is None and scale.ndim == 2 \
                and scale.shape[1] > 1:
            raise UsageError(f"--scale with {scale.shape[1]} groups a column needs --group-size")
        row_scale = None if args.row_scale is None else read_array(args.row_scale, "--row-scale")
        return self._workload(p, activations, row_scale, lambda codes, rows: DirectOperands(
            codes, weights.astype(np.int64), scale, args.group_size, row_scale=rows,
            **requantizer_arrays(args)))
