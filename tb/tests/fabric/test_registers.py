"""Register maps from SystemRDL, and the register block made from them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.registers.c_header import c_header
from lowbit.generators.registers.markdown import markdown
from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.golden.registers import RegisterMap, RegisterMapError
from lowbit.hdl.accelerator.registers import accelerator_map
from lowbit.hdl.fabric.register_block import RegisterBlock
from lowbit.hdl.fabric.register_source import compile_map
from lowbit.tb.support.mutation import with_flaws

BENCH = "lowbit.tb.support.register_bench"
TOY = Path(__file__).parents[2] / "support" / "toy_registers.rdl"


@cache
def maps(name: str) -> RegisterMap:
    return compile_map(TOY) if name == "toy" else accelerator_map(ADDRESS_BITS=36)


@cache
def block(name: str) -> Emitted:
    return emit_component(RegisterBlock(maps(name)), top="registers")


def run(name: str, *, verilog: str = "", mutant: int = 0, seed: int = 1,
        stall: float = 0.4) -> Outcome:
    described = [(register.name, register.address,
                  [(register.port(field), field.low, field.width, field.kind, field.reset,
                    field.cleared_by) for field in register.fields])
                 for register in maps(name).registers]
    plan: dict[str, Any] = dict(registers=described, accesses=400, stall=stall)
    return simulate(verilog or block(name).verilog, "registers", BENCH, plan, seed=seed,
                    plusargs=[f"+mutant={mutant}"])


@pytest.mark.parametrize(("name", "stall"), [("toy", 0.0), ("accelerator", 0.5)])
def test_block(name: str, stall: float) -> None:
    outcome = run(name, stall=stall)
    assert outcome.passed, outcome.message
    stats = outcome.stats
    assert min(stats[what] for what in ("reads", "writes", "failed", "pulses")) > 0


#: a change of the Verilog of the toy's block, and what the bench says
FLAWS = {
    "strobe": (r"bus_write_strobes\[1\]", "bus_write_strobes[0]"),
    "event lost": (r"\| mixed_events_set", "& mixed_events_set"),
    "pulse stays": (r"mixed_go <= (\w+);", r"mixed_go <= \1 | mixed_go;"),
    "count": (r"if \(count_a_count\)", "if (count_b_count)"),
    "unmapped": (r"bus_read_fails = 1'h1", "bus_read_fails = 1'h0"),
    "read changes": (r"if \(s_axi_arready\)", "if (1)")}


def test_bench_finds() -> None:
    """One build with all flaws behind a switch; without one the bench passes."""
    text = with_flaws(block("toy").verilog, list(FLAWS.values()))
    for number, flaw in enumerate(["no flaw", *FLAWS]):
        assert run("toy", verilog=text, mutant=number).passed is (number == 0), flaw


def test_accelerator_map() -> None:
    """Parameters are reset values; the parts of an address have its bits."""
    found = accelerator_map(M=4, N=128, ADDRESS_BITS=48)
    assert found["CAP0"].reset == 128 << 16 | 4 << 12 | 4 << 8 | 4
    assert [found[name].address for name in ("ID", "STATUS", "BASE_7_HI", "WR_BEATS")] == \
        [0, 0x1C, 0x7C, 0x9C]
    assert found["BASE_3_HI"].fields[0].width == found["PROG_HI"].fields[0].width == 16
    addresses = [register.address for register in found.registers]
    assert addresses == sorted(set(addresses)) and found.size == 0xA0


@pytest.mark.parametrize(("text", "message"), [
    ("field { desc = \"x\"; sw = w; } a[1] = 0;", "a.R.a: a field must be one of constant"),
    ("field { desc = \"x\"; onread = rclr; } a[1] = 0;", "a.R.a: a field must be one of"),
    ("field { } a[1] = 0;", "a.R.a: a field needs a desc"),
    ("field { desc = \"x\"; } a[1];", "a.R.a: a field of kind control needs a reset value"),
    ("field { desc = \"x\"; counter; sw = r; hwclr; } a[1] = 0;", "hwclr must name a field"),
    ("field { desc = \"x\"; } a[33] = 0;", "a.rdl:.* error"),
    ("field { desc = \"x\"; } a[1] = 0", "a.rdl:.* error")])
def test_refusals(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rdl"
    path.write_text(f"addrmap a {{ reg {{ default hw = r; {text} }} R @ 0; }};")
    with pytest.raises(RegisterMapError, match=message):
        compile_map(path)


def test_block_needs_addresses() -> None:
    with pytest.raises(ValueError, match="registers take 160 bytes"):
        RegisterBlock(maps("accelerator"), address_bits=7)


def test_c_header(tmp_path: Path) -> None:
    """A C compiler takes it, and its numbers are those of the map."""
    registers = maps("accelerator")
    (tmp_path / "registers.h").write_text(c_header(registers, "lut"))
    found = dict(re.findall(r"#define (\w+) (0x[0-9a-f]+|\d+)u",
                            (tmp_path / "registers.h").read_text()))
    expected = {"LUT_STATUS": 0x1C, "LUT_STATUS_CODE_SHIFT": 8, "LUT_STATUS_CODE_MASK": 0xFF00,
                "LUT_BASE_HI": 0x44, "LUT_BASE_HI_STRIDE": 8, "LUT_BASE_LO_COUNT": 8,
                "LUT_CAP0_N_VALUE": 64, "LUT_CYCLES_MASK": 0xFFFFFFFF, "LUT_SIZE": 0xA0}
    assert {name: int(found[name], 0) for name in expected} == expected
    checks = "".join(f"_Static_assert({name} == {value}u, \"\");\n"
                     for name, value in expected.items())
    (tmp_path / "check.c").write_text('#include "registers.h"\n#include "registers.h"\n' + checks)
    done = subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", "-pedantic", "-fsyntax-only",
                           "check.c"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_markdown() -> None:
    lines = markdown(maps("accelerator")).splitlines()
    assert len({len(line) for line in lines}) == 1
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert ["0x40 + 8 i, i < 8", "`BASE_LO`", "31:6", "`value`", "rw", "0x0",
            "Base address, a multiple of 64: byte address, bits 31 to 6"] in rows
    assert ["", "", "1", "`done`", "r, w1 clears", "0x0",
            "a program has ended; write 1 to clear"] in rows
