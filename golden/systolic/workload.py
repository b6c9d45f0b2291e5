"""A matrix product on the array, tile by tile."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..parameters import ParameterError
from ..requantize import given_requantizer
from ..workload import Pass, Progress, Workload
from .cycles import operation_cycles
from .gemm import Operands, product, weight_codes
from .parameters import SystolicParameters
from .passes import SystolicPass, Tile
from .tile_pass import TilePass
from .weight_tile_pass import WeightTilePass

__all__ = ["SystolicWorkload"]

Array = NDArray[Any]


class SystolicWorkload(Workload):
    """Integer activations times weights of a digit format."""

    operand_class = Operands
    parameters: SystolicParameters
    operands: Operands

    def __init__(self, parameters: SystolicParameters, operands: Operands) -> None:
        self.parameters, self.operands = p, x = parameters, operands
        (self.rows, self.k), (self.columns, k) = x.a.shape, x.w.shape
        if k != self.k:
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{x.a.shape} and {x.w.shape}")
        weight_codes(p, x.w)        # refuses weights that the format has not
        self._check_requantizer()
        across = [slice(n, n + p.C) for n in range(0, self.columns, p.C)]
        if p.dataflow == "os":
            self.tiles = [Tile(slice(m, m + p.R), columns, slice(0, k)) for columns in across
                          for m in range(0, self.rows, p.R)]
        else:
            # an operation that adds to an earlier one comes as late after it as possible
            self.tiles = [Tile(slice(0, self.rows), columns, slice(i, i + p.R * p.dot))
                          for i in range(0, k, p.R * p.dot) for columns in across]
        self.operations = len(self.tiles)
        #: operations that make up an output
        self.chained = 1 if p.dataflow == "os" else -(-k // (p.R * p.dot))

    def _check_requantizer(self) -> None:
        p, x = self.parameters, self.operands
        arrays = {"--multiplier": x.multiplier, "--shift": x.shift, "--zero": x.zero}
        if p.requantizes:
            given_requantizer(arrays, self.columns)
        elif given := [name for name, array in arrays.items() if array is not None]:
            raise ParameterError(f"{given[0]} belongs to --out-format int8; leave it out")

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        x = self.operands
        return product(self.parameters, x.a, x.w, x.requantizer)

    def start(self) -> Pass:
        p = self.parameters
        if p.skew == "in":
            return SystolicPass(self)
        return TilePass(self) if p.dataflow == "os" else WeightTilePass(self)

    @property
    def cycles(self) -> int | None:
        """Cycles of the product by :mod:`.cycles`; None where partial sums wait for results, which
        it does not model, and for a bare tile, which has no streams."""
        p = self.parameters
        if self.chained > 1 or p.skew == "out":
            return None
        beats = -(-self.k // p.dot) if p.dataflow == "os" else self.rows
        return operation_cycles(p, [beats] * self.operations)

    def weights(self) -> str:
        return self.parameters.w_format

    def facts(self) -> dict[str, Any]:
        return {"cycle_model": self.cycles}
