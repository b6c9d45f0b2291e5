"""The accelerator's register map (``registers.rdl``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ..registers import RegisterMap, compile_map

__all__ = ["SOURCE", "accelerator_map"]

SOURCE = Path(__file__).with_name("registers.rdl")


@cache
def accelerator_map(**parameters: int) -> RegisterMap:
    """The map of an accelerator; ``parameters`` as in the source: M, N, K, GROUPS, PLANES, LANES,
    CHAINS, BEAT_BYTES, ACT_BLOCKS, WGT_BLOCKS, SCALE_BLOCKS, PSUM_BLOCKS, ADDRESS_BITS, ISA."""
    return compile_map(SOURCE, parameters)
