"""BitMoD tile and array in simulation: bits, cycles, stalls, ragged sizes; 1,024 PEs emitted."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from typing import Any

import pytest

from lowbit.generators.flow.simulate import simulate
from lowbit.generators.registry import find
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import Operation, stream_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.mutation import with_flaws

SMALL = BitmodTileParameters(rows=2, columns=2)
#: two rows and two columns of tiles, whose buffers are full and empty all the time
MESH: dict[str, Any] = dict(rows=1, columns=2, tile_rows=2, tile_columns=2, input_chunks=16,
                            weight_chunks=8, group_entries=4)
FORMS = ("row", "cycle")


def check(parameters, seeds=(1, 2), vectors=300):
    for seed in seeds:
        found = verify(parameters, seed=seed, vectors=vectors)
        assert found.passed, found.message
        assert found.outcome.stats["words"] >= vectors
        assert found.outcome.stats["smooth_cycles"] == found.outcome.stats["model_cycles"] > 100


@pytest.mark.parametrize("align", FORMS)
def test_tile(align):
    check(BitmodTileParameters(rows=2, columns=2, align=align), seeds=(1, 2, 3))


@pytest.mark.parametrize("options", [
    dict(group_scale="e8m0", flint=True), dict(group_scale="e4m3", align="cycle")], ids=str)
def test_scales_of_block_formats(options):
    check(BitmodTileParameters(rows=1, columns=2, **options), seeds=(1,))


@pytest.mark.parametrize("options", [
    dict(rows=1, columns=1, align="cycle"), dict(rows=2, columns=2),
    dict(rows=2, columns=3, accumulator="digits", align="cycle"),
    dict(rows=2, columns=2, exact=True, channel_scale=False, align="cycle")], ids=str)
def test_fpga_tile(options):
    """Five registers (two) in front of the accumulator: scales and results wait for them."""
    check(BitmodTileParameters(target="fpga", **options), seeds=(1,))


@pytest.mark.parametrize("align", FORMS)
def test_fpga_array(align):
    check(BitmodArrayParameters(**MESH, align=align, target="fpga"), seeds=(1,))


@pytest.mark.parametrize("align", FORMS)
def test_ragged_tile(align):
    check(BitmodTileParameters(rows=3, columns=5, lanes=3, max_group=3000, out="fp16",
                               align=align))


@pytest.mark.parametrize("options", [dict(align="cycle", exact=True, pipeline=0),
                                     dict(align="row", align_bits=40, pipeline=1)], ids=str)
def test_wide_output(options):
    check(BitmodTileParameters(rows=2, columns=4, lanes=2, channel_scale=False, out_columns=2,
                               **options))


@pytest.mark.parametrize("options", [
    dict(rows=1, columns=1), dict(rows=1, columns=4, scale_columns=4),
    dict(rows=3, columns=6, out_columns=2, scale_columns=3), dict(rows=2, scale_columns=1),
    dict(rows=3, columns=2, scale_columns=1, align="cycle")], ids=str)
def test_shared_dequantisers(options):
    check(BitmodTileParameters(lanes=2, max_group=64, **options), seeds=(1,))


@pytest.mark.parametrize("align", FORMS)
def test_array(align):
    check(BitmodArrayParameters(**MESH, align=align), seeds=(1, 2, 3))


def test_tall_array():
    """More tiles down than across: group entries stay for the last row's exponents."""
    check(BitmodArrayParameters(rows=2, columns=1, tile_rows=3, tile_columns=1, input_chunks=8,
                                weight_chunks=8, group_entries=4), seeds=(1, 2))


@pytest.mark.parametrize("options", [
    dict(rows=2, columns=2), dict(rows=1, columns=1, max_group=4), dict(rows=3, lanes=1,
                                                                        max_group=5, columns=2),
    dict(rows=3, columns=5, lanes=3, max_group=33, out="fp16", reset="async_low"),
    dict(rows=2, columns=2, lanes=8, max_group=16, target="fpga")], ids=str)
def test_scanning_tile(options):
    """Exponents found inside: queues of two chunks up, full and empty, whose depth is no power of
    two."""
    check(BitmodTileParameters(**options, exponent="scan"))


@pytest.mark.parametrize("options", [
    dict(MESH, max_group=64), dict(MESH, max_group=16, input_chunks=4),
    dict(MESH, lanes=8, max_group=32, input_chunks=32),
    dict(MESH, rows=2, columns=1, tile_rows=3, tile_columns=1, max_group=32, input_chunks=8),
    dict(MESH, max_group=32, input_chunks=64, target="fpga", reset="async_low")], ids=str)
def test_scanning_array(options):
    """The same with buffers that hold a group and no more, or whole operations that stay."""
    check(BitmodArrayParameters(**options, exponent="scan"))


@pytest.mark.parametrize(("name", "group"), [("fp4", 32), ("fp4", 16), ("int8", 32), ("int6", 4)])
def test_scan_loses_no_cycle(name, group):
    """Counted: once the first group is there, groups follow each other as with exponents given."""
    generator = find("bitmod_tile")
    given = BitmodTileParameters(rows=2, columns=2, max_group=32)
    scan = replace(given, exponent="scan")
    cycles = {}
    for p in (given, scan):
        plan = dict(generator=generator.name, parameters=p.as_dict(), vectors=1,
                    layers=[(name, 4 * group, group)])
        design = emit(p)
        outcome = simulate(design, design.top, generator.bench, plan)
        assert outcome.passed, outcome.message
        cycles[p.exponent], = outcome.stats["layer_cycles"]
    assert cycles["scan"] == cycles["given"] + group // 4


@pytest.mark.parametrize(("name", "cycles"), [("int8", 4), ("int6", 3), ("fp4", 2), ("fp3", 2),
                                          ("int4", 2)])
def test_cycles_of_four_weights(name, cycles):
    """Counted: 64 weights more cost 16 times the cycles of four, groups without a bubble."""
    generator = find("bitmod_tile")
    design = emit(SMALL)
    plan = dict(generator=generator.name, parameters=SMALL.as_dict(), vectors=1,
                layers=[(name, 32, 32), (name, 96, 32), (name, 96, 16)])
    outcome = simulate(design, design.top, generator.bench, plan, blocks=generator.blocks)
    assert outcome.passed, outcome.message
    one, three, short = outcome.stats["layer_cycles"]
    assert three - one == 16 * cycles
    assert short == three          # twice as many groups cost nothing
    operation = Operation.of_groups(SMALL, get_data_type(name), [32] * 3)
    assert three == stream_cycles(SMALL, [operation])


#: lines of the tile's Verilog, and what they become
FAULTS = {
    "given": [
        # the exponents do not go round; integers count in halves; the row flags; the saturation
        (r"leaving_exponents <= \{ leaving_exponents\[4:0\], leaving_exponents\[9:5\] \}",
         "leaving_exponents <= leaving_exponents"),
        (r"(leaving_integers) <= \S+;", r"\1 <= 1'h0;"),
        (r"result_clipped <= \S+;", "result_clipped <= 1'h0;"),
        (r"(assign magnitude = \S+) \| .*;", r"\1;")],
    "scan": [
        # the scan leaves out the last activation of a chunk, or begins no group anew, or ends none
        # with its last chunk; subnormals have field 0
        (r"fields\[19:15\]|fields\[19\]", "1'h0"),
        (r"scan_first <= activation_last", "scan_first <= 1'h0"),
        (r"\.take\(activation_take\)", ".take(activation_take & ~activation_last)"),
        (r"(assign exponent = )\{.*\};", r"\1found;"),
        # the next group is taken while the exponents of the last one wait
        (r"assign (activation_ready) = .*;", r"assign \1 = queue_push_ready;")]}


@pytest.mark.parametrize("exponent", FAULTS)
def test_bench_finds_faults(exponent):
    """One build with all of them behind a switch; without one the bench passes."""
    generator = find("bitmod_tile")
    p = replace(SMALL, exponent=exponent)
    text = with_flaws(emit(p).verilog, FAULTS[exponent])
    plan = dict(generator=generator.name, parameters=p.as_dict(), vectors=300)
    passed = [simulate(text, generator.name, generator.bench, plan,
                       plusargs=[f"+mutant={number}"]).passed
              for number in range(len(FAULTS[exponent]) + 1)]
    assert passed == [True] + [False] * len(FAULTS[exponent])


@pytest.mark.parametrize("exponent", ["given", "scan"])
def test_reset_is_needed(exponent):
    """The simulation starts from random registers: without the reset it must fail."""
    generator = find("bitmod_tile")
    p = replace(SMALL, exponent=exponent)
    design = emit(p)
    broken = re.sub(r"    if \(rst\) begin\n.*?    end\n", "", design.verilog, flags=re.S)
    assert broken != design.verilog
    plan = dict(generator=generator.name, parameters=p.as_dict(), vectors=100)
    mutant = dataclasses.replace(design, verilog=broken)
    assert not simulate(mutant, design.top, generator.bench, plan,
                        blocks=generator.blocks).passed


def test_emission_of_1024_pes():
    design = emit(BitmodArrayParameters())
    assert design.manifest["modules"]["bitmod_pe"] == 1024
    assert design.verilog.count("module bitmod_pe ") == 1
    assert len(design.verilog) < 600_000


@pytest.mark.parametrize("p", [
    BitmodTileParameters(rows=3, lanes=8, align="cycle", exact=True, out_columns=2,
                         reset="async_low"),
    BitmodArrayParameters(**MESH), BitmodArrayParameters(target="fpga", pipeline=2, tile_rows=1)])
def test_parts_have_the_values_of_the_whole(p):
    for part in (p.pe, p.tile, p.tile.pe):
        assert part.as_dict().items() <= p.as_dict().items()
    assert (p.tile.group_spacing, p.tile.output_sets) == (p.group_spacing, p.output_sets)
    assert p.output_start - p.tile.output_start == p.skew + p.read_latency


def test_refusals():
    with pytest.raises(ParameterError, match="--out-columns must divide --columns 8; got 3"):
        BitmodTileParameters(out_columns=3)
    with pytest.raises(ParameterError, match="--scale-columns must divide --columns over "
                       "--out-columns, 4; got 3"):
        BitmodTileParameters(out_columns=2, scale_columns=3)
    with pytest.raises(ParameterError, match="--input-chunks must be a power of two; got 100"):
        BitmodArrayParameters(input_chunks=100)
    with pytest.raises(ParameterError, match="--exponent must be left out unless --align is row"):
        BitmodTileParameters(align="cycle", exponent="scan")
    with pytest.raises(ParameterError, match="--input-chunks must hold a group with --exponent "
                       "scan: --max-group 128 are 32 chunks; got 16"):
        BitmodArrayParameters(input_chunks=16, exponent="scan")
