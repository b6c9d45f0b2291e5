"""``gen run bitmod_tile|bitmod_array``: FP16 activations, weights of a BitMoD data type."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.block_tensor import block_tensor
from lowbit.golden.bitmod.datatypes import (
    BLOCK_TYPES,
    DATA_TYPE_NAMES,
    PAIR_TYPES,
    get_data_type,
)
from lowbit.golden.bitmod.gemm import Operands
from lowbit.golden.bitmod.quantizer import QuantizedTensor
from lowbit.golden.bitmod.tile_parameters import BitmodMeshParameters
from lowbit.golden.bitmod.workload import BitmodWorkload
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.olive import OlivePairs
from lowbit.golden.parameters import Parameters

from ...errors import UsageError
from ...operands import OperandOptions, codes_array, fp16_codes, read_array
from ...sampling import Sample
from ...weights.formats import QuantizeOptions, find_format

__all__ = ["BitmodOperands"]

Array = NDArray[Any]


#: kind of group scales -> format of the weights of a sample
SAMPLED = {"int8": "bitmod4", "e8m0": "mxfp4", "e4m3": "nvfp4"}


class BitmodOperands(OperandOptions):
    """Tensors of the BitMoD formats with 8-bit scales."""

    workload = BitmodWorkload
    weights = "weights of gen quantize --dtype " + ", ".join(
        DATA_TYPE_NAMES + BLOCK_TYPES + PAIR_TYPES)
    activations = "float16, or uint16 as raw codes"
    result = "result (rows, cols): float32, or float16 with --out fp16"
    raw_files = (
        ("--sv", "sv", "special value of each group (cols, groups), a float, of FP3 and FP4 "
         "types; at most four different ones"),
        ("--scale-codes", "scale_codes", "scale code of each group (cols, groups), uint8"),
        ("--column-scale", "column_scale", "second-level scale of each column (cols,), float32; "
         "default none: the result is the sum of scale code times group sum"))

    def of_tensor(self, parameters: Parameters, activations: Array,
                  tensor: Any) -> BitmodWorkload:
        if isinstance(tensor, GroupedWeights) and tensor.levels is not None:
            tensor = block_tensor(tensor)
        if not isinstance(tensor, QuantizedTensor | OlivePairs):
            self.refuse(parameters, tensor)
        assert isinstance(parameters, BitmodMeshParameters)
        a = fp16_codes(activations, "--a", "(rows, k)")
        operands = Operands.of_pairs(a, tensor) if isinstance(tensor, OlivePairs) else \
            Operands.of_tensor(a, tensor)
        return BitmodWorkload(parameters, operands)

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        assert isinstance(parameters, BitmodMeshParameters)
        kind = find_format(SAMPLED[parameters.group_scale])
        tensor, _ = kind.quantize(weights, QuantizeOptions(kind.block or 128),
                                  lambda done, total: None)
        halves = activations.astype(np.float16)
        return Sample(self.of_tensor(parameters, halves, tensor), halves.astype(np.float64),
                      tensor.dequantize(), 1.0)

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        assert isinstance(parameters, BitmodMeshParameters)
        down, across = parameters.tiles
        return down * parameters.rows, across * parameters.columns

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> BitmodWorkload:
        assert isinstance(parameters, BitmodMeshParameters)
        needed = {"--dtype": args.dtype, "--scale-codes": args.scale_codes,
                  "--group-size": args.group_size}
        missing = [option for option, value in needed.items() if value is None]
        if missing:
            raise UsageError(f"--w with an array needs {', '.join(missing)}")
        return BitmodWorkload(parameters, Operands(
            fp16_codes(activations, "--a", "(rows, k)"),
            codes_array(args.w, "--w", "uint8 codes", "(cols, k)"), get_data_type(args.dtype),
            args.group_size,
            codes_array(args.scale_codes, "--scale-codes", "uint8 (0..255)", "(cols, groups)"),
            _special_values(args.sv), _column_scale(args.column_scale),
            scale_kind=parameters.group_scale))


def _special_values(path: Path | None) -> Array | None:
    if path is None:
        return None
    array = read_array(path, "--sv")
    if array.dtype.kind not in "fi":
        raise UsageError(f"--sv must be special values, floats or integers; got {array.dtype}")
    if array.ndim != 2:
        raise UsageError(f"--sv must have shape (cols, groups); got {array.shape}")
    return array.astype(np.float64)


def _column_scale(path: Path | None) -> Array | None:
    if path is None:
        return None
    array = read_array(path, "--column-scale")
    if array.dtype.name not in ("float16", "float32"):
        raise UsageError("--column-scale must be float32 (or float16), as the design multiplies "
                         f"by it; got {array.dtype}")
    return array.astype(np.float32)
