"""The comparison with the core's model finds mistakes: each of these makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lowbit.golden.accelerator import device, lut_engine, lut_layout
from lowbit.golden.accelerator.isa import Instruction
from lowbit.golden.accelerator.lut_engine import Expanded
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import added
from lowbit.golden.lut.row_scaled import step
from lowbit.tb.support.accel import Memory, activations, expected, product, random_weights, run

P = AccelParameters(N=32, chains=2, axi_data=64, a_kib=8, w_kib=16, s_kib=2, p_kib=2)
Patch = Callable[[pytest.MonkeyPatch], None]


def dead_row(patch: pytest.MonkeyPatch) -> None:
    real = lut_engine.expand

    def wrong(*args: Any) -> Expanded:
        x = real(*args)
        live = x.live.copy()
        live[-1] = False
        return replace(x, live=live)
    patch.setattr(lut_engine, "expand", wrong)


def plane_order(patch: pytest.MonkeyPatch) -> None:
    real = step
    patch.setattr(lut_engine, "step", lambda values, plane: real(values, max(plane - 1, 0)))


def truncation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lut_engine, "step", lambda values, plane: values >> plane)


def double_rounding(patch: pytest.MonkeyPatch) -> None:
    real = lut_engine.rounded
    patch.setattr(lut_engine, "rounded", lambda integers, exponent, bits: real(
        integers & ~np.int64(1), exponent, bits))


def order_of_groups(patch: pytest.MonkeyPatch) -> None:
    real = added
    patch.setattr(lut_engine, "added", lambda shares, y: real(shares[::-1], y))


def columns(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lut_layout._Packer, "_physical", lambda self, values: np.concatenate(
        [values, np.zeros((self.p.N - len(values), *values.shape[1:]), values.dtype)]))


def scale_of_neighbour(patch: pytest.MonkeyPatch) -> None:
    real = lut_engine.LutEngine._physical
    patch.setattr(lut_engine.LutEngine, "_physical", lambda self, words, count: np.roll(
        real(self, words, count), int(words.ndim == 2), axis=1))    # results have three axes


def lost_tokens(patch: pytest.MonkeyPatch) -> None:
    """A program without order: loads overtake what still reads their slot."""
    patch.setattr(device, "_pops", lambda unit, i: [])


def stale_tables(patch: pytest.MonkeyPatch) -> None:
    real = device.Device._lda

    def wrong(self: device.Device, i: Instruction) -> None:
        kept = dict(self._expanded)
        real(self, i)
        self._expanded.update(kept)
    patch.setattr(device.Device, "_lda", wrong)


def differences(seed: int) -> int:
    """Results that differ, over two passes of rows and several chunks."""
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, 70, 256, 4, 64, "minimum")
    codes = activations(rng, P, 21, 256)
    memory = Memory()
    placed = product(P, memory, codes, weights, slot_words=128)
    return int((run(P, memory, placed, seed) != expected(P, codes, weights, 64)).sum())


def test_no_mistake() -> None:
    assert differences(1) == 0


@pytest.mark.parametrize("mistake", [
    dead_row, plane_order, truncation, double_rounding, order_of_groups, columns,
    scale_of_neighbour, lost_tokens, stale_tables])
def test_mistakes_are_found(mistake: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake(monkeypatch)
    assert differences(1) > 0
