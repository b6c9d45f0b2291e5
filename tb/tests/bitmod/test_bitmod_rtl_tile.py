"""BitMoD tile and array in simulation: bits, cycles, stalls, ragged sizes; 1,024 PEs emitted."""

from __future__ import annotations

import re

import pytest

from lowbit.generators.flow.simulate import simulate
from lowbit.generators.registry import find
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit
from lowbit.golden.bitmod.cycles import operation_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.parameters import BitmodArrayParameters, BitmodTileParameters
from lowbit.golden.parameters import ParameterError

SMALL = BitmodTileParameters(rows=2, columns=2)
#: two rows and two columns of tiles, whose buffers are full and empty all the time
MESH = BitmodArrayParameters(rows=1, columns=2, tile_rows=2, tile_columns=2, input_chunks=16,
                             weight_chunks=8, group_entries=4)


def check(parameters, seeds=(1, 2), vectors=300):
    for seed in seeds:
        found = verify(parameters, seed=seed, vectors=vectors)
        assert found.passed, found.message
        assert found.outcome.stats["words"] >= vectors
        assert found.outcome.stats["smooth_cycles"] == found.outcome.stats["model_cycles"] > 100


def test_tile():
    check(SMALL, seeds=(1, 2, 3))


@pytest.mark.parametrize("options", [
    dict(rows=1, columns=1), dict(rows=2, columns=3, accumulator="digits"),
    dict(rows=2, columns=2, exact=True, channel_scale=False)], ids=str)
def test_fpga_tile(options):
    """Five registers in front of the accumulator: scales and results wait for them."""
    check(BitmodTileParameters(target="fpga", **options), seeds=(1,))


def test_fpga_array():
    check(BitmodArrayParameters(**{**MESH.as_dict(), "target": "fpga", "pipeline": 5,
                                   "accumulator": "fixed", "adder": "operator"}), seeds=(1,))


def test_ragged_tile():
    check(BitmodTileParameters(rows=3, columns=5, lanes=3, max_group=3000, out="fp16"))


def test_wide_output():
    check(BitmodTileParameters(rows=2, columns=4, lanes=2, exact=True, channel_scale=False,
                               out_columns=2, pipeline=0))


@pytest.mark.parametrize("options", [
    dict(rows=1, columns=1), dict(rows=1, columns=4, scale_columns=4),
    dict(rows=3, columns=6, out_columns=2, scale_columns=3), dict(rows=2, scale_columns=1)],
    ids=str)
def test_shared_dequantisers(options):
    check(BitmodTileParameters(lanes=2, max_group=64, **options), seeds=(1,))


def test_array():
    check(MESH, seeds=(1, 2, 3))


@pytest.mark.parametrize(("name", "cycles"), [("int8", 4), ("int6", 3), ("fp4", 2), ("fp3", 2),
                                          ("int4", 2)])
def test_cycles_of_four_weights(name, cycles):
    """Counted: 64 weights more cost 16 times the cycles of four, groups without a bubble."""
    generator = find("bitmod_tile")
    design = emit(SMALL)
    plan = dict(generator=generator.name, parameters=SMALL.as_dict(), vectors=1,
                layers=[(name, 32, 32), (name, 96, 32), (name, 96, 16)])
    outcome = simulate(design, design.top, generator.bench, plan)
    assert outcome.passed, outcome.message
    one, three, short = outcome.stats["layer_cycles"]
    assert three - one == 16 * cycles
    assert short == three          # twice as many groups cost nothing
    groups = [SMALL.cycles(get_data_type(name), 32)] * 3
    assert three == SMALL.port_latency + operation_cycles(SMALL, [groups])


def test_reset_is_needed():
    """The simulation starts from random registers: without the reset it must fail."""
    generator = find("bitmod_tile")
    design = emit(SMALL)
    broken = re.sub(r"    if \(rst\) begin\n.*?    end\n", "", design.verilog, flags=re.S)
    assert broken != design.verilog
    plan = dict(generator=generator.name, parameters=SMALL.as_dict(), vectors=100)
    assert not simulate(broken, design.top, generator.bench, plan).passed


def test_emission_of_1024_pes():
    design = emit(BitmodArrayParameters())
    assert design.manifest["modules"]["bitmod_pe"] == 1024
    assert design.verilog.count("module bitmod_pe ") == 1
    assert len(design.verilog) < 600_000


@pytest.mark.parametrize("p", [
    BitmodTileParameters(rows=3, lanes=8, exact=True, out_columns=2, reset="async_low"),
    MESH, BitmodArrayParameters(target="fpga", pipeline=2, tile_rows=1)])
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
