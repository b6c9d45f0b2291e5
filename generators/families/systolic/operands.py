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
from ...sampling import Sample, nearest_levels, rounded

__all__ = ["SystolicOperands"]

#: arrays that make int8 of the sums
SCALES = {"multiplier": "multipliers below 2**31", "shift": "right shifts 0..62 of the products",
          "zero": "zero points -128..127 of the results"}

Array = NDArray[Any]


class SystolicOperands(OperandOptions):
    """Activations are integers of ``--a-bits``, weights integers in units of ``--w-format``."""

    workload = SystolicWorkload
    weights = "integer matrices"
    activations = "integers of --a-bits"
    result = "result (rows, cols): int64, with --out-format int8 -128..127"

    def add(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("operands")
        group.add_argument("--a", type=Path, required=True, metavar="FILE.npy",
                           help="activations (rows, k), integers of --a-bits")
        for name, what in SCALES.items():
            group.add_argument(f"--{name}", type=Path, metavar="FILE.npy",
                               help=f"with --out-format int8: {what} (cols,), integers")
        group.add_argument("--w", type=Path, required=True, metavar="FILE.npy",
                           help="weights (cols, k), integers: values of --w-format (of e2m1, "
                           "flint4 and bitmod4 twice as large)")

    def read(self, args: argparse.Namespace, parameters: Parameters) -> SystolicWorkload:
        given = {name: read_array(getattr(args, name), f"--{name}") for name in SCALES
                 if getattr(args, name) is not None}
        for name, array in given.items():
            if array.dtype.kind not in "iu":
                raise UsageError(f"--{name} must be integers; got {array.dtype}")
        return self._workload(parameters, read_array(args.a, "--a"), read_array(args.w, "--w"),
                              {name: array.astype(np.int64) for name, array in given.items()})

    def files(self, args: argparse.Namespace) -> list[Path | None]:
        return [args.a, args.w, *(getattr(args, name) for name in SCALES)]

    def of_tensor(self, parameters: Parameters, activations: Array,
                  tensor: Any) -> SystolicWorkload:
        return self._workload(parameters, activations, tensor, {})

    def _workload(self, parameters: Parameters, activations: Array, tensor: Any,
                  scales: dict[str, Array]) -> SystolicWorkload:
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
                                                     tensor.astype(np.int64), **scales))

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        assert isinstance(parameters, SystolicParameters)
        p = parameters
        if p.requantizes:
            raise UsageError("operands are drawn for --out-format sum only; give --a, --w and "
                             "scales")
        codes, values, step = rounded(p.activation, activations)
        integers, steps = nearest_levels(p.form, weights)
        return Sample(SystolicWorkload(p, Operands(codes, integers)), values, integers * steps,
                      step * steps.T)

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        assert isinstance(parameters, SystolicParameters)
        return parameters.R, parameters.C

    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> SystolicWorkload:
        return self.of_tensor(parameters, activations, read_array(args.w, "--w"))
