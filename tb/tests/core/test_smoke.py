"""One small design of each family through emission, simulation and the golden model."""

from __future__ import annotations

from typing import Any

import pytest

import lowbit
from lowbit.generators import registry

SMOKE: dict[str, tuple[str, dict[str, Any]]] = {
    "lut": ("lut_core", dict(M=1, N=2, K=2, a_format="int8")),
    "unpack": ("weight_unpack", {}),
    "baselines": ("fp16_pe", {}),
    "bitmod": ("bitmod_encoder", dict(lanes=1)),
    "systolic": ("systolic", dict(R=1, C=2)),
    "accelerator": ("accel", dict(
        M=1, N=16, K=2, a_format="int8", w_bits=1, chains=1, offset="none", axi_data=64, a_kib=1,
        w_kib=1, s_kib=1, p_kib=1, min_group=8, max_group=16))}


def test_every_family_is_here() -> None:
    assert set(SMOKE) == set(registry.FAMILIES)


@pytest.mark.parametrize("family", SMOKE)
def test_smoke(family: str) -> None:
    name, parameters = SMOKE[family]
    found = lowbit.design(name, **parameters).verify(vectors=100)
    assert found and found.words >= 100, found.message
