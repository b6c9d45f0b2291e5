"""Emitted Verilog reads well: names of the source, comments, natural order, short lines."""

from __future__ import annotations

import re

import pytest

from lowbit.generators.verilog.shape import WIDTH, natural, unwrap, wrap
from lowbit.tb.support.designs import LINES, emitted

#: an unnamed net: the result of an operator whose value the source does not name
UNNAMED = re.compile(r"_\d+_")


def modules(verilog: str) -> list[tuple[str, str, str, str]]:
    """(comment above, name, ports, body) of each module."""
    return re.findall(r"^((?://[^\n]*\n)*)module (\w+) \((.*?)^\);\n(.*?)^endmodule", verilog,
                      re.M | re.S)


def declared(body: str) -> list[str]:
    return re.findall(r"^  (?:wire|reg) (?:\[\d+:0\] )?(\w+);", body, re.M)


@pytest.mark.parametrize("line", LINES)
def test_text(line: str) -> None:
    verilog = emitted(line).verilog
    found = modules(verilog)
    assert len(found) == len(emitted(line).manifest["modules"])
    for comment, name, ports, body in found:
        assert comment, f"{name} has no comment"
        names = declared(body)
        # a name that the converter made up, or that belongs to a pin
        made_up = [n for n in [*names, *re.findall(r"(\w+),?$", ports, re.M)]
                   if re.search(r"(^|_)(signal|signature|pin|port_\d+)(_|$)", n)]
        assert not made_up, f"{name}: {made_up}"
        assert [n for n in names if n[0] != "_"] == sorted(
            (n for n in names if n[0] != "_"), key=natural)
        instances = re.findall(r"^  \w+ (\w+) \($", body, re.M)
        assert instances == sorted(instances, key=natural)
        long = [text for text in body.splitlines() if len(text) > WIDTH]
        assert not long, f"{name}: {long[0]}"
        # an unnamed net is an operator's result: it is never a register, never driven by a module
        assert not re.search(r"^  reg (?:\[\d+:0\] )?_\d+_;", body, re.M), name
        pins = re.findall(r"^    \.\w+\((_\d+_)\)", body, re.M)
        assert all(f"assign {net} = " in body for net in pins), name
    # constants are folded: none meets another
    assert not re.search(r"= \d+'h[0-9a-f]+ [=!&|^+]=? \d+'h[0-9a-f]+;", verilog)


@pytest.mark.parametrize("line", LINES)
def test_ports_have_comments(line: str) -> None:
    """A comment a stream, and one a port outside of the streams."""
    design = emitted(line)
    top = modules(design.verilog)[0][2]
    for stream in design.manifest["streams"]:
        assert f"// {stream['direction']} stream {stream['name']}: " in top
    alone = [port for port in design.manifest["ports"] if "stream" not in port
             and port["format"] not in ("clock", "reset")]
    commented = len(re.findall(r"^  //.*\n  (?:input|output)", top, re.M))
    assert commented == len(alone) + len(design.manifest["streams"])


def test_registers_have_their_fields_names() -> None:
    """A beat is a register a field, not bits of one."""
    verilog = emitted("lut_core --N 2").verilog
    assert re.search(r"reg (\[\d+:0\] )?weight_beat_last;", verilog)
    assert not re.search(r"\bbeat\[", verilog)


def test_wrapping_is_undone() -> None:
    design = emitted("bitmod_tile --rows 2 --columns 2").verilog
    plain = unwrap(design)
    assert len(plain.splitlines()) < len(design.splitlines())
    assert max(len(text) for text in plain.splitlines()) > WIDTH
    assert wrap(plain).split() == design.split()
    assert unwrap(plain) == plain


def test_natural_order() -> None:
    assert sorted(["c_10", "c_2", "c", "b_3"], key=natural) == ["b_3", "c", "c_2", "c_10"]
