"""``gen run fp16_tile``: FP16 activations, FP16 weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.baselines.gemm import Operands
from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.baselines.workload import Fp16Workload
from lowbit.golden.parameters import Parameters

from ...operands import OperandOptions, fp16_codes, read_array
from ...sampling import Sample

__all__ = ["Fp16Operands"]

Array = NDArray[Any]


class Fp16Operands(OperandOptions):
    """Weights are a matrix of floats, as it is."""

    workload = Fp16Workload
    weights = "FP16 matrices"
    activations = "float16, or uint16 as raw codes"
    result = ("result (rows, cols): float32, or float16 with --acc fp16; products are added in "
              "ascending order of k")

    def add(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("operands")
        for option, shape, what in (("--a", "(rows, k)", "activations"),
                                    ("--w", "(cols, k)", "weights")):
            group.add_argument(option, type=Path, required=True, metavar="FILE.npy",
                               help=f"{what} {shape}, {self.activations}")

    def read(self, args: argparse.Namespace, parameters: Parameters) -> Fp16Workload:
        return self.of_raw(parameters, read_array(args.a, "--a"), args)

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> Fp16Workload:
        return self.of_tensor(parameters, activations, read_array(args.w, "--w"))

    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> Fp16Workload:
        assert isinstance(parameters, Fp16TileParameters)
        return Fp16Workload(parameters, Operands(fp16_codes(activations, "--a", "(rows, k)"),
                                                 fp16_codes(tensor, "--w", "(cols, k)")))

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        a, w = activations.astype(np.float16), weights.astype(np.float16)
        return Sample(self.of_tensor(parameters, a, w), a.astype(np.float64), w.astype(np.float64),
                      1.0)

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        assert isinstance(parameters, Fp16TileParameters)
        return parameters.rows, parameters.columns
