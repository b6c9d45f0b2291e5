"""A layer of BitMoD weights on the tile or the array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from lowbit.golden.workload import Beat, Progress, StreamPass, Workload

from .datatypes import get_data_type
from .gemm import Gemm, Operands
from .ports import layer_results, special_value_word
from .tile_parameters import BitmodMeshParameters

__all__ = ["BitmodWorkload"]

Array = NDArray[Any]


class BitmodWorkload(Workload):
    """FP16 activations times weights of a BitMoD data type; see :class:`~.gemm.Gemm`."""

    operand_class = Operands
    parameters: BitmodMeshParameters
    operands: Operands

    def __init__(self, parameters: BitmodMeshParameters, operands: Operands) -> None:
        self.parameters, self.operands = parameters, operands
        self.gemm = Gemm(parameters, operands)
        self.rows, self.columns, self.k = self.gemm.rows, self.gemm.columns, self.gemm.k
        self.operations = self.gemm.cycles.blocks

    @property
    def cycles(self) -> int:
        return self.gemm.stream_cycles

    def golden(self, progress: Progress = lambda done, total: None) -> Array:
        return self.gemm.run(progress)

    def start(self) -> BitmodPass:
        return BitmodPass(self)

    def weights(self) -> str:
        x = self.operands
        scales = ", channel scales" if x.channel_scale is not None else ""
        return f"{x.type_name}, groups of {x.group_size}{scales}"

    def facts(self) -> dict[str, Any]:
        x, cycles = self.operands, self.gemm.cycles
        return {"weights": x.type_name, "group_size": x.group_size,
                "special_values": list(self.gemm.register_file),
                "channel_scale": x.channel_scale is not None,
                "model_cycles": self.cycles,
                "model_utilization": round(cycles.utilization, 4)}

    def notes(self) -> list[str]:
        return [f"cycle model: {self.cycles} cycles, "
                f"{100 * self.gemm.cycles.utilization:.1f} % of the multiply-accumulates possible "
                "in them"]

    def arrays(self) -> dict[str, Any]:
        # the special values in use are an operand of their own
        return super().arrays() | {"dtype": self.operands.dtype.name}

    @classmethod
    def _operands(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"dtype": get_data_type(fields["dtype"])}


class BitmodPass(StreamPass):
    """The streams of a layer, and its results."""

    def __init__(self, workload: BitmodWorkload) -> None:
        self.p, self.gemm = workload.parameters, workload.gemm
        self.beats = workload.operations * self.p.output_beats
        self.words: list[int] = []

    @property
    def done(self) -> bool:
        return len(self.words) == self.beats

    def constants(self) -> Beat:
        return {"sv_write": 0}

    def setup(self) -> Iterator[Beat]:
        """The register file of special values, an entry a cycle."""
        for index, value in enumerate(self.gemm.register_file):
            yield {"sv_write": 1, "sv_index": index, "sv_value": special_value_word(float(value))}
        yield {"sv_write": 0}

    def inputs(self) -> dict[str, Iterator[Beat | None]]:
        return dict(self.gemm.streams())

    def take(self, beat: Beat) -> None:
        self.words.append(beat["values"])
        assert beat["last"] == (len(self.words) % self.p.output_beats == 0), \
            "result_last must mark the last beat of an operation"
        assert not beat.get("clipped"), "no activation is larger than the largest of its group"

    def result(self) -> Array:
        return self.gemm.format.to_array(
            layer_results(self.p, self.words, self.gemm.rows, self.gemm.columns))
