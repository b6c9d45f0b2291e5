"""One small design of each family through emission, simulation and the golden model."""

from __future__ import annotations

from typing import Any

import pytest

import lowbit
from lowbit.generators import registry

SMOKE: dict[str, tuple[str, dict[str, Any]]] = {
    "lut": ("lut_core", dict(M=1, N=2, K=2, a_format="int8")),
    "baselines": ("fp16_pe", {}),
    "bitmod": ("bitmod_encoder", dict(lanes=1))}


def test_every_family_is_here() -> None:
    assert set(SMOKE) == set(registry.FAMILIES)


@pytest.mark.parametrize("family", SMOKE)
def test_smoke(family: str) -> None:
    name, parameters = SMOKE[family]
    found = lowbit.design(name, **parameters).verify(vectors=100)
    assert found and found.words >= 100, found.message
