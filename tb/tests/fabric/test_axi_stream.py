"""AXI4-Stream ends: the layout of frames, registers and width converters proved by induction, and
each property refuted for a design with a flaw."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from amaranth.lib import data

from lowbit.generators.flow.handshake import forbidden_paths, prove_handshake
from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.golden.frames import Frame, Place, container
from lowbit.hdl.common.field import Field, flag
from lowbit.hdl.fabric.axi_stream import AxisInput, AxisOutput
from lowbit.hdl.fabric.width import Gather, Scatter
from lowbit.tb.support.axis_bench import frame_bytes, read_frame
from lowbit.tb.support.properties import Properties

PAYLOAD = data.StructLayout({"values": Field(3, "numbers", signed=True), "last": flag("the end")})
#: 3 bytes
WIDE = data.StructLayout({"values": Field(9, "numbers", axes={"lane": 1}),
                          "code": Field(2, "a code"), "last": flag("the end")})


# -- layout -------------------------------------------------------------------------------------
def _facts(frame: Frame) -> dict[str, Any]:
    return dict(frame_bytes=frame.size, fields=[
        dict(name=place.name, element_width=place.element_width, count=place.count,
             signed=place.signed, offset=place.offset, container=place.container)
        for place in frame.fields])


def test_containers() -> None:
    assert [container(bits) for bits in (1, 2, 3, 4, 5, 8, 9, 26, 33, 64, 65, 129)] == \
        [1, 2, 4, 4, 8, 8, 16, 32, 64, 64, 128, 192]


@pytest.mark.parametrize("bus", [None, 1, 4, 32])
def test_frames_equal_numpy(bus: int | None) -> None:
    """Random fields: the bytes that NumPy makes of the elements, there and back."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        fields = [Place(f"f{i}", int(rng.choice([*range(1, 34), 64])), int(rng.integers(1, 6)),
                        bool(rng.integers(2))) for i in range(int(rng.integers(1, 5)))]
        frame = Frame.of_fields(fields, bus)
        beat = {place.name: int.from_bytes(rng.bytes(64), "little")
                & (1 << place.element_width * place.count) - 1 for place in frame.fields}
        raw = frame.pack(beat).to_bytes(frame.size, "little")
        assert raw == frame_bytes(_facts(frame), beat)
        assert frame.unpack(int.from_bytes(raw, "little")) == read_frame(_facts(frame), raw) == beat


def test_natural_alignment() -> None:
    """The frame is the C struct of its fields, as NumPy aligns one."""
    frame = Frame.of_fields([Place("flag", 1, 3, False), Place("sums", 19, 2, True),
                             Place("code", 8, 1, False)])
    kind = np.dtype([("flag", "u1"), ("sums", "<i4", (2,)), ("code", "u1")], align=True)
    assert [place.offset for place in frame.fields] == \
        [kind.fields[place.name][1] for place in frame.fields]     # type: ignore[index]
    assert (frame.size, frame.beats, frame.frames) == (kind.itemsize, 1, 1)


def test_buses() -> None:
    fields = [Place("values", 8, 5, False)]
    sizes = {bus: Frame.of_fields(fields, bus) for bus in (None, 2, 4, 8, 16)}
    assert [(f.size, f.beats, f.frames, f.bus_bytes) for f in sizes.values()] == \
        [(5, 1, 1, 5), (6, 3, 1, 2), (8, 2, 1, 4), (8, 1, 1, 8), (8, 1, 2, 16)]
    alone = Frame.of_fields(fields, 16, share=False)
    assert (alone.size, alone.beats, alone.frames) == (16, 1, 1)


# -- proofs -------------------------------------------------------------------------------------
def queue(source: str, sink: str, into: str, out: str) -> Properties:
    """Two registers in a row are a queue of two beats: nothing lost, doubled or out of order, a
    beat a cycle, a cycle late, closed in reset."""
    return Properties(
        inner={"taken_spare_valid": 1, "taken_spare_values": 3, "taken_spare_last": 1,
               "held_open": 1},
        helpers=f"""  reg [1:0] level = 0; reg [3:0] first, second; reg was_reset = 1;
  wire comes = {source}valid & {source}ready, goes = {sink}valid & {sink}ready;
  wire [3:0] beat = {{{source}last, {into}}};""",
        always="""    level <= rst ? 0 : level + comes - goes; was_reset <= rst;
    if (goes) first <= level == 2 ? second : beat;
    else if (level == 0) first <= beat;
    if (level == 1) second <= beat;""",
        properties={
            "there": f"{sink}valid == (level != 0)",
            "in order": f"!{sink}valid | {{{sink}last, {out}}} == first",
            "full rate": f"was_reset | {source}ready == (level != 2)",
            "closed in reset": f"!was_reset | !({source}ready | {sink}valid)"},
        lemmas={
            "spare": "@taken_spare_valid == (level == 2)", "bounded": "level <= 2",
            "second": "level != 2 | {@taken_spare_last, @taken_spare_values} == second",
            "open": f"@held_open == !(was_reset | {sink}valid)"})


INPUT = queue("axis_t", "beat_", "axis_tdata[2:0]", "beat_values")
OUTPUT = queue("beat_", "axis_t", "beat_values", "axis_tdata[2:0]")
GATHER = Properties(
    inner={"place": 2, "held_0": 2, "held_1": 2},
    helpers="""  reg [1:0] n = 0; reg [5:0] seen = 0;
  wire complete = part_last | n == 2, comes = part_valid & part_ready;
  wire [5:0] all = seen | {4'd0, part_data} << (2 * n);""",
    always="""    n <= rst | (comes & complete) ? 0 : n + comes;
    seen <= rst | (comes & complete) ? 0 : comes ? all : seen;""",
    properties={
        "a word": "word_valid == (part_valid & complete)",
        "its parts": "!word_valid | word_data == all",
        "its end": "!word_valid | word_last == part_last",
        "a part a cycle": "part_ready == (!complete | word_ready)"},
    lemmas={"place": "n == @place & n <= 2",
            "seen": "seen == {2'd0, n == 2 ? @held_1 : 2'd0, n != 0 ? @held_0 : 2'd0}"})
SCATTER = Properties(
    inner={"place": 2},
    helpers="""  reg [1:0] n = 0;
  wire ends = n == 2 | !word_keep[n + 1];""",
    always="    n <= rst | (part_valid & part_ready & ends) ? 0 : n + (part_valid & part_ready);",
    properties={
        "a part": "part_valid == word_valid",
        "its data": "part_data == word_data[2 * n +: 2]",
        "its end": "part_last == (word_last & ends)",
        "the word stays": "word_ready == (part_ready & ends)"},
    lemmas={"place": "n == @place & n <= 2"})

PROVED: dict[str, tuple[Any, Properties]] = {
    "input": (lambda: AxisInput(PAYLOAD), INPUT),
    "output": (lambda: AxisOutput(PAYLOAD), OUTPUT),
    "gather": (lambda: Gather(2, 3), GATHER), "scatter": (lambda: Scatter(2, 3), SCATTER)}
#: by part and property: a change of the Verilog (pattern, text) that breaks it
SKID = {
    "there": (r"(axis_t|beat_)valid <= held_stays", r"\1valid <= held_load"),
    "in order": (r"taken_values = taken_spare_valid \?", "taken_values = 1'h0 ?"),
    "full rate": (r"(\w+ready) <= (_\d+_);", r"\1 <= \2 & ~ \1;"),
    "closed in reset": (r"(\w+ready) <= 1'h0;", r"\1 <= 1'h1;")}
FLAWS: dict[str, dict[str, tuple[str, str]]] = {
    "input": SKID, "output": SKID,
    "gather": {
        "a word": (r"place == 2'h2", "place == 2'h1"),
        "its parts": (r"held_0 <= part_data", "held_0 <= held_1"),
        "its end": (r"assign word_last = part_last", "assign word_last = 1'h0"),
        "a part a cycle": (r"assign part_ready = .*;", "assign part_ready = word_ready;")},
    "scatter": {
        "a part": (r"assign part_valid = word_valid", "assign part_valid = word_valid & word_last"),
        "its data": (r"word_data\[3:2\]", "word_data[2:1]"),
        "its end": (r"assign part_last = .*;", "assign part_last = word_last;"),
        "the word stays": (r"assign word_ready = .*;", "assign word_ready = part_ready;")}}


@cache
def part(name: str) -> Emitted:
    return emit_component(PROVED[name][0](), top="part")


@pytest.mark.parametrize("name", PROVED)
def test_proved(name: str) -> None:
    assert PROVED[name][1].prove(part(name)).proved


@pytest.mark.parametrize(("name", "broken"),
                         [(name, broken) for name in PROVED for broken in FLAWS[name]])
def test_refuted(name: str, broken: str) -> None:
    properties = PROVED[name][1]
    assert FLAWS[name].keys() == properties.properties.keys()
    text = re.sub(*FLAWS[name][broken], part(name).verilog)
    assert text != part(name).verilog
    assert properties.refute(text, part(name), broken, steps=8).answer == "refuted"


def test_padding_is_proved() -> None:
    """What fills a container is its sign, what fills a frame 0."""
    filled = Properties(properties={
        "sign": "!axis_tvalid | axis_tdata[3] == axis_tdata[2]",
        "zero": "!axis_tvalid | axis_tdata[7:4] == 0"},
        lemmas={"held": "axis_tdata[3] == axis_tdata[2] & axis_tdata[7:4] == 0"})
    found = part("output")
    assert "axis_tdata <=" in found.verilog
    assert filled.refute(found.verilog.replace("axis_tdata <=", "axis_tdata <= 8'h08 ^"), found,
                         "sign").answer == "refuted"
    only = Properties(properties=filled.properties)
    # from the first beat on: what is there before is not looked at
    assert only.prove(found).proved


@pytest.mark.parametrize("width", [None, 1, 2, 8])
@pytest.mark.parametrize("kind", [AxisInput, AxisOutput])
def test_a_bus_can_carry_it(kind: Any, width: int | None) -> None:
    """Of every conversion: no path through, valid and payload hold, nothing moves in reset."""
    found = emit_component(kind(WIDE, width), top="part")
    assert forbidden_paths(found.verilog, found.manifest) == []
    assert prove_handshake(found.verilog, found.manifest)


def test_no_counts_below_two() -> None:
    for kind in (Gather, Scatter):
        with pytest.raises(ValueError, match="count must be at least 2; got 1"):
            kind(8, 1)
