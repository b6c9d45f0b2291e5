"""The accelerator as a shared library, its driver, and C programs on it: small designs, built
without optimisation, against the golden simulator."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lowbit.generators.flow.native import SOURCES, Board, Native, ProtocolError, build_native
from lowbit.generators.registry import GENERATORS
from lowbit.generators.runtime.driver import DeviceError, Driver
from lowbit.generators.runtime.golden import GoldenRegisters
from lowbit.generators.runtime.rtl import build_rtl, rtl
from lowbit.generators.verbs.emit import write_outputs
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.golden.accelerator.isa import Error, Instruction, Op
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.tb.benches.accelerator.programs import Program, Programs

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "accelerator" / "linear.c"
SMALL: dict[str, Any] = dict(N=16, chains=1, w_bits=2, axi_data=64, a_kib=4, w_kib=4, s_kib=4,
                             p_kib=4)
DESIGNS = {
    "fp16": AccelParameters(**SMALL),
    # a bus that is an array of words in C++, the other kind of reset, adders as of build_rtl
    "int8": AccelParameters(**SMALL | dict(M=1, chains=2, axi_data=128, a_format="int8",
                                           offset="none", reset="async_low", adder="operator"))}
#: cycles of latency, share of stalls
BUSES = [(1, 0.0), (300, 0.0), (20, 0.5)]


@cache
def emitted(name: str) -> Emitted:
    return emit(DESIGNS[name])


@cache
def native(name: str) -> Native:
    return build_native(emitted(name), optimize="-O0")


class Pair:
    """Programs in the memory of a board, and the golden simulator with a memory of its own."""

    def __init__(self, name: str, seed: int) -> None:
        self.p = DESIGNS[name]
        self.memory = np.frombuffer(random.Random(seed).randbytes(1 << 20), np.uint8).copy()
        self.board = Board(native(name), self.memory, seed=seed, limit=200_000)
        self.driver = Driver(self.p, self.board)
        self.golden = Driver(self.p, GoldenRegisters(self.p, self.memory.copy()))
        self.programs = Programs(self.p, self.memory, seed)

    def take(self, program: Program) -> Program:
        self.golden.memory[:] = self.memory
        self.driver.bases = self.golden.bases = program.bases
        return program

    def right(self) -> None:
        """A program that must give what the golden simulator gives."""
        program = self.take(self.programs.draw())
        count = len(program.instructions)
        assert self.golden.call(program.address, count).read_beats > 0
        counters = self.driver.call(program.address, count)
        assert (self.golden.memory == self.memory).all()
        assert self.driver.read("PC") == self.golden.read("PC") == count
        assert counters.beats == sum(
            (i["planes"] + 1 << i["steps"]) * i["groups"] * i["row_blocks"]
            for i in program.instructions if i.op is Op.LMMA)
        assert counters.cycles > counters.read_beats > 0

    def outside(self, program: Program) -> NDArray[np.uint8]:
        first, last = program.results
        return np.concatenate([self.memory[:first], self.memory[last:]])


@pytest.fixture(params=DESIGNS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    found = Pair(request.param, seed=7)
    with found.board:
        yield found


def test_programs(pair: Pair) -> None:
    for latency, stall in BUSES:
        pair.board.timing(latency, stall)
        for _ in range(2):
            pair.right()


def test_wrong_programs(pair: Pair) -> None:
    """The code of each kind of error, on both, and nothing but results is written."""
    for kind in Programs.KINDS:
        pair.board.timing(*random.Random(kind).choice(BUSES))
        program = pair.take(pair.programs.wrong(kind))
        pair.board.fail(program.fails)
        before = pair.outside(program)
        count = len(program.instructions)
        with pytest.raises(DeviceError, match=f"ended with {program.expected.name} ") as error:
            pair.driver.call(program.address, count)
        assert error.value.code is program.expected
        if not program.fails:
            assert pair.golden.run(program.address, count) is program.expected
        assert (before == pair.outside(program)).all()
    pair.board.fail(range(0))
    pair.right()


def test_abort_and_reset(pair: Pair) -> None:
    codes = set()
    for cycles in (0, 30, 150, 400, 700):
        program = pair.take(pair.programs.draw())
        before = pair.outside(program)
        pair.driver.start(program.address, len(program.instructions))
        pair.board.run(cycles)
        pair.driver.abort()
        codes.add(pair.driver.finish())
        assert (before == pair.outside(program)).all()
        pair.driver.start(program.address, len(program.instructions))
        pair.board.run(cycles)
        pair.board.reset()
        # it is busy for a few cycles after a reset
        assert pair.driver.read("STATUS") >> 1 == 0
        pair.right()
    assert Error.ABORTED in codes <= {Error.ABORTED, Error.NONE}


class Polled:
    """A board without its interrupt."""

    def __init__(self, board: Board) -> None:
        self.memory, self.read32, self.write32 = board.memory, board.read32, board.write32


def test_polling_and_time(pair: Pair) -> None:
    program = pair.take(pair.programs.draw())
    count = len(program.instructions)
    polled = Driver(pair.p, Polled(pair.board))
    polled.bases = program.bases
    assert polled.run(program.address, count) is pair.golden.run(program.address, count)
    assert (pair.golden.memory == pair.memory).all()
    pair.board.limit, pair.driver.timeout = 20, 0
    with pytest.raises(DeviceError, match="the program does not end; 0 instructions have gone"):
        pair.driver.run(program.address, count)
    with pytest.raises(DeviceError, match="the device runs a program"):
        pair.driver.start(program.address, count)
    pair.driver.timeout = 60        # in waits of 20 cycles
    assert pair.driver.finish() is Error.NONE
    pair.board.limit = 200_000
    start = pair.board.cycles
    pair.board.run(1000)
    assert pair.board.cycles == start + 1000


def test_end_without_interrupt(pair: Pair) -> None:
    """Found by the status; the interrupt of the program before is gone, that of the next comes."""
    for irq in (1, 0, 1):
        pair.driver.load([Instruction(Op.END, {"irq": irq})], 0)
        pair.board.limit = 5000
        assert pair.driver.run(0, 1) is Error.NONE
        assert not pair.board.interrupt
    pair.driver.load([Instruction(Op.END)], 0)
    pair.driver.start(0, 1)
    assert not pair.board.wait() and pair.driver.fields("STATUS")["done"]


def test_differences_show(pair: Pair) -> None:
    """Other activations in the golden simulator's memory: the comparison must see them."""
    program = pair.take(pair.programs.draw())
    load = next(i for i in program.instructions if i.op is Op.LDA)
    at = load["offset"] * 64
    pair.golden.memory[at:at + 8] ^= 0x11
    count = len(program.instructions)
    assert pair.driver.run(program.address, count) is pair.golden.run(program.address, count)
    first, last = program.results
    assert (pair.golden.memory[first:last] != pair.memory[first:last]).any()


def test_bus_refusals(pair: Pair) -> None:
    with pytest.raises(ProtocolError, match="a read of a register was refused"):
        pair.board.read32(0xF00)
    with pytest.raises(ProtocolError, match="stall_permille must be 0 to 999"):
        pair.board._checked("timing", 1, 1000)
    other = next(p for p in DESIGNS.values() if p != pair.p)
    with pytest.raises(ValueError, match="the device is another design: its CAP0") as error:
        Driver(other, pair.board)
    assert "\n" not in str(error.value)


def test_rtl() -> None:
    """The device of compiled programs; its build comes from the cache."""
    p = DESIGNS["int8"]
    native("int8")
    again = build_rtl(p, optimize="-O0")
    assert again == Native(native("int8").library)
    driver = rtl(p, np.zeros(1024, np.uint8), again, latency=5)
    driver.load([Instruction(Op.END, {"irq": 1})], 0)
    assert driver.call(0, 1).cycles > 5


def test_closed() -> None:
    memory = np.zeros(64, np.uint8)
    board = Board(native("fp16"), memory)
    board.close()
    board.close()
    with pytest.raises(ValueError, match="the board is closed"):
        board.read32(0)
    wrong: Any
    for wrong in (memory.astype(np.int8), memory[::2], memory.reshape(8, 8)):
        with pytest.raises(ValueError, match="memory must be a writable array of bytes"):
            Board(native("fp16"), wrong)
    with pytest.raises(ValueError, match=r"stall must be 0 to 0.95; got 1"):
        Board(native("fp16"), memory, stall=1)


def test_c_example(tmp_path: Path) -> None:
    """A C program with the generated header on the library; then with a wrong scale."""
    design, library = emitted("fp16"), native("fp16").library
    write_outputs(tmp_path / "accel.v", GENERATORS["accel"], DESIGNS["fp16"], design)
    text = EXAMPLE.read_text()
    for source, status, found in ((text, 0, "3 x 16 results, 0 wrong"),
                                  (re.sub(r"half\(1\)", "half(2)", text), 1, r"[1-9]\d* wrong")):
        (tmp_path / "linear.c").write_text(source)
        command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}", f"-I{SOURCES}",
                   "-o", "linear", "linear.c", str(library), f"-Wl,-rpath,{library.parent}"]
        subprocess.run(command, cwd=tmp_path, check=True)
        done = subprocess.run(["./linear"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == status, done.stdout
        assert re.search(found, done.stdout)
