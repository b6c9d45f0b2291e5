"""``gen run dot_core``: activations of any format, weights of any format of digits."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.coded_integers import CodedInt
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
from ...sampling import Sample, rounded
from .operands import ACTIVATION_TYPES, activation_codes, held_scales, sampled

__all__ = ["DirectOperandOptions"]

Array = NDArray[Any]

#: what the direct core takes beside the types of the LUT core
TYPES = {"int4": ("int8",), "e2m1": ("uint8",), "mxint8": ("int8",)}


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
                   "for bf16 and fp16, uint8 for fp8 and e2m1")
    result = ("result (rows, cols): int64 in units of 2**sum_unit (see the manifest), or float32 "
              "for floating results and with scales")
    raw_files = (
        ("--scale", "scale", "scales s (cols,) or (cols, groups), float32: the result is the sum "
         "of s*a*w"),)

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
        return DirectWorkload(p, DirectOperands.of(_activations(activations, p), tensor,
                                                   p.w_format))

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        assert isinstance(parameters, DotCoreParameters)
        p = parameters
        if p.w_format not in SAMPLED:
            raise UsageError(f"--w-format {p.w_format} has no quantiser of its own; those that "
                             f"have: {', '.join(SAMPLED)}")
        codes, values, factor = rounded(p.frame.activation, activations)
        x = DirectOperands.of(codes, sampled(p.frame, SAMPLED[p.w_format], weights), p.w_format)
        assert x.scale is not None
        scale = held_scales(p.frame, x.scale)
        x, size = replace(x, scale=scale), x.group_size or weights.shape[1]
        steps = np.repeat(scale, size, axis=1)[:, :weights.shape[1]] * 2.0**p.frame.form.unit
        return Sample(DirectWorkload(p, x), values, x.weights * steps, factor)

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
        return DirectWorkload(p, DirectOperands(_activations(activations, p),
                                                weights.astype(np.int64), scale, args.group_size))
