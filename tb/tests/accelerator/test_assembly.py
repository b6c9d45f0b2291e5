"""Assembler and disassembler: one is the inverse of the other; mistakes get one clear line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowbit.golden.accelerator.assembly import assemble, disassemble, text_of
from lowbit.golden.accelerator.isa import (
    FLAGS,
    Instruction,
    Op,
    from_bytes,
    layout,
    to_bytes,
)
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.parameters import ParameterError

DESIGNS = [AccelParameters(), AccelParameters(M=3, K=2, groups=2, a_format="int8", w_bits=8)]
LMMA = "lmma.m2n64k4.fp16.u4.fp32.fp32"


@st.composite
def instructions(draw: Any) -> Instruction:
    op = draw(st.sampled_from(Op))
    return Instruction(op, {name: draw(st.integers(0, (1 << bits) - 1))
                            for name, bits in layout(op).items()})


@given(st.lists(instructions(), max_size=6), st.sampled_from(DESIGNS))
def test_every_instruction_comes_back(program: list[Instruction], p: AccelParameters) -> None:
    text = disassemble(p, program)
    again = assemble(p, text)
    assert to_bytes(again) == to_bytes(program)
    assert disassemble(p, from_bytes(to_bytes(again))) == text


def test_the_papers_form() -> None:
    p = DESIGNS[0]
    i = Instruction(Op.LMMA, dict(
        w=1536, row_blocks=4, a_pitch=144, groups=18, steps=3, planes=3, codes=2, offsets=1,
        init=1, pop_prev=1, push_prev=1, push_next=1))
    text = (f"{LMMA} a0, w1536, s0, p0, rows=8, pitch=144, groups=18, steps=8, offsets, init "
            "[pop_prev, push_prev, push_next]")
    assert text_of(p, i) == text
    assert to_bytes(assemble(p, text)) == to_bytes([i])
    p = DESIGNS[1]
    assert text_of(p, Instruction(Op.LMMA, dict(row_blocks=1, codes=1, planes=7))) == \
        "lmma.m3n64k2g2.int8.s8.fp32.fp32 a0, w0, s0, p0, rows=3, pitch=0, groups=0, steps=1"


def test_free_form() -> None:
    """Comments, blank lines, spaces and the order of numbers do not matter."""
    text = """; a program
      ldw   w0 ,b1+12, blocks=4[push_next]   ; patterns

    st p0, b2+0, pitch=4, fp16, words=2, rows=1
    end"""
    want = [Instruction(Op.LDW, dict(base=1, offset=12, blocks=4, push_next=1)),
            Instruction(Op.ST, dict(base=2, pitch=4, fp16=1, words=2, rows=1)),
            Instruction(Op.END)]
    assert to_bytes(assemble(DESIGNS[0], text)) == to_bytes(want)


@pytest.mark.parametrize(("text", "error"), [
    ("mov a0", "line 1: instruction must be one of end, lda, ldw, lds, ldo, ldp, lmma, st, sync; "
     "got mov"),
    ("sync\nldw w0, b0+0", "line 2: LDW blocks must be given; got ldw w0, b0+0"),
    ("ldw w0, b0+0, blocks=65536", "line 1: LDW blocks must be 0..65535; got 65536"),
    ("ldw w0, b8+0, blocks=1", "line 1: LDW base must be 0..7; got 8"),
    ("ldw a0, b0+0, blocks=1",
     "line 1: LDW operand 1 must be w and a word of the buffer; got a0"),
    ("ldw w0", "line 1: LDW operand 2 must be a base and blocks from it, as b0+64; got nothing"),
    ("ldw w0, b0+0, blocks=1, rows=2", "line 1: LDW takes blocks here; got rows=2"),
    ("ldw w0, b0+0, blocks=", "line 1: LDW blocks must be a number; got nothing"),
    ("ldw w0, b0+0, blocks=1, blocks=2", "line 1: LDW blocks must be given once; got blocks=2"),
    ("ldw w0, b0+0, blocks=1 [next]",
     "line 1: flag must be one of pop_prev, pop_next, push_prev, push_next; got next"),
    ("sync [pop_prev", "line 1: must be a name, operands, and flags in brackets; "
     "got sync [pop_prev"),
    ("sync irq", "line 1: SYNC takes none here; got irq"),
    ("ldw.u4 w0, b0+0, blocks=1", "line 1: ldw has no types; got ldw.u4"),
    ("lda a0, b0+0, rows=1, words=8, steps=7, pitch=0",
     "line 1: LDA steps must be a power of two; got 7"),
    ("lmma a0", "line 1: lmma needs a shape and four types, as lmma.m2n64k4.fp16.u4.fp32.fp32; "
     "got lmma"),
    ("lmma.m4n64k4.fp16.u4.fp32.fp32 a0",
     "line 1: lmma shape must be m2n64k4, as the design has it; got m4n64k4"),
    ("lmma.m2n64k4.bf16.u4.fp32.fp32 a0",
     "line 1: lmma type of activations must be fp16, as the design has it; got bf16"),
    ("lmma.m2n64k4.fp16.u9.fp32.fp32 a0",
     "line 1: lmma type of weights must be u, s, o or f and 1 to 8 bits; got u9"),
    (f"{LMMA} a0, w0, s0, p0, rows=3, pitch=0, groups=1, steps=8",
     "line 1: LMMA rows must be a multiple of M = 2; got 3"),
])
def test_mistakes(text: str, error: str) -> None:
    with pytest.raises(ParameterError) as caught:
        assemble(DESIGNS[0], text)
    assert str(caught.value) == error


def test_all_flags_are_said() -> None:
    i = Instruction(Op.SYNC, dict.fromkeys(FLAGS, 1))
    assert text_of(DESIGNS[0], i) == "sync [pop_prev, pop_next, push_prev, push_next]"
