"""Cycle model of the BitMoD tile and array: figures of the paper and cases counted by hand.

The simulated designs are compared with it cycle by cycle in test_bitmod_rtl_tile.py.
"""

from __future__ import annotations

import pytest

from lowbit.golden.bitmod.cycles import group_interval, layer_cycles, operation_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.parameters import BitmodArrayParameters, BitmodTileParameters


@pytest.mark.parametrize(("name", "terms"), [("int8", 4), ("int6", 3), ("bitmod4", 2), ("fp3", 2)])
@pytest.mark.parametrize("group", [32, 64, 128])
def test_dequantisation_never_stalls(name, terms, group):
    tile = BitmodTileParameters()
    assert group_interval(tile, get_data_type(name), group) == group // 4 * terms


def test_short_groups_wait_for_the_column():
    dtype = get_data_type("fp4")
    # 2 cycles of terms; 8 rows of two columns leave the PEs
    assert group_interval(BitmodTileParameters(), dtype, 4) == 16
    assert group_interval(BitmodTileParameters(scale_columns=1), dtype, 4) == 8
    assert group_interval(BitmodTileParameters(scale_columns=8), dtype, 128) == 64
    # more rows than a group of 32 has cycles: a dequantiser each, and a bubble
    assert group_interval(BitmodTileParameters(rows=32), dtype, 32) == 32
    # one row and column: the scale is kept for the PE's latency
    assert group_interval(BitmodTileParameters(rows=1, columns=1), dtype, 4) == 2
    assert group_interval(BitmodTileParameters(rows=1, columns=1, align="cycle"), dtype, 4) == 3


def test_counted_by_hand():
    tile = BitmodTileParameters(rows=2, columns=2, pipeline=0)
    # one group of 8 cycles ends in cycle 7; operand register, PE, capture, scale, round, two rows
    # of two columns: the first of four results leaves in cycle 16, and the port one later
    assert operation_cycles(tile, [[8]]) == 7 + 9 + 4 + 1
    # the second group of 2 cycles is stretched to 4
    assert operation_cycles(tile, [[8, 2]]) == 7 + 4 + 9 + 4 + 1
    # the next operation's first group ends when the last result has left: in cycle 20
    assert operation_cycles(tile, [[8], [8]]) == 20 + 9 + 4 + 1
    # ... unless it takes longer anyway: 7 + 20
    assert operation_cycles(tile, [[8], [20]]) == 27 + 9 + 4 + 1
    # 3 x 5 outputs: 2 x 3 blocks; 20 inputs in groups of 16
    found = layer_cycles(tile, get_data_type("fp4"), 3, 5, 20, 16)
    assert (found.blocks, found.busy) == (6, 6 * 10)
    # a block: its first group ends 13 cycles after the block before, its second 4 later
    assert found.cycles == 7 + 4 + 5 * (13 + 4) + 13 + 1
    assert found.macs == 300
    assert found.peak == 8
    assert found.utilization == pytest.approx(300 / 8 / found.cycles)


def test_large_layer_on_the_array():
    array = BitmodArrayParameters()
    found = layer_cycles(array, get_data_type("bitmod4"), 256, 4096, 4096, 128)
    assert found.blocks == 8 * 128
    assert found.busy == 1024 * 2048
    # from one block to the next the first group waits for the last results
    wait = array.output_start + array.output_beats - 64
    assert found.cycles == found.busy + 1023 * wait + array.output_start + 64
    assert 0.98 < found.utilization < 1
