"""The cycle model of programs follows the RTL within 2 %: 21 shapes, eight at more latencies, and
shapes of which k goes in slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowbit.generators.flow.native import Native
from lowbit.generators.runtime.rtl import build_rtl, rtl
from lowbit.golden.accelerator.cycles import timeline
from lowbit.golden.accelerator.isa import Error, from_bytes
from lowbit.golden.accelerator.layout import is_sliced
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.tb.support.accel import Memory, activations, product, random_weights, run

P = AccelParameters(N=32, chains=2, w_kib=8, a_kib=8, s_kib=4, p_kib=2)
#: rows, k, n, bits, group
SHAPES = (
    (2, 64, 64, 4, 32), (2, 576, 192, 4, 32), (1, 576, 192, 4, 32), (1, 512, 96, 2, 32),
    (5, 256, 128, 3, 64), (13, 512, 200, 2, 32), (16, 256, 192, 4, 32), (7, 256, 33, 4, 64),
    (3, 96, 32, 4, 32), (4, 512, 64, 3, 32), (8, 384, 96, 4, 128), (1, 1536, 64, 4, 32),
    (2, 1024, 160, 1, 32), (10, 640, 32, 4, 64), (6, 512, 320, 2, 64), (12, 96, 192, 4, 32),
    (1, 64, 512, 4, 32), (2, 256, 256, 3, 128), (16, 1024, 32, 2, 64), (5, 320, 100, 4, 32),
    (14, 192, 64, 4, 64))
#: more activations than the buffer holds: results are compared, too
SLICED = ((2, 4096, 64, 2, 64), (3, 2112, 300, 1, 32))


@pytest.fixture(scope="module")
def native() -> Native:
    return build_rtl(P, optimize="-O0")      # the compiler would take longer than the runs


@pytest.mark.parametrize(("shape", "latency"), [
    *((shape, 60) for shape in SHAPES), *((shape, at) for shape in SHAPES[:8] for at in (10, 300)),
    *((shape, 60) for shape in SLICED)],
    ids=str)
def test_within_two_percent(shape: tuple[int, ...], latency: int, native: Native) -> None:
    rows, k, n, bits, group = shape
    rng = np.random.default_rng(sum(shape))
    memory = Memory()
    weights = random_weights(rng, n, k, bits, group, "minimum" if n % 2 else "signed")
    placed = product(P, memory, activations(rng, P, rows, k), weights)
    driver: Any = rtl(P, memory.data, native, latency=latency)
    assert driver.run(placed.address, placed.instructions) is Error.NONE
    found = driver.counters()
    code = memory.data[placed.address:placed.address + 16 * placed.instructions].tobytes()
    model = timeline(P, from_bytes(code), latency)
    assert (found.beats, found.read_beats, found.write_beats) == \
        (model.beats, model.read_beats, model.write_beats)
    if shape in SLICED:
        assert is_sliced(P, k)
        golden = Memory()
        golden.data[:] = memory.data
        assert (placed.read(memory) == run(P, golden, placed)).all()
    assert abs(model.cycles / found.cycles - 1) < 0.02, (model.cycles, found.cycles)
