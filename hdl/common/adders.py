"""Small integer arithmetic: ripple adders, incrementers, carry-save compressors, adder trees.

The functions add their equations to a module ``m`` and return the results. Every carry is a
one-bit signal of its own (``<name>_carry_<i>``): the emitted Verilog stays readable and no
simulator sees a vector that depends on itself.

A ripple adder written as carry equations maps to fewer cells than the ``+`` operator, which
Yosys expands into a prefix adder; it is slower for wide words, so callers choose.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, ValueLike

__all__ = ["adder_tree", "compress_3_2", "increment", "ripple_add", "ripple_less"]


def ripple_add(m: Module, a: ValueLike, b: ValueLike, carry_in: ValueLike = 0, *,
               name: str = "add") -> tuple[Signal, Value]:
    """Sum and carry out of two words of equal width and a carry in.

    Returns ``(sum, carry)``; ``sum`` has the width of the operands, ``carry`` is one bit.
    """
    a, b = Value.cast(a), Value.cast(b)
    if len(a) != len(b):
        raise ValueError(f"ripple_add needs operands of equal width; got {len(a)} and {len(b)}")
    width = len(a)
    propagate = Signal(width, name=f"{name}_propagate")
    total = Signal(width, name=f"{name}_sum")
    m.d.comb += propagate.eq(a ^ b)
    carries = [_bit(carry_in)]
    for i in range(width):
        carry = Signal(name=f"{name}_carry_{i + 1}")
        m.d.comb += carry.eq((a[i] & b[i]) | (carries[i] & propagate[i]))
        carries.append(carry)
    m.d.comb += total.eq(propagate ^ Cat(carries[:width]))
    return total, carries[width]


def ripple_less(m: Module, a: ValueLike, b: ValueLike, *, name: str = "less") -> Value:
    """One bit: unsigned ``a < b`` (the borrow of ``a - b``), operands of equal width."""
    a, b = Value.cast(a), Value.cast(b)
    if len(a) != len(b):
        raise ValueError(f"ripple_less needs operands of equal width; got {len(a)} and {len(b)}")
    borrow: Value = Const(0, 1)
    for i in range(len(a)):
        after = Signal(name=f"{name}_borrow_{i + 1}")
        m.d.comb += after.eq((~a[i] & b[i]) | (borrow & ~(a[i] ^ b[i])))
        borrow = after
    return borrow


def increment(m: Module, a: ValueLike, carry_in: ValueLike = 1, *,
              name: str = "increment") -> tuple[Signal, Value]:
    """``a + carry_in`` with half adders; returns ``(sum, carry)`` as :func:`ripple_add` does."""
    a = Value.cast(a)
    total = Signal(len(a), name=f"{name}_sum")
    carries = [_bit(carry_in)]
    for i in range(len(a)):
        carry = Signal(name=f"{name}_carry_{i + 1}")
        m.d.comb += carry.eq(a[i] & carries[i])
        carries.append(carry)
    m.d.comb += total.eq(a ^ Cat(carries[:len(a)]))
    return total, carries[-1]


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
