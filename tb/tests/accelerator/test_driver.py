"""The driver on the golden simulator and on mapped registers; what it refuses."""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.runtime.driver import Counters, DeviceError, Driver, Interrupting
from lowbit.generators.runtime.golden import GoldenRegisters
from lowbit.generators.runtime.mapped import Mapped, map_file
from lowbit.golden.accelerator.isa import Error, Instruction, Op
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.hdl.accelerator.registers import registers_of
from lowbit.tb.benches.accelerator.programs import Programs

P = AccelParameters(N=16, chains=1, w_bits=2, axi_data=64, a_kib=4, w_kib=4, s_kib=4, p_kib=4)
OTHERS: list[tuple[dict[str, Any], str]] = [
    (dict(N=32), "CAP0.n is 16, not 32"), (dict(axi_data=128), "CAP1.beat_bytes is 8, not 16"),
    (dict(w_kib=8), "CAP2.wgt is 64, not 128")]
END = [Instruction(Op.END, {"irq": 1})]


def golden(p: AccelParameters = P) -> Driver:
    return Driver(p, GoldenRegisters(p, np.zeros(1 << 20, np.uint8)))


def registers(p: AccelParameters = P) -> np.ndarray:
    """Words of registers as they are after a reset."""
    words = np.zeros(registers_of(p).size // 4, "<u4")
    for register in registers_of(p).registers:
        words[register.address // 4] = register.reset
    return words


def test_programs() -> None:
    driver = golden()
    programs = Programs(P, driver.memory, 3)
    program = programs.draw()
    driver.bases = program.bases
    before = driver.memory.copy()
    counters = driver.call(program.address, len(program.instructions))
    assert counters.read_beats > 0 and counters.write_beats > 0
    assert dataclasses.asdict(counters).keys() == {
        "cycles", "beats", "stall_load", "stall_store", "stall_core", "read_beats", "write_beats"}
    first, last = program.results
    assert (before[first:last] != driver.memory[first:last]).any()
    assert driver.read("STATUS") == 0
    for kind in ("field", "deadlock", "no_end"):
        program = programs.wrong(kind)
        driver.bases = program.bases
        with pytest.raises(DeviceError, match=f"ended with {program.expected.name} after") as error:
            driver.call(program.address, len(program.instructions))
        assert error.value.code is program.expected
        assert "\n" not in str(error.value)


def test_load() -> None:
    driver = golden()
    assert driver.load([Instruction(Op.SYNC), *END], 4096) == 2
    assert driver.call(4096, 2) == Counters(0, 0, 0, 0, 0, 0, 0)
    assert driver.read("PC") == 2
    for address in (32, -64, len(driver.memory)):
        with pytest.raises(UsageError, match="must lie in memory at a multiple of 64"):
            driver.load(END, address)
    driver.bases[3] = 32
    with pytest.raises(UsageError, match="BASE_3 must be a multiple of 64 of at most 40 bits"):
        driver.run(4096, 2)


def test_end_without_interrupt() -> None:
    """The golden simulator's wait must not say that it came; the driver finds the end all the
    same, and what an interrupt is waited for in vain is a program that does not end."""
    driver = golden()
    driver.load([Instruction(Op.END)], 0)
    driver.start(0, 1)
    assert not driver.device.wait()                     # type: ignore[attr-defined]
    assert driver.finish() is Error.NONE
    assert driver.run(0, 1) is Error.NONE and driver.read("STATUS") == 0
    driver.timeout = 0.01
    with pytest.raises(DeviceError, match="does not end; 1 instructions have gone to their units"):
        driver.finish()                                 # nothing was started


def test_other_designs() -> None:
    for change, what in OTHERS:
        other = dataclasses.replace(P, **change)
        with pytest.raises(UsageError, match=f"the device is another design: its {what}$"):
            Driver(other, golden().device)
    words = registers()
    words[0] = 0xFFFFFFFF
    with pytest.raises(UsageError, match=r"its ID.magic is 0xffffffff, not 0x4c55544c$"):
        Driver(P, Mapped(words, np.zeros(64, np.uint8)))


@pytest.mark.parametrize(("field", "step", "fits"), [("minor", 1, True), ("major", 1, False),
                                                     ("isa", 1, False)])
def test_versions(field: str, step: int, fits: bool) -> None:
    """A newer map of the same kind only adds."""
    words = registers()
    version = registers_of(P)["VERSION"]
    low = next(f.low for f in version.fields if f.name == field)
    words[version.address // 4] += step << low
    if fits:
        Driver(P, Mapped(words, np.zeros(64, np.uint8)))
    else:
        with pytest.raises(UsageError, match=f"its VERSION.{field} is"):
            Driver(P, Mapped(words, np.zeros(64, np.uint8)))


def test_mapped(tmp_path: Path) -> None:
    """Registers and memory of a file: what is written where, and the end by polling."""
    file = tmp_path / "device"
    file.write_bytes(bytes(mmap.PAGESIZE) + registers().tobytes().ljust(mmap.PAGESIZE, b"\0"))
    words = map_file(str(file), mmap.PAGESIZE, registers_of(P).size)
    order: list[str] = []
    device = Mapped(words, map_file(str(file), 0, 1024), publish=lambda: order.append("publish"),
                    notice=lambda: order.append("notice"))
    assert not isinstance(device, Interrupting)
    driver = Driver(P, device, origin=0x1_8000_0000, timeout=0.01)
    assert set(order) == {"notice"}
    count = driver.load(END, 128)
    driver.bases[2] = 256
    driver.start(128, count)
    assert set(order) == {"notice", "publish"}
    found = np.frombuffer(file.read_bytes()[mmap.PAGESIZE:], "<u4")
    for name, value in (("PROG_LO", 0x80000080), ("PROG_HI", 1), ("PROG_LEN", 1), ("CTRL", 5),
                        ("BASE_2_LO", 0x80000100), ("BASE_2_HI", 1), ("BASE_0_LO", 0x80000000)):
        assert found[registers_of(P)[name].address // 4] == value, name
    assert file.read_bytes()[128:144] == bytes([0, 1]) + bytes(14)
    with pytest.raises(DeviceError, match="the program does not end"):
        driver.finish()
    status = registers_of(P)["STATUS"].address // 4
    for value, code in ((2, Error.NONE), (0x306, Error.BOUNDS)):
        words.view("<u4")[status] = value
        assert driver.finish() is code
    words.view("<u4")[status] = 0x302
    with pytest.raises(DeviceError, match="the device contradicts itself"):
        driver.finish()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot open .*none: No such file"):
        map_file(str(tmp_path / "none"), 0, 64)
    (tmp_path / "short").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot map 64 bytes of"):
        map_file(str(tmp_path / "short"), 0, 64)
    with pytest.raises(UsageError, match="must be a multiple of 4096; got 0x40"):
        map_file(str(tmp_path / "short"), 64, 64)
    with pytest.raises(UsageError, match="memory must begin at a multiple of 64"):
        Driver(P, golden().device, origin=32)
    with pytest.raises(UsageError, match="registers must be writable"):
        Mapped(bytes(256), np.zeros(64, np.uint8))
    with pytest.raises(ValueError, match="no register at 0xffc"):
        golden().device.read32(0xFFC)
