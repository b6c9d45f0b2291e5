"""What is refused of an instruction before it goes to its unit: fields that are zero where they may
not be, and those beyond what the design has."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value

from lowbit.golden.accelerator.isa import Op
from lowbit.golden.accelerator.parameters import AccelParameters

from .engines import engine_class
from .instruction import fields

__all__ = ["bad_fields"]

#: fields that may not be zero
PRESENT = {Op.LDA: ("rows", "words"), Op.LDP: ("rows", "words"), Op.ST: ("rows", "words"),
           Op.LMMA: ("row_blocks", "groups"), Op.LDW: ("blocks",), Op.LDS: ("blocks",),
           Op.LDO: ("blocks",)}


def bad_fields(m: Module, p: AccelParameters, word: Value) -> Signal:
    """Is there something wrong with the fields of the instruction ``word``?"""
    bad = Signal(name="bad_fields")
    with m.Switch(word[:4]):
        for op, names in PRESENT.items():
            i = fields(word, op)
            wrong: Value = Const(0, 1)
            for name in names:
                wrong = wrong | ~getattr(i, name).any()
            if op in (Op.LDA, Op.LMMA):
                smallest, largest = p.steps_range
                wrong = wrong | (i.steps < smallest) | (i.steps > largest)
                low = Signal(largest, name=f"unaligned_{op.name.lower()}")
                places = (i.words | i.dst) if op is Op.LDA else (i.a | i.a_pitch)
                m.d.comb += low.eq(places & ((1 << i.steps) - 1)[:largest])
                wrong = wrong | low.any()
            if op is Op.LMMA:
                codes = Cat(i.codes == code for code in sorted(p.compute.codes))
                wrong = wrong | (i.planes >= p.compute.planes) | ~codes.any()
                if not p.o_word:
                    wrong = wrong | i.offsets
                # what stays belongs to one row block, and gives no results
                stays = (i.row_blocks != 1) | i.push_next if p.compute.keeps else Const(1, 1)
                wrong = wrong | (i.keep & stays) | engine_class(p).refuses(p, i)
            words = {Op.LDW: p.w_word, Op.LDS: p.s_word, Op.LDO: p.o_word}.get(op, 0)
            if words:
                wrong = wrong | i.dst[:p.ratio(words).bit_length() - 1].any()
            if op is Op.LDO and not p.o_word:
                wrong = Const(1, 1)
            with m.Case(op):
                m.d.comb += bad.eq(wrong)
    return bad
