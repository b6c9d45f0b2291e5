"""A block of SmolLM2-135M's shapes, two rows, random weights: RTL equals the golden simulator."""

from __future__ import annotations

from typing import Any

import numpy as np

from lowbit.generators.runtime.rtl import build_rtl, rtl
from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import Error
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.tb.support.accel import Memory, activations, product, random_weights

#: as in test_cycles.py: built once
P = AccelParameters(N=32, chains=2, w_kib=8, a_kib=8, s_kib=4, p_kib=2)
#: outputs and inputs of q, k, v, o, gate, up, down
MATRICES = {"q": (576, 576), "k": (192, 576), "v": (192, 576), "o": (576, 576),
            "gate": (1536, 576), "up": (1536, 576), "down": (576, 1536)}


def test_block() -> None:
    native = build_rtl(P, optimize="-O0")
    rng = np.random.default_rng(0)
    for name, (n, k) in MATRICES.items():
        memory = Memory(1 << 22)
        weights = random_weights(rng, n, k, 4, 32, "minimum")
        placed = product(P, memory, activations(rng, P, 2, k), weights)
        golden = Device(P, memory.data.copy())
        assert golden.run(placed.address, placed.instructions) is Error.NONE
        driver: Any = rtl(P, memory.data, native, latency=60, stall=0.1)
        assert driver.run(placed.address, placed.instructions) is Error.NONE
        assert np.array_equal(memory.data, golden.memory), name
