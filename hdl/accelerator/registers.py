"""The accelerator's register map (``golden/accelerator/registers.rdl``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lowbit.golden.accelerator
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.registers import RegisterMap

from ..fabric.register_source import compile_map

__all__ = ["SOURCE", "accelerator_map", "registers_of"]

#: the map's SystemRDL
SOURCE = Path(str(lowbit.golden.accelerator.__file__)).with_name("registers.rdl")


@cache
def accelerator_map(**parameters: int) -> RegisterMap:
    """The map of an accelerator; ``parameters`` as in the source: M, N, K, GROUPS, PLANES, LANES,
    CHAINS, BEAT_BYTES, ACT_BLOCKS, WGT_BLOCKS, SCALE_BLOCKS, PSUM_BLOCKS, ADDRESS_BITS, ISA."""
    return compile_map(SOURCE, parameters)


def registers_of(p: AccelParameters) -> RegisterMap:
    """What software sees of a design."""
    return accelerator_map(**p.register_parameters)
