"""Cycle model of the BitMoD tile and array (paper sections IV-B and IV-C), exact.

A tile holds rows x columns outputs (output-stationary) and works through the reduction axis
group by group. While a group runs, the sums of the group before are taken over, scaled and added
by an accumulator that some columns share, one row of one column a cycle; groups follow each other
without a bubble as long as a group takes at least ``group_spacing`` cycles. The results of an
operation leave the columns while the first group of the next one runs; that group waits with its
last term until they have left. An array is tile_rows x tile_columns such tiles; operands move one
tile a cycle, so the tile at (i, j) runs i + j cycles behind the first.

Where exponents are scanned, a group begins when the last of its activations has been written and
its exponents are kept: two cycles later, one for the scan and one for them.

Operands are taken to be there when they are wanted, and results to be taken when they are there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from ..timing import Timing
from .datatypes import DataType
from .tile_parameters import BitmodMeshParameters

__all__ = ["LayerCycles", "Operation", "group_interval", "layer_cycles", "operation_cycles",
           "operation_timing", "stream_cycles"]


@dataclass(frozen=True)
class Operation:
    """What an operation is to the schedule."""

    chunks: Sequence[int]   #: of its groups
    terms: int              #: of a weight: cycles of a chunk
    keeps: bool = False     #: its activations stay for the next operation

    @classmethod
    def of_groups(cls, parameters: BitmodMeshParameters, dtype: DataType, sizes: Sequence[int],
                  keeps: bool = False) -> Operation:
        """Groups of so many weights."""
        return cls([-(-size // parameters.lanes) for size in sizes], dtype.terms, keeps)


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of one layer on a tile or array."""

    cycles: int           #: from the first term to the last result, both included
    fill: int             #: from the first operands at the ports to the first term
    busy: int             #: cycles in which the first tile's PEs take a term
    blocks: int           #: blocks of outputs, worked through one after the other
    macs: int             #: multiply-accumulates of the layer
    peak: float           #: multiply-accumulates a cycle that the design could do at this type

    @property
    def utilization(self) -> float:
        """Multiply-accumulates done over those possible in the same cycles."""
        return self.macs / (self.peak * self.cycles)


def group_interval(parameters: BitmodMeshParameters, dtype: DataType, size: int) -> int:
    """Cycles from the end of the group before to the end of a group of ``size`` weights."""
    return max(parameters.cycles(dtype, size), parameters.group_spacing)


def operation_cycles(parameters: BitmodMeshParameters, operations: Sequence[Operation]) -> int:
    """Cycles of operations back to back, from the first term to the last result."""
    p = parameters
    inputs = _ScannedInputs(p) if p.scans else None
    end, spacing, free = -1, 0, 0
    kept = False
    for operation in operations:
        for number, chunks in enumerate(operation.chunks):
            begin = end + 1
            if inputs and not kept:
                begin = max(begin, inputs.write(chunks))
            end = max(begin + operation.terms * chunks - 1, end + spacing,
                      free if number == 0 else 0)
            if inputs and not operation.keeps:
                inputs.use(begin, operation.terms, end)
            spacing = p.group_spacing
        kept = operation.keeps
        free = end + p.output_start + p.output_beats
    return free + p.output_latency if operations else 0


def stream_cycles(parameters: BitmodMeshParameters, operations: Sequence[Operation]) -> int:
    """The same, from the first operands at the ports."""
    return _fill(parameters, operations[0].chunks[0]) + operation_cycles(parameters, operations)


def _fill(parameters: BitmodMeshParameters, chunks: int) -> int:
    """Cycles from the first operands at the ports to the first term of a group of ``chunks``."""
    return parameters.port_latency + (chunks if parameters.scans else 0)


class _ScannedInputs:
    """When the groups of activations are complete, in the order in which they are written.

    A chunk is written each cycle while there is room for it, and for the exponents of the group
    before. Chunks make room at least two cycles apart, so the last one of a group waits longest.
    """

    def __init__(self, p: BitmodMeshParameters) -> None:
        self.p = p
        self.kept_at: int | None = None     # cycle in which the last group's exponents are kept
        self.written = 0                    # chunks
        self.firsts: list[int] = []         # number of the first chunk of each group
        self.uses: list[tuple[int, int, int]] = []  # first cycle, terms, last cycle of each group

    def write(self, chunks: int) -> int:
        """Write the next group; returns the cycle from which it can be used."""
        if self.kept_at is None:            # the first of them begins in cycle 0
            self.kept_at = -_fill(self.p, chunks)
        last = self.written + chunks - 1
        at = self.kept_at + chunks - 1
        if last >= self.p.input_room:
            at = max(at, self._taken(last - self.p.input_room) + self.p.tiles[0])
        self.kept_at = at + 1
        before = len(self.firsts) - self.p.exponent_room
        if before >= 0:
            self.kept_at = max(self.kept_at, self.uses[before][2] + self.p.exponent_turnaround)
        self.firsts.append(self.written)
        self.written = last + 1
        return self.kept_at + 1

    def use(self, begin: int, terms: int, end: int) -> None:
        """The first group that is not yet used leaves its places."""
        self.uses.append((begin, terms, end))

    def _taken(self, chunk: int) -> int:
        """Cycle of the last term of a chunk, after which its place is free."""
        group = bisect_right(self.firsts, chunk) - 1
        begin, terms, end = self.uses[group]
        following = chunk + 1
        if following == (self.firsts[group + 1] if group + 1 < len(self.firsts)
                         else self.written):
            return end
        return begin + terms * (following - self.firsts[group]) - 1


def operation_timing(parameters: BitmodMeshParameters) -> Timing:
    """When the results of an operation come."""
    p = parameters
    return Timing(
        p.output_start + p.output_latency, 1,
        "cycle of the last term of an operation to its first result; a term of each weight a cycle",
        {"output_beats": p.output_beats, "group_spacing": p.group_spacing})


def layer_cycles(parameters: BitmodMeshParameters, dtype: DataType, m: int, n: int, k: int,
                 group_size: int) -> LayerCycles:
    """Cycles of ``m`` activation rows times a layer of ``n`` channels and ``k`` inputs.

    ``parameters`` of a tile, or of an array, whose tiles take neighbouring rows and channels.
    Ragged edges occupy a whole block; a short last group costs its own, shorter, time.
    """
    down, across = parameters.tiles
    rows, columns = parameters.rows * down, parameters.columns * across
    sizes = [min(group_size, k - i) for i in range(0, k, group_size)]
    chunks = [-(-size // parameters.lanes) for size in sizes]
    times, per_row = -(-m // rows), -(-n // columns)
    # an array keeps the activations of a block of rows, if they fit, up to its last columns
    keeps = parameters.keeps(sum(chunks), len(chunks))
    block, last = (Operation(chunks, dtype.terms, kept) for kept in (keeps, False))
    return LayerCycles(
        cycles=operation_cycles(parameters, ([block] * (per_row - 1) + [last]) * times),
        fill=_fill(parameters, chunks[0]), busy=times * per_row * sum(chunks) * dtype.terms,
        blocks=times * per_row, macs=m * n * k,
        peak=rows * columns * parameters.lanes / dtype.terms)
