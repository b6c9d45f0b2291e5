"""``gen run systolic``: integer matrices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.parameters import Parameters
from lowbit.golden.systolic.gemm import Operands
from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.systolic.workload import SystolicWorkload

from ...errors import UsageError
from ...operands import OperandOptions, matrix, read_array

__all__ = ["SystolicOperands"]

Array = NDArray[Any]


class SystolicOperands(OperandOptions):
    """Activations are integers of ``--a-bits``, weights integers in units of ``--w-format``."""

    workload = SystolicWorkload
    weights = "integer matrices"
    activations = "integers of --a-bits"
    result = "result (rows, cols): int64"

    def add(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("operands")
        group.add_argument("--a", type=Path, required=True, metavar="FILE.npy",
                           help="activations (rows, k), integers of --a-bits")
        group.add_argument("--w", type=Path, required=True, metavar="FILE.npy",
                           help="weights (cols, k), integers: values of --w-format (of e2m1, "
                           "flint4 and bitmod4 twice as large)")

    def read(self, args: argparse.Namespace, parameters: Parameters) -> SystolicWorkload:
        return self.of_tensor(parameters, read_array(args.a, "--a"), read_array(args.w, "--w"))

    def of_tensor(self, parameters: Parameters, activations: Array,
                  tensor: Any) -> SystolicWorkload:
        assert isinstance(parameters, SystolicParameters)
        fmt = parameters.activation
        for option, array, shape in (("--a", activations, "(rows, k)"),
                                     ("--w", tensor, "(cols, k)")):
            if array.dtype.kind not in "iu":
                raise UsageError(f"{option} must be integers; got {array.dtype}")
            matrix(array, option, shape)
        if activations.min() < fmt.low or activations.max() > fmt.high:
            raise UsageError(f"--a must be {fmt.low}..{fmt.high} for --a-bits {fmt.bits}; got "
                             f"{activations.min()}..{activations.max()}")
        return SystolicWorkload(parameters, Operands(activations.astype(np.int64),
                                                     tensor.astype(np.int64)))

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> SystolicWorkload:
        return self.of_tensor(parameters, activations, read_array(args.w, "--w"))
