"""Small integer arithmetic: adders in two forms, carry-save compressors, adder trees.

The methods and functions add their equations to a module ``m`` and return the results.

A ripple adder written as carry equations maps to fewer standard cells than the ``+`` operator,
which Yosys expands into a prefix adder; but an FPGA's carry chain is found only behind ``+``.
:class:`Adders` is that choice: a component that adds is given one, and passes it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, ValueLike

__all__ = ["Adders", "OPERATOR", "RIPPLE", "adder_tree", "compress_3_2"]


@dataclass(frozen=True)
class Adders:
    """How sums are written; the results are the same.

    ``form``: ``"ripple"``, one equation a carry, each a one-bit signal of its own
    (``<name>_carry_<i>``), so that the Verilog stays readable and no simulator sees a vector that
    depends on itself; or ``"operator"``, the ``+`` and ``<`` of the language.
    """

    form: str = "ripple"

    def __post_init__(self) -> None:
        if self.form not in ("ripple", "operator"):
            raise ValueError(f"form must be 'ripple' or 'operator'; got {self.form!r}")

    def add(self, m: Module, a: ValueLike, b: ValueLike, carry_in: ValueLike = 0, *,
            name: str = "add") -> tuple[Value, Value]:
        """Sum and carry out of two words of equal width and a carry in.

        Returns ``(sum, carry)``; ``sum`` has the width of the operands, ``carry`` is one bit.
        """
        a, b, width = _pair(a, b)
        carry_in = _bit(carry_in)
        if self.form == "operator":
            return _split(m, _operator_sum(m, a, b, carry_in, name), width, name)
        propagate = Signal(width, name=f"{name}_propagate")
        total = Signal(width, name=f"{name}_sum")
        m.d.comb += propagate.eq(a ^ b)
        carries = [carry_in]
        for i in range(width):
            carry = Signal(name=f"{name}_carry_{i + 1}")
            m.d.comb += carry.eq((a[i] & b[i]) | (carries[i] & propagate[i]))
            carries.append(carry)
        m.d.comb += total.eq(propagate ^ Cat(carries[:width]))
        return total, carries[width]

    def less(self, m: Module, a: ValueLike, b: ValueLike, *, name: str = "less") -> Value:
        """One bit: unsigned ``a < b`` (the borrow of ``a - b``), operands of equal width."""
        a, b, width = _pair(a, b)
        if self.form == "operator":
            result = Signal(name=name)
            m.d.comb += result.eq(a.as_unsigned() < b.as_unsigned())
            return result
        borrow: Value = Const(0, 1)
        for i in range(width):
            after = Signal(name=f"{name}_borrow_{i + 1}")
            m.d.comb += after.eq((~a[i] & b[i]) | (borrow & ~(a[i] ^ b[i])))
            borrow = after
        return borrow

    def increment(self, m: Module, a: ValueLike, carry_in: ValueLike = 1, *,
                  name: str = "increment") -> tuple[Value, Value]:
        """``a + carry_in`` with half adders; returns ``(sum, carry)`` as :meth:`add` does."""
        a = Value.cast(a)
        carry_in = _bit(carry_in)
        if self.form == "operator":
            return _split(m, a.as_unsigned() + carry_in, len(a), name)
        total = Signal(len(a), name=f"{name}_sum")
        carries = [carry_in]
        for i in range(len(a)):
            carry = Signal(name=f"{name}_carry_{i + 1}")
            m.d.comb += carry.eq(a[i] & carries[i])
            carries.append(carry)
        m.d.comb += total.eq(a ^ Cat(carries[:len(a)]))
        return total, carries[-1]

    def any_above(self, m: Module, bits: Sequence[Value], *, name: str = "above") -> list[Value]:
        """For every place: some bit of ``bits`` is set there or higher. One gate a place
        (ripple), or as many levels as the logarithm of their number."""
        result = list(bits)
        if self.form == "ripple":
            above: Value = Const(0, 1)
            for i in reversed(range(len(result))):
                following = Signal(name=f"{name}_{i}")
                m.d.comb += following.eq(above | result[i])
                result[i] = above = following
            return result
        step = 1
        while step < len(result):
            following = []
            for i, bit in enumerate(result):
                reached = result[i:i + 4 * step:step]
                node = Signal(name=f"{name}_{step}_{i}")
                m.d.comb += node.eq(Cat(reached).any() if len(reached) > 1 else bit)
                following.append(node)
            result, step = following, 4 * step
        return result


RIPPLE, OPERATOR = Adders("ripple"), Adders("operator")


def _pair(a: ValueLike, b: ValueLike) -> tuple[Value, Value, int]:
    """Two operands of equal width, and that width."""
    a, b = Value.cast(a), Value.cast(b)
    if len(a) != len(b):
        raise ValueError(f"operands must have equal width; got {len(a)} and {len(b)}")
    return a, b, len(a)


def _operator_sum(m: Module, a: Value, b: Value, carry_in: Value, name: str) -> Value:
    """a + b + carry_in by one ``+``: a carry that is not 0 enters through a place below."""
    a, b = a.as_unsigned(), b.as_unsigned()
    if isinstance(carry_in, Const) and carry_in.value == 0:
        return a + b
    total = Signal(len(a) + 1, name=f"{name}_full")
    below = Signal(name=f"{name}_unused")       # the name tells linters so
    m.d.comb += Cat(below, total).eq(Cat(Const(1, 1), a) + Cat(carry_in, b))
    return total


def _split(m: Module, total: Value, width: int, name: str) -> tuple[Value, Value]:
    """A sum with its carry on top, as a signal, in two."""
    word = Signal(width + 1, name=f"{name}_sum")
    m.d.comb += word.eq(total)
    return word[:width], word[width]


def compress_3_2(m: Module, a: ValueLike, b: ValueLike, c: ValueLike, *,
                 name: str = "csa") -> tuple[Signal, Signal]:
    """Carry-save adder: ``a + b + c = sum + carry`` modulo 2**width, no carry chain.

    Operands and results have one width; ``carry`` is already moved one place to the left (its
    lowest bit is 0, and the carry out of the top place is dropped).
    """
    a, b, c = Value.cast(a), Value.cast(b), Value.cast(c)
    width = len(a)
    if not len(b) == len(c) == width:
        raise ValueError("compress_3_2 needs operands of equal width; "
                         f"got {width}, {len(b)} and {len(c)}")
    total = Signal(width, name=f"{name}_sum")
    carry = Signal(width, name=f"{name}_carry")
    majority = (a & b) | (c & (a ^ b))
    m.d.comb += [total.eq(a ^ b ^ c), carry.eq(Cat(Const(0, 1), majority[:width - 1]))]
    return total, carry


def adder_tree(values: Sequence[ValueLike]) -> Value:
    """Exact sum of integers by a balanced tree of ``+``, each node as wide as its value needs.

    Signed and unsigned operands may be mixed; no operand at all gives 0.
    """
    level = [Value.cast(value) for value in values]
    if not level:
        return Const(0, 1)
    while len(level) > 1:
        pairs = [level[i] + level[i + 1] for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def _bit(value: ValueLike) -> Value:
    """A one-bit unsigned value (constants included)."""
    if isinstance(value, int):
        return Const(value, Shape(1))
    return Value.cast(value)[0]
