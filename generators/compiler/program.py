"""A compiled model: where its weights lie, and a program for each call and row count.

Three base registers: weights, activations, results. A call reads its rows of activations from the
start of theirs and leaves each matrix's rows of results at a place of its own; calls come one
after another, so all use the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lowbit.golden.accelerator.isa import BLOCK, INSTRUCTION_BITS, to_bytes
from lowbit.golden.accelerator.layout import Matrix
from lowbit.golden.accelerator.linear import (
    instructions_of_pass,
    row_blocks_of_bytes,
    rows_per_pass,
)
from lowbit.golden.accelerator.parameters import AccelParameters

from ..errors import UsageError
from .calls import program_of, result_pitch, result_places
from .image import Image

__all__ = ["Call", "CallShape", "Output", "Placed", "Program"]

Names = tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """A matrix in the image."""

    matrix: Matrix
    group: int              #: as the model has it
    slot: int               #: words of the weight buffer that a chunk fills
    address: int            #: bytes from the start of the weights


@dataclass(frozen=True)
class CallShape:
    """Matrices that share their activations, in the model's order."""

    names: Names
    order: tuple[int, ...]  #: place of each in the program
    fused: str | None       #: what the host writes the activations with: rmsnorm, silu_mul


@dataclass(frozen=True)
class Output:
    """Rows of n FP32 results: bytes from the start of the results, and from row to row."""

    name: str
    n: int
    place: int
    pitch: int


@dataclass(frozen=True)
class Call:
    """A call for a number of rows."""

    names: Names
    rows: int
    k: int
    pitch: int                          #: bytes from a row of activations to the next
    outputs: tuple[Output, ...]
    fused: str | None
    code: bytes
    address: int | None                 #: bytes from the start of the programs; None: not compiled

    @property
    def instructions(self) -> int:
        return len(self.code) * 8 // INSTRUCTION_BITS

    @property
    def activation_bytes(self) -> int:
        return self.rows * self.pitch

    @property
    def result_bytes(self) -> int:
        return max(out.place + self.rows * out.pitch for out in self.outputs)


class Program:
    """A model compiled for a design; see :func:`~.folder.load` and :func:`~.folder.save`.

    ``image``: the weights as they lie in memory; ``code``: all programs; ``compiled``: place and
    bytes of the program of names and a row count.
    """

    def __init__(self, p: AccelParameters, weights: dict[str, Placed], calls: Iterable[CallShape],
                 image: Any, code: bytes, compiled: dict[tuple[Names, int], tuple[int, int]], *,
                 source: str = "", architecture: str = "") -> None:
        self.p, self.weights, self.image, self.code = p, weights, image, code
        self.calls = {call.names: call for call in calls}
        self.compiled, self.source, self.architecture = compiled, source, architecture

    @classmethod
    def emitted(cls, p: AccelParameters, weights: dict[str, Placed], calls: Sequence[CallShape],
                rows: Sequence[int], image: Image, *, source: str, architecture: str) -> Program:
        """Programs of all calls for some row counts."""
        program = cls(p, weights, calls, b"".join(image.pieces), b"", {}, source=source,
                      architecture=architecture)
        pieces: list[bytes] = []
        at = 0
        for count in sorted(set(rows)):
            for call in program.calls.values():
                code = program.emit(call, count)
                program.compiled[call.names, count] = at, len(code)
                padded = code + bytes(-len(code) % BLOCK)
                pieces.append(padded)
                at += len(padded)
        program.code = b"".join(pieces)
        return program

    @property
    def rows(self) -> list[int]:
        """The row counts that are compiled."""
        return sorted({count for _, count in self.compiled})

    def emit(self, call: CallShape, rows: int) -> bytes:
        """The program of a call for any number of rows."""
        placed = [self.weights[name] for name in call.names]
        return to_bytes(program_of(self.p, rows, [w.matrix for w in placed], call.order,
                                   [w.address for w in placed]))

    def sizes(self, rows: int) -> dict[str, int]:
        """Bytes of the largest program, activations and results of any call of so many rows."""
        found = {"program": 0, "activations": 0, "results": 0}
        for names in self.calls:
            matrices = [self.weights[name].matrix for name in names]
            passes = -(-rows // rows_per_pass(self.p, matrices[0].k))
            most = 1 + passes * sum(instructions_of_pass(self.p, m) for m in matrices)
            last = result_places(self.p, rows, matrices)[-1] \
                + rows * result_pitch(self.p, matrices[-1].n)
            for name, size in (("program", most * INSTRUCTION_BITS // 8),
                               ("activations", rows * self._pitch(matrices[0].k)),
                               ("results", last * BLOCK)):
                found[name] = max(found[name], size)
        return found

    def _pitch(self, k: int) -> int:
        return row_blocks_of_bytes(self.p, k) * BLOCK

    def call(self, names: Names, rows: int) -> Call:
        """The call of names, as the model's order has them; emitted now if it is not compiled.

        :class:`UsageError` for names that do not share a call.
        """
        if names not in self.calls:
            raise UsageError(f"no call of the program multiplies by {', '.join(names)} together")
        if rows < 1:
            raise UsageError(f"rows must be at least 1; got {rows}")
        shape, found = self.calls[names], self.compiled.get((names, rows))
        matrices = [self.weights[name].matrix for name in names]
        code = self.emit(shape, rows) if found is None else self.code[found[0]:sum(found)]
        outputs = tuple(
            Output(name, m.n, place * BLOCK, result_pitch(self.p, m.n) * BLOCK)
            for name, m, place in zip(names, matrices, result_places(self.p, rows, matrices),
                                      strict=True))
        return Call(names, rows, matrices[0].k, self._pitch(matrices[0].k), outputs, shape.fused,
                    code, None if found is None else found[0])
