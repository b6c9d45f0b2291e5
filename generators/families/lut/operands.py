"""``gen run lut_core``: integer or floating activations, weights of 1 to 8 bits."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16, IntFormat
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.workload import LutWorkload
from lowbit.golden.parameters import Parameters
from lowbit.golden.workload import Workload

from ...errors import UsageError
from ...operands import OperandOptions, codes_array, matrix, read_array
from ...sampling import Sample, rounded
from ...weights.formats import QuantizeOptions, find_format
from .formats import FORMATS

__all__ = ["ACTIVATION_TYPES", "LutOperands", "REQUANTIZER", "activation_codes",
           "requantizer_arrays"]

Array = NDArray[Any]

#: weights of a sample that share a scale
GROUP = 128
#: activation format -> NumPy types of an array that holds it
ACTIVATION_TYPES = {"int8": ("int8",), "int16": ("int16",), "fp16": ("float16", "uint16"),
                    "bf16": ("uint16",), "fp8_e4m3": ("uint8",), "fp8_e5m2": ("uint8",)}

#: options of results of int8
REQUANTIZER = (
    ("--multiplier", "multiplier", "with --out-format int8: multipliers m (cols,) below 2**31: the "
     "result is sum * m / 2**n + zero, rounded and clamped"),
    ("--shift", "shift", "with --out-format int8: shifts n (cols,), 0..62"),
    ("--out-zero", "out_zero", "with --out-format int8: zero points -128..127 of the results "
     "(cols,)"))


def requantizer_arrays(args: argparse.Namespace) -> dict[str, Array | None]:
    """The arrays of these options."""
    paths = [(option, name, getattr(args, name)) for option, name, _ in REQUANTIZER]
    return {name: None if path is None else read_array(path, option)
            for option, name, path in paths}


def activation_codes(array: Array, a_format: str,
                     held_in: Mapping[str, tuple[str, ...]] = ACTIVATION_TYPES) -> Array:
    """Activations (rows, k) as the golden model takes them: integers, or raw floating codes."""
    types = held_in[a_format]
    if array.dtype.name not in types:
        raw = "" if a_format.startswith("int") else f" (raw codes where it is {types[-1]})"
        fitting = [name for name, held in held_in.items() if array.dtype.name in held]
        hint = f"; for {array.dtype} give --a-format {' or '.join(fitting)}" if fitting else ""
        raise UsageError(f"--a must be {' or '.join(types)} for --a-format {a_format}{raw}; "
                         f"got {array.dtype}{hint}")
    matrix(array, "--a", "(rows, k)")
    return FP16.from_array(array) if array.dtype == np.float16 else array.astype(np.int64)


def sampled(p: LutCoreParameters, name: str, weights: Array) -> Any:
    """A tensor of a format for a design: scales of groups where it takes them, else of channels."""
    kind = find_format(name)
    size = kind.block or (GROUP if p.scales_groups else weights.shape[1])
    return kind.quantize(weights, QuantizeOptions(size, scale_bits=16), lambda done, of: None)[0]


def held_scales(p: LutCoreParameters, scale: Array) -> tuple[Array, Array]:
    """Scales (columns, groups) as the design holds them, float32, and what it does not hold: a
    factor of each column (1, columns), of integer scales."""
    fmt, column = p.scale_format if p.scales_groups else None, np.ones((1, len(scale)))
    if isinstance(fmt, IntFormat):
        column = np.maximum(scale.max(axis=1), 1e-30)[None] / (fmt.high >> 1)
        return np.rint(scale / column.T).astype(np.float32), column
    if fmt is not None:
        scale = fmt.to_float64(fmt.from_float64(scale.astype(np.float64))).astype(np.float32)
    return scale, column


class LutOperands(OperandOptions):
    """Tensors of the formats ``lut1`` to ``lut8``, ``lut1_sym`` to ``lut8_sym``, ``ternary``,
    ``sherry`` and ``ternary2``, and of block formats as integers."""

    workload = LutWorkload
    weights = ("weights of gen quantize --dtype lut1..lut8, lut1_sym..lut8_sym, ternary, sherry, "
               "ternary2, mxint8 or mxfp4 (which takes 5 planes)")
    activations = ("of --a-format: int8, int16, float16, or raw codes: uint16 for bf16 and fp16, "
                   "uint8 for fp8")
    result = ("result (rows, cols): int64, or float32 for floating results and with scales; with "
              "--out-format int8 -128..127")
    raw_files = (
        ("--zero", "zero", "zero points z (cols,) or (cols, groups), uint8, below 2**b: the "
         "result is the sum of a*(q' - z') and not of a*q', where q' = 2q - (2**b - 1) and "
         "z' = 2z - (2**b - 1)"),
        ("--scale", "scale", "scales s (cols,) or (cols, groups), float32: the result is "
         "dequantised, the sum of s*a*(q - z)"), *REQUANTIZER)

    #: whether the design gets as many bit-planes as the weights need
    widens = False

    def read(self, args: argparse.Namespace, parameters: Parameters) -> Workload:
        self.widens = not hasattr(args, "w_bits")       # not given
        return super().read(args, parameters)

    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> LutWorkload:
        if not isinstance(tensor, GroupedWeights):
            self.refuse(parameters, tensor)
        assert isinstance(parameters, LutCoreParameters)
        return self._workload(parameters, Operands.of(
            activation_codes(activations, parameters.a_format), tensor))

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> LutWorkload:
        assert isinstance(parameters, LutCoreParameters)
        if args.dtype not in FORMATS:
            raise UsageError(f"--dtype must say what the codes of --w are, {', '.join(FORMATS)}; "
                             f"got {args.dtype or 'none'}")
        kind = FORMATS[args.dtype]
        if (kind.symmetric or kind.ternary) and args.zero is not None:
            raise UsageError(f"--zero does not belong to --dtype {kind.name}; give --dtype "
                             f"lut{kind.bits}")
        q = codes_array(args.w, "--w", "uint8 codes", "(cols, k)")
        per_group = {option: None if path is None else read_array(path, option)
                     for option, path in (("--zero", args.zero), ("--scale", args.scale))}
        for option, array in per_group.items():
            if array is not None and args.group_size is None and array.ndim == 2 \
                    and array.shape[1] > 1:
                raise UsageError(f"{option} with {array.shape[1]} groups a column needs "
                                 "--group-size")
        if args.group_size is not None and args.zero is None and args.scale is None:
            raise UsageError("--group-size says how many weights share a zero point or scale; "
                             "give --zero or --scale, or leave it out")
        zero = np.ones(len(q), np.uint8) if kind.ternary else per_group["--zero"]
        return self._workload(parameters, Operands(
            activation_codes(activations, parameters.a_format), q, kind.bits, zero,
            per_group["--scale"], args.group_size, **requantizer_arrays(args)))

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        assert isinstance(parameters, LutCoreParameters)
        p = parameters
        name = f"lut{p.w_bits}_sym" if p.radix == 2 else \
            "sherry" if p.unpack == "sherry" else "ternary"
        codes, values, step = rounded(p.activation, activations)
        tensor = sampled(p, name, weights)
        scale, column = held_scales(p, tensor.scale)
        tensor = replace(tensor, scale=scale)
        return Sample(LutWorkload(p, Operands.of(codes, tensor)), values,
                      tensor.dequantize() * column.T, step * column)

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        assert isinstance(parameters, LutCoreParameters)
        return parameters.M, parameters.N

    def _workload(self, p: LutCoreParameters, operands: Operands) -> LutWorkload:
        if self.widens and p.radix == 2 and operands.bits > p.w_bits:
            planes = p.parallel_planes
            p = replace(p, w_bits=-(-operands.bits // planes) * planes)
        return LutWorkload(p, operands)
