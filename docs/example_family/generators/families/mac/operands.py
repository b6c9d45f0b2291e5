"""``gen run mac``: integer matrices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.mac.parameters import MacParameters
from lowbit.golden.mac.workload import MacWorkload, Operands
from lowbit.golden.parameters import Parameters

from ...errors import UsageError
from ...operands import OperandOptions, matrix, read_array

__all__ = ["MacOperands"]

Array = NDArray[Any]


class MacOperands(OperandOptions):
    """Both matrices are integers that fit ``--bits``."""

    workload = MacWorkload
    weights = "integer matrices"
    activations = "integers of --bits"
    result = "result (rows, cols): int64"

    def add(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("operands")
        for option, shape in (("--a", "(rows, k)"), ("--w", "(cols, k)")):
            group.add_argument(option, type=Path, required=True, metavar="FILE.npy",
                               help=f"integers {shape}")

    def read(self, args: argparse.Namespace, parameters: Parameters) -> MacWorkload:
        return self.of_tensor(parameters, read_array(args.a, "--a"), read_array(args.w, "--w"))

    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> MacWorkload:
        assert isinstance(parameters, MacParameters)
        for option, array in (("--a", activations), ("--w", tensor)):
            limit = 1 << (parameters.bits - 1)
            if array.dtype.kind not in "iu" or array.min() < -limit or array.max() >= limit:
                raise UsageError(f"{option} must be integers {-limit}..{limit - 1}; "
                                 f"got {array.dtype}")
        return MacWorkload(parameters, Operands(
            matrix(activations, "--a", "(rows, k)").astype(np.int64),
            matrix(tensor, "--w", "(cols, k)").astype(np.int64)))

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> MacWorkload:
        return self.of_tensor(parameters, activations, read_array(args.w, "--w"))
