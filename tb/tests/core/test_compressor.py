"""The shared adder tree without constants: against exact integers, and proved for all inputs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Fragment, Module
from amaranth.lib.wiring import Component, In, Out

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.offset_form import offset, offset_sum
from lowbit.hdl.common.adders import OPERATOR, RIPPLE, Adders
from lowbit.hdl.common.compressor import compress, filled, offset_form
from lowbit.tb.support.float_parts import run
from lowbit.tb.support.lut_spec import tree

#: rows, bits, carries
CASES = [(1, 4, 1), (2, 9, 2), (3, 7, 3), (3, 7, 1), (4, 20, 4), (5, 5, 2), (6, 6, 6), (7, 4, 7),
         (8, 6, 0), (9, 3, 9)]
#: those that the solver answers within seconds: it sees sums of sums in another order as hard
PROVED = [(1, 4, 1), (2, 9, 2), (2, 40, 2), (3, 7, 3), (4, 20, 4), (5, 5, 2), (7, 2, 7), (8, 3, 8),
          (8, 8, 0)]


class Tree(Component):
    """``sum`` = the rows (two's complement, row 0 lowest), ``carries`` and the offset; ``whole``:
    of rows filled up, without the offset, as two's complement."""

    def __init__(self, rows: int, bits: int, carries: int, adders: Adders = RIPPLE) -> None:
        self.shape, self.adders = (rows, bits), adders
        super().__init__({"rows": In(rows * bits), "carries": In(max(carries, 1)),
                          "sum": Out(sum_bits(rows, bits)), "whole": Out(sum_bits(rows, bits))})
        self.carry_bits = list(self.carries)[:carries]

    def elaborate(self, platform: object) -> Module:
        m, (count, bits) = Module(), self.shape
        rows = [offset_form(self.rows.word_select(i, bits)) for i in range(count)]
        total, carry = compress(m, rows, self.carry_bits, self.adders)
        m.d.comb += self.sum.eq(total + carry)
        total, carry = compress(m, filled(rows), self.carry_bits, self.adders, name="filled")
        # a value of another width must not pass for this one
        assert len(total) == bits + (count - 1).bit_length()
        m.d.comb += self.whole.eq(offset_form(total).as_signed() + Cat(carry, Const(0, 1)))
        return m


def sum_bits(rows: int, bits: int) -> int:
    return bits + (rows - 1).bit_length() + 1


def random_rows(rows: int, bits: int, carries: int) -> tuple[Any, Any]:
    """Integers of ``bits`` bits, extremes among them, and carries."""
    rng = np.random.default_rng(rows * 100 + bits)
    limit = 1 << bits - 1
    found = rng.integers(-limit, limit, (3000, rows))
    found[:500] = rng.choice([-limit, limit - 1, -1, 0], (500, rows))
    found[0], found[1] = -limit, limit - 1
    ones = rng.integers(0, 2, (3000, max(carries, 1)))
    ones[0], ones[1] = 0, 1
    return found, ones


@pytest.mark.parametrize(("rows", "bits", "carries"), CASES)
def test_golden(rows: int, bits: int, carries: int) -> None:
    """The sum less the offset is the plain sum, and never negative with it."""
    found, ones = random_rows(rows, bits, carries)
    total = offset_sum(found, ones, bits)
    assert (total - offset(rows, bits) == found.sum(axis=1) + ones.sum(axis=1)).all()
    assert (total >= 0).all() and total[0] == 0
    beats = [offset_sum(found[i], ones[i], bits) for i in range(5)]
    assert sum(beats) - offset(rows, bits, 5) == found[:5].sum() + ones[:5].sum()


def test_hardware() -> None:
    """Both forms of adders in every case."""
    parts, inputs, expected = {}, {}, {}
    for adders in (RIPPLE, OPERATOR):
        for case in CASES:
            rows, bits, carries = case
            found, ones = random_rows(*case)
            ones[:, carries:] = 0
            places = np.arange(rows * bits).reshape(rows, bits).astype(object)
            words = ((found[..., None] >> np.arange(bits) & 1) << places).sum(axis=(1, 2))
            name = f"{adders.form}_{rows}_{bits}_{carries}"
            parts[name] = Tree(*case, adders)
            inputs[name] = {"rows": words, "carries": ones @ (1 << np.arange(ones.shape[1]))}
            plain = found.sum(axis=1) + ones.sum(axis=1)
            expected[f"{name}__sum"] = offset_sum(found, ones, bits)
            expected[f"{name}__whole"] = plain & (1 << sum_bits(rows, bits)) - 1
    got = run(parts, inputs)
    for port, values in expected.items():
        np.testing.assert_array_equal(got[port].astype(np.int64), values, err_msg=port)


def spec(rows: int, bits: int, carries: int, shift: int = 0) -> str:
    """The plain sum of signed integers, in Verilog; ``shift`` puts a mistake into the offset."""
    width = sum_bits(rows, bits)
    wires = [f"  wire signed [{width}:0] r{i} = $signed(rows[{bits * i + bits - 1}:{bits * i}]);"
             for i in range(rows)]
    terms = [f"r{i}" for i in range(rows)]
    ones = " + ".join(["0", *(f"$signed({{1'b0, carries[{i}]}})" for i in range(carries))])
    return "\n".join([
        "module spec (", f"  input [{rows * bits - 1}:0] rows,",
        f"  input [{max(carries, 1) - 1}:0] carries,", f"  output [{width - 1}:0] sum, whole", ");",
        *wires, f"  wire signed [{width}:0] plain = {tree(terms)} + {ones};",
        f"  assign whole = plain[{width - 1}:0];",
        f"  assign sum = plain + {offset(rows, bits) + shift};", "endmodule", ""])


@pytest.mark.parametrize(("rows", "bits", "carries"), PROVED)
def test_proved(rows: int, bits: int, carries: int) -> None:
    design = emit_component(Tree(rows, bits, carries), top="tree").verilog
    verdict = prove_equal(design, "tree", spec(rows, bits, carries), timeout=120)
    assert verdict.proved, verdict


def test_wrong_ones_are_refuted() -> None:
    """A wrong offset, and a tree with one operator changed."""
    design = emit_component(Tree(3, 7, 3), top="tree").verilog
    assert prove_equal(design, "tree", spec(3, 7, 3, shift=64)).answer == "refuted"
    wrong, count = re.subn(r" \^ ", " | ", design, count=1)
    assert count == 1
    assert prove_equal(wrong, "tree", spec(3, 7, 3)).answer == "refuted"


def test_refused() -> None:
    m, row = Module(), Const(0, 4)
    for rows, carries in (([], []), ([row], [Const(0, 1)] * 2), ([row, Const(0, 5)], [])):
        with pytest.raises(ValueError, match="rows of equal width"):
            compress(m, rows, carries, RIPPLE)
    Fragment.get(m, None)       # used, or Amaranth warns
