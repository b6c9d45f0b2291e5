"""Small adders and shifters, on every input of small widths; the evaluator of components."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Fragment, Module, Signal, signed
from amaranth.lib.wiring import Component, In, Out

from lowbit.hdl.common.adders import OPERATOR, RIPPLE, Adders, adder_tree, compress_3_2
from lowbit.hdl.common.largest import largest
from lowbit.hdl.common.lzc import count_leading_zeros, normalize_left, shift_right_sticky
from lowbit.tb.support.combinational import Evaluator, evaluate

WIDTHS = (1, 2, 5, 8)
FORMS = (RIPPLE, OPERATOR)
WORDS = (1, 2, 3, 7, 8)


class Small(Component):
    """Every function at several widths, on slices of the same inputs."""

    def __init__(self) -> None:
        ports = {"a": In(8), "b": In(8), "c": In(8), "tree": Out(signed(12))}
        for w in WIDTHS:
            ports |= {f"save_{w}": Out(w), f"largest_{w}": Out(w)}
            for form in ("ripple", "operator"):
                ports |= {f"add_{form}_{w}": Out(w + 1), f"plus_{form}_{w}": Out(w + 1),
                          f"less_{form}_{w}": Out(1), f"increment_{form}_{w}": Out(w + 1),
                          f"above_{form}_{w}": Out(w)}
        for w in WORDS:
            ports |= {f"zeros_{w}": Out(4), f"right_{w}": Out(w), f"sticky_{w}": Out(1)}
            for method in ("count", "search"):
                ports |= {f"left_{method}_{w}": Out(w), f"remaining_{method}_{w}": Out(4),
                          f"free_{method}_{w}": Out(w)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for w in WIDTHS:
            a, b, c = self.a[:w], self.b[:w], self.c[:w]
            saved, carries = compress_3_2(m, a, b, c, name=f"save{w}")
            m.d.comb += [getattr(self, f"save_{w}").eq(saved + carries),
                         getattr(self, f"largest_{w}").eq(largest(m, [a, b, c], f"top{w}"))]
            for adders in FORMS:
                at = f"{adders.form}_{w}"
                outputs = {
                    "add": Cat(*adders.add(m, a, b, self.c[0], name=f"add_{at}")),
                    "plus": Cat(*adders.add(m, a, b, name=f"plus_{at}")),
                    "increment": Cat(*adders.increment(m, a, self.c[0], name=f"increment_{at}")),
                    "less": adders.less(m, a, b, name=f"less_{at}"),
                    "above": Cat(adders.any_above(m, list(a), name=f"above_{at}"))}
                m.d.comb += [getattr(self, f"{name}_{at}").eq(v) for name, v in outputs.items()]
        for w in WORDS:
            count, zero = count_leading_zeros(m, self.a[:w], name=f"zeros{w}")
            word, sticky = shift_right_sticky(m, self.a[:w], self.b[:4], name=f"right{w}")
            m.d.comb += [getattr(self, f"zeros_{w}").eq(Cat(count, 0)),
                         getattr(self, f"right_{w}").eq(word),
                         getattr(self, f"sticky_{w}").eq(sticky)]
            with m.If(zero):
                m.d.comb += getattr(self, f"zeros_{w}").eq(w)
            for method in ("count", "search"):
                shifted, left = normalize_left(m, self.a[:w], self.b[:4], method=method,
                                               name=f"left_{method}{w}")
                limit = Signal(4, name=f"limit_{method}{w}")
                m.d.comb += limit.eq(self.b[:4] | 8)
                free, _ = normalize_left(m, self.a[:w], limit, method=method, limited=False,
                                         name=f"free_{method}{w}")
                m.d.comb += [getattr(self, f"left_{method}_{w}").eq(shifted),
                             getattr(self, f"remaining_{method}_{w}").eq(left),
                             getattr(self, f"free_{method}_{w}").eq(free)]
        m.d.comb += self.tree.eq(adder_tree([self.a, self.b.as_signed(), self.c,
                                             self.a.as_signed(), self.c[:3]]))
        return m


@pytest.fixture(scope="module")
def small() -> Any:
    a, b, c = (x.ravel() for x in np.meshgrid(np.arange(256), np.arange(32), np.arange(32)))
    b, c = np.where(b > 15, b + 200, b), np.where(c > 25, c + 100, c)
    return a, b, c, evaluate(Small(), {"a": a, "b": b, "c": c})


def signed8(x: Any) -> Any:
    return x - ((x >> 7 & 1) << 8)


@pytest.mark.parametrize("w", WIDTHS)
def test_adders(small: Any, w: int) -> None:
    *operands, got = small
    a, b, c = (x & (1 << w) - 1 for x in operands)
    leading = np.array([int(x).bit_length() for x in range(1 << w)])[a]
    for form in ("ripple", "operator"):
        np.testing.assert_array_equal(got[f"add_{form}_{w}"], a + b + (c & 1))
        np.testing.assert_array_equal(got[f"plus_{form}_{w}"], a + b)
        np.testing.assert_array_equal(got[f"less_{form}_{w}"], a < b)
        np.testing.assert_array_equal(got[f"increment_{form}_{w}"], a + (c & 1))
        np.testing.assert_array_equal(got[f"above_{form}_{w}"], (1 << leading) - 1)
    np.testing.assert_array_equal(got[f"largest_{w}"], np.maximum(np.maximum(a, b), c))
    np.testing.assert_array_equal(got[f"save_{w}"], a + b + c & (1 << w) - 1)


def test_adder_tree(small: Any) -> None:
    a, b, c, got = small
    np.testing.assert_array_equal(got["tree"], a + signed8(b) + c + signed8(a) + (c & 7))


@pytest.mark.parametrize("w", WORDS)
def test_shifters(small: Any, w: int) -> None:
    a, b, _, got = small
    word, amount = a & (1 << w) - 1, b & 15
    zeros = w - np.array([int(x).bit_length() for x in range(256)])[word]
    np.testing.assert_array_equal(got[f"zeros_{w}"], zeros)
    np.testing.assert_array_equal(got[f"right_{w}"], word >> amount)
    # a zero word may report sticky for amounts beyond the shifter: documented
    np.testing.assert_array_equal(got[f"sticky_{w}"][word > 0],
                                  (word & ((1 << amount) - 1) != 0)[word > 0])
    for method in ("count", "search"):
        moved = np.minimum(zeros, amount)
        some = word > 0
        np.testing.assert_array_equal(got[f"left_{method}_{w}"], word << moved & (1 << w) - 1)
        np.testing.assert_array_equal(got[f"remaining_{method}_{w}"][some], (amount - moved)[some])
        np.testing.assert_array_equal(got[f"free_{method}_{w}"], word << zeros & (1 << w) - 1)


class Wide(Component):
    """Ports of every storage class; and a register behind one of them."""

    WIDTHS = (1, 8, 9, 16, 17, 33, 63, 64, 65, 200, 3000)

    def __init__(self) -> None:
        super().__init__({f"{side}_{w}": flow(signed(w) if w in (9, 65) else w)
                          for w in self.WIDTHS for side, flow in (("i", In), ("o", Out))}
                         | {"delayed": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [getattr(self, f"o_{w}").eq(~getattr(self, f"i_{w}")) for w in self.WIDTHS]
        m.d.sync += self.delayed.eq(self.i_8)
        return m


def test_evaluator_ports() -> None:
    rng = np.random.default_rng(1)
    inputs: dict[str, Any] = {}
    for w in Wide.WIDTHS:
        values = [int.from_bytes(rng.bytes(-(-w // 8)), "little") % (1 << w) for _ in range(50)]
        inputs[f"i_{w}"] = np.array(values, object)
    evaluator = Evaluator(Wide())
    got = evaluator(inputs, cycles=1)
    for w in Wide.WIDTHS:
        expected = [(1 << w) - 1 - int(v) for v in inputs[f"i_{w}"]]
        if w in (9, 65):
            expected = [v - (v >> (w - 1) << w) for v in expected]
        assert [int(v) for v in got[f"o_{w}"]] == expected
    assert [int(v) for v in got["delayed"]] == [int(v) for v in inputs["i_8"]]
    rows = np.frombuffer(b"".join(int(v).to_bytes(375, "little") for v in inputs["i_3000"]),
                         np.uint8).reshape(50, 375)
    assert list(evaluator(inputs | {"i_3000": rows})["o_3000"]) == list(got["o_3000"])
    with pytest.raises(ValueError, match="inputs must be"):
        evaluator({"i_1": [0]})


def test_errors() -> None:
    m = Module()
    with pytest.raises(ValueError, match="equal width; got 3 and 2"):
        RIPPLE.add(m, Signal(3), Signal(2))
    with pytest.raises(ValueError, match="'ripple' or 'operator'; got 'fast'"):
        Adders("fast")
    with pytest.raises(ValueError, match="equal width"):
        compress_3_2(m, Signal(3), Signal(2), Signal(3))
    with pytest.raises(ValueError, match="'count' or 'search'"):
        normalize_left(m, Signal(3), Signal(2), method="guess")
    Fragment.get(m, None)  # a module that is never elaborated would be warned about
