"""The accelerator's register map (``golden/accelerator/registers.rdl``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lowbit.golden.accelerator
from lowbit.golden.registers import RegisterMap

from ..fabric.register_source import compile_map

__all__ = ["accelerator_map"]


@cache
def accelerator_map(**parameters: int) -> RegisterMap:
    """The map of an accelerator; ``parameters`` as in the source: M, N, K, GROUPS, PLANES, LANES,
    CHAINS, BEAT_BYTES, ACT_BLOCKS, WGT_BLOCKS, SCALE_BLOCKS, PSUM_BLOCKS, ADDRESS_BITS, ISA."""
    source = Path(str(lowbit.golden.accelerator.__file__)).with_name("registers.rdl")
    return compile_map(source, parameters)
