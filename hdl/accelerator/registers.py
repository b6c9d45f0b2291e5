"""The accelerator's register map (``golden/accelerator/registers.rdl``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lowbit.golden.accelerator
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.registers import RegisterMap

from ..fabric.register_source import compile_map

__all__ = ["accelerator_map", "registers_of"]


@cache
def accelerator_map(**parameters: int) -> RegisterMap:
    """The map of an accelerator; ``parameters`` as in the source: M, N, K, GROUPS, PLANES, LANES,
    CHAINS, BEAT_BYTES, ACT_BLOCKS, WGT_BLOCKS, SCALE_BLOCKS, PSUM_BLOCKS, ADDRESS_BITS, ISA."""
    source = Path(str(lowbit.golden.accelerator.__file__)).with_name("registers.rdl")
    return compile_map(source, parameters)


def registers_of(p: AccelParameters) -> RegisterMap:
    """What software sees of a design."""
    return accelerator_map(
        M=p.M, N=p.N, K=p.K, GROUPS=p.groups, PLANES=p.w_bits, LANES=p.core.out_lanes,
        CHAINS=p.chains, BEAT_BYTES=p.axi_data // 8, ACT_BLOCKS=p.a_kib * 16,
        WGT_BLOCKS=p.w_kib * 16, SCALE_BLOCKS=p.s_kib * 16, PSUM_BLOCKS=p.p_kib * 16,
        ADDRESS_BITS=p.axi_address)
