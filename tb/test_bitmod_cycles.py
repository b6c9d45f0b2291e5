"""Cycle model of the BitMoD tile and array: figures of the paper and cases counted by hand."""

from __future__ import annotations

import pytest

from lowbit.golden.bitmod.cycles import group_interval, layer_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.parameters import BitmodArrayParameters, BitmodTileParameters


@pytest.mark.parametrize(("name", "terms"), [("int8", 4), ("int6", 3), ("bitmod4", 2), ("fp3", 2)])
@pytest.mark.parametrize("group", [32, 64, 128])
def test_dequantisation_never_stalls(name, terms, group):
    tile = BitmodTileParameters()
    assert group_interval(tile, get_data_type(name), group) == group // 4 * terms


def test_short_groups_wait_for_the_drain():
    dtype = get_data_type("fp4")
    assert group_interval(BitmodTileParameters(), dtype, 4) == 8          # 2 cycles of terms
    assert group_interval(BitmodTileParameters(rows=32), dtype, 32) == 32


def test_counted_by_hand():
    tile = BitmodTileParameters(rows=2, columns=2)
    # 3 x 5 outputs: 2 x 3 blocks; 20 inputs in groups of 16: 8 cycles, then 2 stretched to 8
    found = layer_cycles(tile, get_data_type("fp4"), 3, 5, 20, 16)
    assert (found.blocks, found.busy) == (6, 6 * 10)
    assert found.cycles == 6 * 16 - 6 + 8 + 2
    assert found.macs == 300 and found.peak == 8
    assert found.utilization == pytest.approx(300 / 800)


def test_large_layer_on_the_array():
    array = BitmodArrayParameters()
    found = layer_cycles(array, get_data_type("bitmod4"), 256, 4096, 4096, 128)
    assert found.blocks == 8 * 128
    assert found.busy == 1024 * 2048
    assert found.cycles == found.busy + 8 + 8 + 6
    assert 0.9999 < found.utilization < 1
