"""What the engines and the slave keep on the bus in every cycle, by induction; and each property
refuted for a design with a flaw.

Helper registers follow what moves over the bus. Lemmas tie them to registers inside the design:
without them induction starts from states that cannot be.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from lowbit.generators.flow.handshake import forbidden_paths, prove_handshake
from lowbit.generators.verilog.emit import Emitted, emit_component
from lowbit.hdl.fabric.axi import Axi4, AxiLite
from lowbit.hdl.fabric.axi_lite import AxiLiteSlave
from lowbit.hdl.fabric.dma_read import DmaRead
from lowbit.hdl.fabric.dma_write import DmaWrite
from lowbit.hdl.fabric.register_block import RegisterBlock
from lowbit.hdl.fabric.register_source import compile_map
from lowbit.tb.support.properties import Properties
from lowbit.tb.tests.fabric.test_registers import TOY

OUTSTANDING = 2
BITS = 128
BYTES = BITS // 8


def held(channel: str, *fields: str, unless: str = "0") -> tuple[str, str, str]:
    """What waits stays: helper registers, their update, the property."""
    value = "{" + ", ".join(f"{channel}{field}" for field in fields) + "}"
    name = channel.removeprefix("m_axi_").removeprefix("s_axi_").rstrip("_")
    return (f"  reg {name}_waits = 0; reg [{BITS + 63}:0] {name}_old;",
            f"    {name}_waits <= {channel}valid & !{channel}ready & !rst & !({unless}); "
            f"{name}_old <= {value};",
            f"!{name}_waits | ({channel}valid & {value} == {name}_old)")


def burst(channel: str) -> str:
    """Aligned, and inside of 4 KiB."""
    return (f"!{channel}valid | ({channel}addr % {BYTES} == 0 & "
            f"{channel}addr[11:0] + ({channel}len + 13'd1) * {BYTES} <= 4096)")


ADDRESS = "addr", "len", "size", "burst", "lock", "cache", "prot"
AR, R = held("m_axi_ar", *ADDRESS), held("m_axi_r", "data", "last", "resp")
DATA = held("data_", "data", "last", "tag", "error", unless="abort")
READ = Properties(
    inner={"queue.level": 2, "splitter.busy": 1, "splitter.first": 6, "splitter.last": 6,
           "splitter.windows": 11, "aborting": 1},
    helpers=f"""{AR[0]}
{R[0]}
{DATA[0]}
  // bursts whose address was taken and whose last beat was not
  reg [7:0] on_way = 0;
  // blocks that commands asked for and addresses that were taken did not; exact up to an abort
  reg [17:0] left = 0; reg exact = 1;
  reg stopped = 0;
  wire ar_moves = m_axi_arvalid & m_axi_arready, r_moves = m_axi_rvalid & m_axi_rready;
  wire [17:0] ar_blocks = m_axi_arvalid ? (m_axi_arlen + 18'd1) * {BYTES} / 64 : 0;
  wire [17:0] inside = @splitter.busy ? {{@splitter.windows, @splitter.last}}
                       - @splitter.first + 18'd1 : 0;""",
    always=f"""{AR[1]}
{R[1]}
{DATA[1]}
    on_way <= rst ? 0 : on_way + ar_moves - (r_moves & m_axi_rlast);
    left <= rst ? 0 : left + (command_valid & command_ready ? command_length : 0)
                      - (ar_moves ? ar_blocks : 0);
    exact <= rst | (exact & !abort);
    stopped <= !rst & (abort | (stopped & !idle));""",
    # the memory answers what was asked, and holds a beat that waits
    assumes=("!m_axi_rvalid | on_way != 0", R[2]),
    properties={
        "an address stays": AR[2], "data stay": DATA[2], "a burst": burst("m_axi_ar"),
        "bounded": f"on_way + m_axi_arvalid <= {OUTSTANDING}",
        "nothing that was not asked": "!m_axi_rready | on_way != 0 | m_axi_arvalid",
        "all of a command": "!exact | (left >= ar_blocks & (!idle | left == 0))",
        "idle": "!idle | (on_way == 0 & !m_axi_arvalid)",
        "no burst after an abort": "!stopped | !m_axi_arvalid | ar_waits",
        "no data after an abort": "!stopped | !data_valid"},
    lemmas={
        "level": "on_way + m_axi_arvalid == @queue.level",
        "left": "!exact | left == inside + ar_blocks",
        "positive": "!@splitter.busy | (inside != 0 & inside < 18'h10000)",
        "stopped": "stopped == @aborting", "dropped": "!stopped | !@splitter.busy",
        "exact": "!exact | !stopped"})

AW, W = held("m_axi_aw", *ADDRESS), held("m_axi_w", "data", "strb", "last")
DONE = held("done_", "tag", "error", unless="abort")
WRITE = Properties(
    inner={"queue.level": 2, "queue.entry_0_final": 1, "queue.entry_1_final": 1,
           "splitter.busy": 1, "splitter.first": 8, "splitter.last": 8, "splitter.windows": 5,
           "aborting": 1, "filling": 1, "left": 8},
    helpers=f"""{AW[0]}
{W[0]}
{DONE[0]}
  // addresses taken, bursts of data taken, each less answers; commands taken less ends
  reg [7:0] owed = 0, complete = 0, open = 0; reg exact = 1;
  reg stopped = 0, stopped_before = 0;
  // beats to come of the bursts whose address was seen: a second one is seen while the last beat
  // of the first one waits
  reg [8:0] beats_0 = 0, beats_1 = 0;
  wire aw_new = m_axi_awvalid & !aw_waits;
  wire [8:0] aw_beats = m_axi_awlen + 9'd1;
  wire [8:0] first = beats_0 == 0 & aw_new ? aw_beats : beats_0;
  wire [8:0] second = beats_0 != 0 & aw_new ? aw_beats : beats_1;
  wire aw_moves = m_axi_awvalid & m_axi_awready, w_moves = m_axi_wvalid & m_axi_wready;
  wire b_moves = m_axi_bvalid & m_axi_bready;
  wire through = w_moves & first == 1;""",
    always=f"""{AW[1]}
{W[1]}
{DONE[1]}
    owed <= rst ? 0 : owed + aw_moves - b_moves;
    complete <= rst ? 0 : complete + (w_moves & m_axi_wlast) - b_moves;
    open <= rst ? 0 : open + (command_valid & command_ready & command_length >= 2)
                      - (done_valid & done_ready);
    beats_0 <= rst ? 0 : through ? second : first - w_moves;
    beats_1 <= rst | through ? 0 : second;
    exact <= rst | (exact & !abort);
    stopped <= !rst & (abort | (stopped & !idle)); stopped_before <= stopped & !rst;""",
    # the memory answers what it got
    assumes=("!m_axi_bvalid | (owed != 0 & complete != 0)",),
    properties={
        "an address stays": AW[2], "a beat stays": W[2], "an end stays": DONE[2],
        "a burst": burst("m_axi_aw"),
        "last": "!m_axi_wvalid | (first != 0 & m_axi_wlast == (first == 1))",
        "bounded": f"owed + m_axi_awvalid <= {OUTSTANDING}",
        "nothing that was not asked": "!data_ready | first + second > m_axi_wvalid",
        "an end a command": "!exact | ((!done_valid | open != 0) & (!idle | open == done_valid))",
        "idle": "!idle | (owed == 0 & !m_axi_awvalid & !m_axi_wvalid & first == 0)",
        "no burst after an abort": "!stopped | !m_axi_awvalid | aw_waits",
        "no data after an abort": "!stopped | !data_ready",
        "no strobe after an abort": "!stopped_before | !m_axi_wvalid | w_waits | "
                                    "m_axi_wstrb == 0"},
    lemmas={
        "level": "owed + m_axi_awvalid == @queue.level",
        "positive": "!@splitter.busy | @splitter.windows != 0 | @splitter.last >= @splitter.first",
        "complete": f"complete <= {OUTSTANDING}",
        "bursts": "complete + (first != 0) + (second != 0) == @queue.level",
        "beats": "first + second == m_axi_wvalid + (@filling ? @left + 9'd1 : 9'd0)",
        "second": "second == 0 | (first == 1 & m_axi_wvalid & m_axi_wlast & @filling)",
        "filling": "!m_axi_wvalid | (m_axi_wlast ? !@filling | second != 0 : @filling)",
        "empty": "beats_0 != 0 | beats_1 == 0",
        "open": "!exact | open == @splitter.busy + done_valid + (@queue.level >= 1 & "
                "@queue.entry_0_final) + (@queue.level >= 2 & @queue.entry_1_final)",
        "stopped": "stopped == @aborting", "dropped": "!stopped | !@splitter.busy",
        "exact": "!exact | !stopped"})

#: of beats that come in parts: the same, and what the register holds
PARTS = 4
PART = BITS // PARTS
PIECES = Properties(
    inner=WRITE.inner, lemmas=WRITE.lemmas, assumes=WRITE.assumes,
    helpers=f"""{WRITE.helpers}
  // parts since reset, and the last one for each place; a beat was full a cycle ago
  reg [{PARTS - 1}:0] known = 0; reg [{BITS - 1}:0] made; reg was_full = 0;
  wire comes = data_valid & data_ready; integer i;""",
    always=f"""{WRITE.always}
    was_full <= comes & data_full & !rst;
    known <= rst ? 0 : known | (comes ? data_places : 0);
    for (i = 0; i < {PARTS}; i = i + 1)
      if (comes & data_places[i]) made[i * {PART} +: {PART}] <= data_data[i * {PART} +: {PART}];""",
    properties=dict(WRITE.properties) | {
        "parts stay": " & ".join(
            f"(!known[{i}] | m_axi_wdata[{i * PART} +: {PART}] == made[{i * PART} +: {PART}])"
            for i in range(PARTS)),
        "a beat leaves when it is full": "stopped_before | w_waits | m_axi_wvalid == was_full"})
PIECES_FLAWS = {
    "a beat stays": (r"assign write_free = .*;", "assign write_free = 1'h1;"),
    "parts stay": (r"data_places\[1\]", "data_places[0]"),
    "a beat leaves when it is full": (r"comes & data_full", "comes")}

B, READ_DATA = held("s_axi_b", "resp"), held("s_axi_r", "data", "resp")
SLAVE = Properties(
    inner={"address_held": 1, "data_held": 1},
    helpers=f"""{B[0]}
{READ_DATA[0]}
  // addresses and data taken, less answers
  reg [7:0] addresses = 0, words = 0, reads = 0; reg was_reset = 1, wrote = 0;""",
    always=f"""{B[1]}
{READ_DATA[1]}
    addresses <= rst ? 0 : addresses + (s_axi_awvalid & s_axi_awready)
                           - (s_axi_bvalid & s_axi_bready);
    words <= rst ? 0 : words + (s_axi_wvalid & s_axi_wready) - (s_axi_bvalid & s_axi_bready);
    reads <= rst ? 0 : reads + (s_axi_arvalid & s_axi_arready) - (s_axi_rvalid & s_axi_rready);
    was_reset <= rst; wrote <= write & !rst;""",
    properties={
        "an answer stays": B[2], "data stay": READ_DATA[2],
        "an answer a write": "!s_axi_bvalid | (addresses != 0 & words != 0)",
        "bounded": "addresses <= 2 & words <= 2 & reads <= 1",
        "data a read": "s_axi_rvalid == (reads != 0)",
        "reads never wait": "was_reset | s_axi_arready | s_axi_rvalid",
        "writes never wait": "write | s_axi_bvalid | addresses == 0 | words == 0",
        "a write is answered": "!wrote | s_axi_bvalid"},
    lemmas={"addresses": "addresses == @address_held + s_axi_bvalid",
            "words": "words == @data_held + s_axi_bvalid",
            "open": "!(s_axi_awready & @address_held) & !(s_axi_wready & @data_held) & "
                    "!(s_axi_arready & s_axi_rvalid)",
            "closed": "was_reset | s_axi_arready | s_axi_rvalid"})

#: by design and property: a change of the Verilog (pattern, text) that breaks it
FLAWS: dict[str, dict[str, tuple[str, str]]] = {
    "read": {
        "an address stays": (r"assign free = .*;", "assign free = 1'h1;"),
        "data stay": (r"assign data_last = (.*);", r"assign data_last = \1 & command_valid;"),
        "a burst": (r"burst_final \? last : 6'h3f", "last"),
        "bounded": (r"push_ready = level != 2'h2", "push_ready = 1'h1"),
        "nothing that was not asked": (r"(m_axi_rready) = queue_pop_valid &", r"\1 ="),
        "all of a command": (r"run_last = command_length - 16'h0001", "run_last = command_length"),
        "idle": (r"assign idle = .*;", "assign idle = ~ splitter_busy;"),
        "no burst after an abort": (r"(splitter_burst_ready) = (\w+) & \w+", r"\1 = \2"),
        "no data after an abort": (r"(assign data_valid) = (\w+) & \w+", r"\1 = \2")},
    "write": {
        "an address stays": (r"assign address_free = .*;", "assign address_free = 1'h1;"),
        "a beat stays": (r"assign write_free = .*;", "assign write_free = 1'h1;"),
        "an end stays": (r"m_axi_bready <= \w+;", "m_axi_bready <= 1'h1;"),
        "a burst": (r"burst_final \? last : 8'hff", "last"),
        "last": (r"is_last = left == 8'h00", "is_last = left == 8'h01"),
        "bounded": (r"push_ready = level != 2'h2", "push_ready = 1'h1"),
        "nothing that was not asked": (r"assign data_ready = .*;",
                                       "assign data_ready = write_free;"),
        "an end a command": (r"answered & queue_pop_final", "answered"),
        "idle": (r"assign idle = .*;", "assign idle = ~ splitter_busy;"),
        "no burst after an abort": (r"assign stop = .*;", "assign stop = 1'h0;"),
        "no data after an abort": (r"(assign data_ready) = (\w+) & \w+", r"\1 = \2"),
        "no strobe after an abort": (r"write_pairs <= .*;", "write_pairs <= 8'hff;")},
    "slave": {
        "an answer stays": (r"(assign write) = (\w+) & \w+;", r"\1 = \2;"),
        "data stay": (r"if \(s_axi_arready\)", "if (1)"),
        "an answer a write": (r"= address_held & data_held", "= address_held"),
        "bounded": (r"s_axi_awready <= \w+;", "s_axi_awready <= 1'h1;"),
        "data a read": (r"s_axi_rvalid & (\w+)", r"s_axi_rvalid & \1 & ~ read_fails"),
        "reads never wait": (r"s_axi_arready <= (\w+);", r"s_axi_arready <= \1 & ~ write;"),
        "writes never wait": (r"(assign write) = (.*);", r"\1 = \2 & ~ s_axi_arvalid;"),
        "a write is answered": (r"(s_axi_bvalid) <= (\w+);", r"\1 <= \2 & ~ write_fails;")}}
DESIGNS = {"read": READ, "write": WRITE, "slave": SLAVE}


@cache
def design(name: str) -> Emitted:
    bus = Axi4(BITS)
    parts = {"read": lambda: DmaRead(bus, outstanding=OUTSTANDING),
             "write": lambda: DmaWrite(bus, outstanding=OUTSTANDING),
             "pieces": lambda: DmaWrite(bus, outstanding=OUTSTANDING, parts=PARTS),
             "slave": lambda: AxiLiteSlave(AxiLite(8))}
    return emit_component(parts[name](), top=name)


@pytest.mark.parametrize("name", DESIGNS)
def test_proved(name: str) -> None:
    assert DESIGNS[name].prove(design(name)).proved


@pytest.mark.parametrize(("name", "broken"),
                         [(name, broken) for name in DESIGNS for broken in FLAWS[name]])
def test_refuted(name: str, broken: str) -> None:
    assert FLAWS[name].keys() == DESIGNS[name].properties.keys()
    text = re.sub(*FLAWS[name][broken], design(name).verilog)
    assert text != design(name).verilog
    assert DESIGNS[name].refute(text, design(name), broken).answer == "refuted"


def test_pieces() -> None:
    assert PIECES.prove(design("pieces")).proved


@pytest.mark.parametrize("broken", PIECES_FLAWS)
def test_pieces_refuted(broken: str) -> None:
    text = re.sub(*PIECES_FLAWS[broken], design("pieces").verilog)
    assert text != design("pieces").verilog
    assert PIECES.refute(text, design("pieces"), broken).answer == "refuted"


def test_register_block() -> None:
    """All streams of a whole block: no path that a bus forbids, nothing moves in reset."""
    block = emit_component(RegisterBlock(compile_map(TOY)), top="block")
    assert forbidden_paths(block.verilog, block.manifest) == []
    assert prove_handshake(block.verilog, block.manifest)


def test_paths() -> None:
    """With registers the read engine has no path that a bus forbids; without, those from its data
    to the bus. Of the write engine only the way in for data follows the bus."""
    def paths(component: Any) -> set[str]:
        found = emit_component(component, top="engine")
        return set(forbidden_paths(found.verilog, found.manifest))

    bus = Axi4(64)
    assert paths(DmaRead(bus, buffered=True)) == set()
    assert paths(DmaRead(bus)) == {
        "m_axi_rready <- data_ready", "data_valid <- m_axi_rvalid", "data_data <- m_axi_rdata",
        "data_last <- m_axi_rlast", "data_error <- m_axi_rresp"}
    assert paths(DmaWrite(bus)) == {"data_ready <- m_axi_wready"}
