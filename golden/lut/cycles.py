"""Cycle model of the core, exact where nothing waits: operands and scales are there when they are
wanted, and results are taken when they are there.

A beat is read a cycle. The values of an accumulation leave their chains, one beat of output lanes a
cycle, from ``drain_start`` cycles after its last beat on. With one set of accumulators nothing is
read before they have left, with two no last beat.

Where tables are made inside (or there are none: activations take their way), one waits to be read
while the activations behind it come. Those of an accumulation whose exponents are scanned come
twice, and between the passes a cycle is lost; the scan of the next accumulation may run while the
core waits for its results to leave.
"""

from __future__ import annotations

from collections.abc import Sequence

from .parameters import LutCoreParameters

__all__ = ["accumulation_cycles"]


def accumulation_cycles(p: LutCoreParameters, beats: Sequence[int],
                        tables: Sequence[int] | None = None) -> int:
    """Cycles of accumulations back to back, from the first weight (or activation) beat at the port
    to the last result; ``beats``: weight beats of each, ``tables``: beats of tables of each, where
    these are made inside. With group scales the last one finishes an operation.
    """
    inside = p.table_source == "internal"
    scans = inside and p.is_aligned and not p.can_saturate
    # when the last beat was read, when accumulators are free, and when activations may come
    end, free, port = 0, 0, 0
    for count, steps in zip(beats, tables or beats, strict=True):
        # a beat is read the cycle after it is at the port: weights or tables pass a register
        start = end + 1
        if inside:
            # the first table takes the place of the last one when that has been read
            taken = max(port + (steps + 1) * scans, end)
            start = max(start, taken + 1)
        if p.buffer == "single":
            start = max(start, free)
        end = start + count - 1
        if inside:
            # the last table comes as the one before it is read for the last time
            port = (end - count // steps if steps > 1 else taken) + 1
        if p.buffer == "double":
            end = max(end, free)
        free = end + p.drain_start + p.drain_beats
    return free + p.lane_stages[2]
