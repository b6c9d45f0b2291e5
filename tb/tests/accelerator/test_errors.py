"""Programs that are refused: each error code, by each rule that gives it, and what runs after it.

ABORTED has no program: it is an answer to a register.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import (
    BLOCK,
    TOKENS,
    Error,
    Instruction,
    Op,
    encode,
    to_bytes,
)
from lowbit.golden.accelerator.parameters import AccelParameters

SMALL: dict[str, Any] = dict(N=32, chains=2, axi_data=64, a_kib=8, w_kib=16, s_kib=2, p_kib=2)
P = AccelParameters(**SMALL)
NO_OFFSETS = AccelParameters(**SMALL, offset="none")
END = Instruction(Op.END, dict(irq=1))
#: what each instruction needs at least, all buffers at their start
GOOD: dict[Op, dict[str, int]] = {
    Op.LDA: dict(rows=1, words=8, steps=3), Op.LDW: dict(blocks=1), Op.LDS: dict(blocks=1),
    Op.LDO: dict(blocks=1), Op.LDP: dict(rows=1, words=1), Op.ST: dict(rows=1, words=1),
    Op.LMMA: dict(row_blocks=1, groups=1, steps=3, init=1)}


def run(program: list[Instruction] | bytes, p: AccelParameters = P, *, memory: int = 1 << 14,
        bases: int = 0) -> Device:
    data = program if isinstance(program, bytes) else to_bytes(program)
    device = Device(p, np.zeros(memory, np.uint8))
    device.memory[:len(data)] = np.frombuffer(data, np.uint8)
    device.bases = [bases] * 8
    device.run(0, len(data) // 16)
    return device


def made(op: Op, **fields: int) -> Instruction:
    return Instruction(op, GOOD[op] | fields)


@pytest.mark.parametrize("op", GOOD)
def test_smallest_programs_run(op: Op) -> None:
    device = run([made(op), END], bases=1 << 12)
    assert (device.code, device.irq) == (Error.NONE, True)
    assert device.executed == {op: 1, Op.END: 1}


@pytest.mark.parametrize(("op", "fields"), [
    *((op, {name: 0}) for op in GOOD for name in ("rows", "words", "blocks", "row_blocks", "groups")
      if name in GOOD[op]),
    (Op.LDA, dict(steps=2)), (Op.LDA, dict(steps=6, words=64)), (Op.LDA, dict(words=9)),
    (Op.LDA, dict(dst=4)), (Op.LMMA, dict(steps=2)), (Op.LMMA, dict(steps=6)),
    (Op.LMMA, dict(a=4)), (Op.LMMA, dict(a_pitch=12)), (Op.LMMA, dict(planes=4)),
    (Op.LMMA, dict(codes=3)), (Op.LDS, dict(dst=1)), (Op.LDO, dict(dst=1))])
def test_fields(op: Op, fields: dict[str, int]) -> None:
    assert run([made(op, **fields), END], bases=1 << 12).code is Error.FIELD


@pytest.mark.parametrize("wrong", [made(Op.LDO), made(Op.LMMA, offsets=1)])
def test_fields_without_offsets(wrong: Instruction) -> None:
    assert run([wrong, END], NO_OFFSETS, bases=1 << 12).code is Error.FIELD
    assert run([wrong, END], bases=1 << 12).code is Error.NONE


@pytest.mark.parametrize(("op", "fits"), [
    (Op.LDA, dict(dst=P.a_depth - 8)), (Op.LDA, dict(rows=2 * P.M, dst=P.a_depth - 16)),
    (Op.LDW, dict(dst=P.w_depth - 4)), (Op.LDS, dict(dst=P.s_depth - 16)),
    (Op.LDO, dict(dst=P.s_depth - 16)),
    (Op.LDP, dict(dst=P.p_depth - 1)), (Op.LDP, dict(rows=P.M + 1, dst=P.p_depth - 17)),
    (Op.ST, dict(src=P.p_depth - 1)), (Op.ST, dict(rows=P.M + 1, src=P.p_depth - 17)),
    (Op.LMMA, dict(a=P.a_depth - 8)), (Op.LMMA, dict(a_pitch=P.a_depth - 8, row_blocks=2)),
    (Op.LMMA, dict(w=P.w_depth - 8)), (Op.LMMA, dict(w=P.w_depth - 16, planes=1)),
    (Op.LMMA, dict(s=P.s_depth - 16)), (Op.LMMA, dict(p=P.p_depth - 16)),
    (Op.LMMA, dict(p=P.p_depth - 32, row_blocks=2))])
def test_bounds(op: Op, fits: dict[str, int]) -> None:
    """What fits to the last word runs, and a word (of activations a group) further does not."""
    assert run([made(op, **fits), END], bases=1 << 12).code is Error.NONE
    name = {"rows", "row_blocks", "planes"}.symmetric_difference(fits) & \
        {"dst", "src", "a", "a_pitch", "w", "s", "p"}
    for where in name:
        step = 8 if where in ("a", "a_pitch") or op is Op.LDA else \
            P.ratio(P.s_word) if op in (Op.LDS, Op.LDO) else 1
        beyond = fits | {where: fits[where] + step}
        assert run([made(op, **beyond), END], bases=1 << 12).code is Error.BOUNDS, where


@pytest.mark.parametrize(("op", "code"), [
    (Op.LDA, Error.READ), (Op.LDW, Error.READ), (Op.LDS, Error.READ), (Op.LDO, Error.READ),
    (Op.LDP, Error.READ), (Op.ST, Error.WRITE)])
def test_end_of_memory(op: Op, code: Error) -> None:
    size = 1 << 14
    last = size // BLOCK - 1
    assert run([made(op, offset=last), END], memory=size).code is Error.NONE
    assert run([made(op, offset=last + 1), END], memory=size).code is code
    assert run([made(op, offset=last), END], memory=size, bases=BLOCK).code is code
    if "rows" in GOOD[op]:
        assert run([made(op, offset=last, rows=2, pitch=1), END], memory=size).code is code


def test_program_beyond_memory() -> None:
    device = Device(P, np.zeros(64, np.uint8))
    assert device.run(64, 1) is Error.READ


def test_opcodes() -> None:
    for opcode in range(16):
        known = opcode in list(Op)
        if known:
            assert encode(Instruction(Op(opcode))) & 15 == opcode
        else:
            device = run(opcode.to_bytes(16, "little"))
            assert (device.code, device.irq) == (Error.OPCODE, True)


@pytest.mark.parametrize("waiting", [
    made(Op.LMMA, pop_prev=1), made(Op.LMMA, pop_next=1), made(Op.ST, pop_prev=1),
    made(Op.LDW, pop_next=1)])
def test_deadlock(waiting: Instruction) -> None:
    assert run([waiting, END], bases=1 << 12).code is Error.DEADLOCK


def test_deadlock_behind_a_full_queue() -> None:
    """The token comes from an instruction that cannot be fetched any more."""
    program = [made(Op.LMMA, pop_prev=1)] * (P.queue + 1) + [made(Op.LDW, push_next=1)]
    assert run([*program, END], bases=1 << 12).code is Error.DEADLOCK
    assert run([*program[1:-1], *[program[-1]] * P.queue, END], bases=1 << 12).code is Error.NONE


def test_sync_takes_tokens_away() -> None:
    load, execute = made(Op.LDW, push_next=1), made(Op.LMMA, pop_prev=1)
    assert run([load, execute, END], bases=1 << 12).code is Error.NONE
    assert run([load, Instruction(Op.SYNC), execute, END], bases=1 << 12).code is Error.DEADLOCK


def test_tokens() -> None:
    """As many as a counter holds, and one more; a SYNC takes them away."""
    load = [made(Op.LDW, push_next=1)]
    assert run([*load * TOKENS, END], bases=1 << 12).code is Error.NONE
    assert run([*load * (TOKENS + 1), END], bases=1 << 12).code is Error.TOKENS
    assert run([*load * TOKENS, Instruction(Op.SYNC), *load, END],
               bases=1 << 12).code is Error.NONE


def test_low_bits_of_a_base_do_not_count() -> None:
    device = Device(P, np.random.default_rng(1).integers(0, 256, 1 << 14, np.uint8))
    device.bases = [(1 << 12) + 63] * 8
    data = to_bytes([made(Op.LDP, words=4), Instruction(Op.SYNC), made(Op.ST, words=4, offset=1),
                     END])
    device.memory[:len(data)] = np.frombuffer(data, np.uint8)
    assert device.run(0, 4) is Error.NONE
    at, size = 1 << 12, 4 * P.p_word // 8
    assert np.array_equal(device.memory[at + 64:at + 64 + size], device.memory[at:at + size])


def test_a_unit_at_the_end_has_no_one_beyond() -> None:
    """Flags towards a unit that is not there do nothing."""
    program = [made(Op.LDW, pop_prev=1, push_prev=1), made(Op.ST, pop_next=1, push_next=1)]
    assert run([*program, END], bases=1 << 12).code is Error.NONE


def test_no_end() -> None:
    assert run([made(Op.LDW)], bases=1 << 12).code is Error.NO_END
    assert run([Instruction(Op.SYNC)]).code is Error.NO_END
    assert run([]).code is Error.NO_END


def test_end_ends() -> None:
    device = run([Instruction(Op.END), made(Op.LDW)])
    assert (device.code, device.irq, device.executed) == (Error.NONE, False, {Op.END: 1})


def test_usable_after_an_error() -> None:
    device = run([made(Op.LDW, pop_next=1), END])
    assert device.code is Error.DEADLOCK
    data = to_bytes([made(Op.LDW), END])
    device.memory[:len(data)] = np.frombuffer(data, np.uint8)
    assert device.run(0, 2) is Error.NONE
