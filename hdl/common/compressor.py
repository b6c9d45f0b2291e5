"""Sums of signed integers by a tree of unsigned adders: no sign extension, no constants.

A row of n bits, two's complement, enters with its sign bit inverted, its *offset form*: it is then
unsigned, and 2**(n - 1) too large. So no node of the tree extends a sign or corrects the sum, and
an accumulator only counts above the bits of the tree's sum. The offset of all rows and beats is
known, and is subtracted once, where the sum is read. What the tree computes, in exact integers:
:func:`lowbit.golden.offset_form.offset_sum`.

The inverse of all bits of an offset form is that of -row - 1; to subtract a row takes its bits
inverted and a carry. A tree has an adder less than rows, and each takes one carry.

Source: partial products of multipliers without sign extension, as C. R. Baugh and B. A. Wooley, "A
two's complement parallel array multiplication algorithm" (IEEE Trans. Computers, 1973), have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Value

from .adders import Adders, compress_3_2

__all__ = ["compress", "compress_places", "filled", "offset_form"]


def offset_form(row: Value) -> Value:
    """A two's complement integer of n bits in offset form, row + 2**(n - 1), unsigned; and back:
    the offset of 2**k rows is the top bit of their sum alone."""
    return Cat(row[:-1], ~row[-1])


def filled(rows: Sequence[Value]) -> list[Value]:
    """Rows in offset form, and zeros in offset form up to a power of two."""
    zero = Const(1 << len(rows[0]) - 1, len(rows[0]))
    return [*rows, *[zero] * ((1 << (len(rows) - 1).bit_length()) - len(rows))]


def compress(m: Module, rows: Sequence[Value], carries: Sequence[Value], adders: Adders, *,
             name: str = "tree") -> tuple[Value, Value]:
    """Rows of n bits in offset form, and at most as many carries of one bit: (sum less one carry,
    that carry). The sum is unsigned, of n + ceil(log2(rows)) bits.

    Carries go to the adders in their order, those of the first level first. Where there are as
    many as rows, one is left that has no adder here: whoever takes the sum adds it. Combinational.
    """
    if not rows or len(carries) > len(rows) or len({len(row) for row in rows}) > 1:
        raise ValueError("compress takes rows of equal width, and a carry a row at most; got "
                         f"rows of {[len(row) for row in rows]} bits, {len(carries)} carries")
    bits, level, left = len(rows[0]), 0, [Value.cast(carry) for carry in carries]

    def carry() -> Value:
        return left.pop(0) if left else Const(0, 1)

    nodes = [(row, 1) for row in rows]      # a sum, and of how many rows
    while len(nodes) > 1:
        above: list[tuple[Value, int]] = []
        while nodes:
            # three in the place of an odd one out, which would go up beside wider sums
            some, nodes = (nodes, []) if len(nodes) == 3 else (nodes[:2], nodes[2:])
            counted, at = sum(count for _, count in some), f"{name}_{level}_{len(above)}"
            width = max(len(word) for word, _ in some) + len(some) - 2
            a, b, *more = (Cat(word, Const(0, width - len(word))) for word, _ in some)
            if more:
                a, twice = compress_3_2(m, a, b, *more, name=f"{at}_save")
                b = Cat(carry(), twice[1:])
            total = Cat(*adders.add(m, a, b, carry(), name=at))
            above.append((total[:bits + (counted - 1).bit_length()], counted))
        nodes, level = above, level + 1
    return nodes[0][0], carry()


def compress_places(m: Module, rows: Mapping[int, Sequence[Value]],
                    carries: Mapping[int, Sequence[Value]], adders: Adders, *, name: str,
                    joined: str) -> tuple[Value, Value]:
    """Rows as in :func:`compress`, those at place i counting 2**i, and their carries: (sum less one
    carry of the lowest place, that carry). The sum is unsigned, as long as the largest one is.

    Adders of place number n have the names ``NAME_n_...``, the one that adds it to those below
    ``JOINED_n``. Combinational.
    """
    total, first, bound = None, Const(0, 1), 0
    for n, place in sorted(enumerate(rows), key=lambda pair: pair[1]):
        part, carry = compress(m, rows[place], carries[place], adders, name=f"{name}_{n}")
        bound += len(rows[place]) << len(rows[place][0]) + place
        if total is None:
            total, first = part, carry
            continue
        # the places below are whole already
        low, high = total[:place], total[place:]
        width = max(bound.bit_length() - place, len(part), len(high))
        more, _ = adders.add(m, Cat(high, Const(0, width - len(high))),
                             Cat(part, Const(0, width - len(part))), carry, name=f"{joined}_{n}")
        total = Cat(low, more[:bound.bit_length() - place])
    assert total is not None
    return total, first
