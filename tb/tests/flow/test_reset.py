"""Reset clears control state only: no data register of any design is reset."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lowbit.generators.verilog.emit import emit
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.lut.parameters import LutCoreParameters, LutTableParameters
from lowbit.golden.parameters import Parameters

CORE = LutCoreParameters(M=2, N=2, K=2, w_bits=2, max_k=64, lanes=1, table_source="internal")
TILE = BitmodTileParameters(rows=2, columns=2, lanes=2)
#: the widest control state: a cycle of the sequencer, or a counter of chunks
WIDEST = 12


def reset_registers(verilog: str) -> Iterator[tuple[str, str, int]]:
    """(module, register, width) of every register that the reset clears."""
    for text in re.findall(r"^module .*?^endmodule", verilog, re.M | re.S):
        module = text.split()[1]
        widths = {name: 1 + int(high or 0) for high, name in
                  re.findall(r"^ +(?:output +)?reg +(?:\[(\d+):0\])? *(\w+)[;,]?$", text, re.M)}
        for body in re.findall(r"^ +if \(!?rst(?:_n)?\) begin\n(.*?)^ +end", text, re.M | re.S):
            for name in re.findall(r"(\w+) <=", body):
                yield module, name, widths[name]


@pytest.mark.parametrize("p", [
    CORE, LutCoreParameters(M=1, N=2, K=2, a_format="int8", max_k=64, buffer="double",
                            pipeline=2, reset="async_low"),
    LutCoreParameters(M=1, N=2, K=2, datapath="float", pipeline=0, max_k=64),
    LutTableParameters(K=2, pipeline=2), TILE,
    BitmodTileParameters(rows=2, columns=2, lanes=2, channel_scale=False),
    BitmodArrayParameters(rows=1, columns=1, tile_rows=2, tile_columns=2)],
    ids=lambda p: f"{p.generator} {p.flags()}".replace("--", ""))
def test_no_data_is_reset(p: Parameters) -> None:
    design = emit(p)
    found = list(reset_registers(design.verilog))
    assert found
    for module, name, width in found:
        assert width <= WIDEST, f"{module}.{name} has {width} bits and is reset"
        data = not name.endswith(("_valid", "_ready", "_open")) and re.search(
            r"values|codes|scale|patterns|entries|exponent|result$|sum|acc|held", name)
        assert not data, f"{module}.{name} is reset"


@pytest.mark.parametrize(("p", "modules"), [
    (CORE, ("lut_lane", "lut_cell", "lut_column", "lut_entries", "lut_align")),
    (TILE, ("bitmod_lane", "bitmod_pe", "bitmod_cell", "bitmod_columns", "bitmod_row_flags"))],
    ids=("lut_core", "bitmod_tile"))
def test_datapath_has_no_reset_port(p: Parameters, modules: tuple[str, ...]) -> None:
    verilog = emit(p).verilog
    for module in modules:
        found = re.search(rf"^module {module} \((.*?)\);", verilog, re.M | re.S)
        assert found, module
        assert " rst" not in found[1], module
