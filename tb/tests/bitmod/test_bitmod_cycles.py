"""Cycle model of the BitMoD tile and array: figures of the paper and cases counted by hand.

The simulated designs are compared with it cycle by cycle in test_bitmod_rtl_tile.py.
"""

from __future__ import annotations

import pytest

from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import (
    Operation,
    group_interval,
    layer_cycles,
    operation_cycles,
    stream_cycles,
)
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters


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
    def cycles(*operations):
        return operation_cycles(tile, [Operation(groups, 1) for groups in operations])

    assert cycles([8]) == 7 + 9 + 4 + 1
    # the second group of 2 cycles is stretched to 4
    assert cycles([8, 2]) == 7 + 4 + 9 + 4 + 1
    # the next operation's first group ends when the last result has left: in cycle 20
    assert cycles([8], [8]) == 20 + 9 + 4 + 1
    # ... unless it takes longer anyway: 7 + 20
    assert cycles([8], [20]) == 27 + 9 + 4 + 1
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


def scanned(p, *operations):
    """Cycles of operations of (chunks of groups, terms) from the first operands at the ports."""
    return stream_cycles(p, [Operation(chunks, terms) for chunks, terms in operations])


def test_scan_counted_by_hand():
    """A first result leaves 9 + 4 cycles after the last term of this tile, see above."""
    tile = BitmodTileParameters(rows=2, columns=2, max_group=16, exponent="scan")
    assert (tile.queue_chunks, tile.input_room) == (4, 5)
    # four chunks in cycles 0 to 3, scan 4, exponents kept 5: terms from there to 12
    assert scanned(tile, ([4], 2)) == 5 + 7 + 9 + 4 + 1
    # the next group is there when the first ends: nothing is lost
    assert scanned(tile, ([4, 4, 4], 2)) == 5 + 23 + 9 + 4 + 1
    # one chunk a group, four cycles a group: rows of columns leave; written in time as well
    assert scanned(tile, ([1, 1, 1], 2)) == 2 + 1 + 4 + 4 + 9 + 4 + 1
    # a group of a chunk, from cycle 25 to 28, ends before the long one behind it is complete: that
    # one enters when the exponents of the short one are in use, in cycles 24 to 31
    tile = BitmodTileParameters(rows=2, columns=2, max_group=32, exponent="scan")
    assert scanned(tile, ([8, 1, 8], 2)) == 33 + 15 + 9 + 4 + 1
    # groups of one chunk: two in the queue
    assert BitmodTileParameters(max_group=4, exponent="scan").queue_chunks == 2


def test_scan_in_small_buffers():
    array = BitmodArrayParameters(rows=1, columns=2, tile_rows=2, tile_columns=2, max_group=16,
                                  input_chunks=4, exponent="scan")
    assert array.exponent_room == 2
    # the buffer holds a group and no more: its last place is free two cycles after its last term,
    # since the lower row of tiles reads a cycle later, and the next group is used two cycles on
    rest = array.output_start + array.output_beats + array.output_latency
    assert scanned(array, ([4, 4], 2)) == 5 + 7 + (2 + 2) + 7 + rest
    # twice as large: nothing lost
    array = BitmodArrayParameters(rows=1, columns=2, tile_rows=2, tile_columns=2, max_group=16,
                                  input_chunks=8, exponent="scan")
    assert scanned(array, ([4, 4], 2)) == 5 + 15 + rest


def test_a_long_scan_costs_its_first_group():
    dtype = get_data_type("bitmod4")
    for cls in (BitmodTileParameters, BitmodArrayParameters):
        given, scan = (layer_cycles(cls(exponent=exponent), dtype, 64, 256, 1024, 128)
                       for exponent in ("given", "scan"))
        assert given.cycles == scan.cycles
        assert (given.fill, scan.fill) == (1, 33)
