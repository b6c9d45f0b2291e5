"""Leading-zero counts and the shifters of floating-point units.

Functions add their equations to a module ``m``; signals are named ``<name>_...``.

Two ways to normalise, with equal results:

- ``search``: at every level, from the largest power of two, shift when the top bits are zero and
  the exponent allows it: what a level does waits for all levels before it.
- ``count``: a tree counts the leading zeros, then the word is shifted: the shorter path.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike

__all__ = ["count_leading_zeros", "normalize_left", "shift_right_sticky"]


def count_leading_zeros(m: Module, word: ValueLike, *, name: str = "lzc") -> tuple[Value, Value]:
    """``(count, zero)``: zeros above the highest one of ``word``, and "word is zero".

    ``count`` has ``ceil(log2(len(word)))`` bits and no meaning when ``zero`` is set.
    """
    word = Value.cast(word)
    levels = max(1, (len(word) - 1).bit_length())
    # the word is padded with ones below: they are never reached while a one is above
    bits = list(word)[::-1]
    nodes: list[tuple[Value, Value]] = [(~bit, Const(0, 0)) for bit in bits]
    padding = (1 << levels) - len(bits)
    nodes += [(Const(0, 1), Const(0, 0))] * padding
    for level in range(levels):
        merged: list[tuple[Value, Value]] = []
        for (high_zero, high), (low_zero, low) in zip(nodes[::2], nodes[1::2], strict=True):
            at = f"{name}_{level}_{len(merged)}"
            zero = Signal(name=f"{at}_zero")
            count = Signal(level + 1, name=f"{at}_count")
            m.d.comb += [zero.eq(high_zero & low_zero),
                         count.eq(Cat(Mux(high_zero, low, high), high_zero) if level
                                  else high_zero)]
            merged.append((zero, count))
        nodes = merged
    return nodes[0][1], ~word.any() if padding else nodes[0][0]


def normalize_left(m: Module, word: ValueLike, limit: ValueLike, *, limited: bool = True,
                   method: str = "count", name: str = "normalize") -> tuple[Value, Value]:
    """Shift ``word`` left by ``min(leading zeros, limit)``; returns ``(shifted, remaining)``.

    ``remaining = limit - amount``, as wide as ``limit`` (unsigned). A floating-point unit passes
    the exponent as the limit: where it runs out the result is subnormal, ``remaining`` is 0 and
    the top bit of ``shifted`` is 0. ``limited=False`` promises ``limit >= len(word) - 1`` and
    drops that logic. ``remaining`` has no meaning for a zero word.
    """
    word, limit = Value.cast(word), Value.cast(limit)
    if method == "search":
        return _normalize_search(m, word, limit, limited, name)
    if method != "count":
        raise ValueError(f"method must be 'count' or 'search'; got {method!r}")
    width = len(word)
    stop = word
    if limited:
        # a one at the place that the limit allows to reach the top ends the count there
        stop = Signal(width, name=f"{name}_stop")
        reachable = min(width, 1 << len(limit))
        places = [limit == amount for amount in range(reachable)]
        places += [Const(0, 1)] * (width - reachable)
        m.d.comb += stop.eq(word | Cat(places[::-1]))
    amount, _ = count_leading_zeros(m, stop, name=f"{name}_lzc")
    shifted = word
    for k in reversed(range(len(amount))):
        following = Signal(width, name=f"{name}_by_{1 << k}")
        m.d.comb += following.eq(Mux(amount[k], shifted << (1 << k), shifted))
        shifted = following
    remaining = Signal(len(limit), name=f"{name}_remaining")
    m.d.comb += remaining.eq(limit - amount)
    return shifted, remaining


def _normalize_search(m: Module, word: Value, limit: Value, limited: bool,
                      name: str) -> tuple[Value, Value]:
    width, shifted, remaining = len(word), word, limit
    for k in reversed(range(max(1, (width - 1).bit_length()))):
        go = Signal(name=f"{name}_go_{1 << k}")
        following = Signal(width, name=f"{name}_by_{1 << k}")
        left = Signal(len(limit), name=f"{name}_remaining_{1 << k}")
        top_zero = ~shifted[max(0, width - (1 << k)):].any()
        # `remaining >= 2**k`, and the subtraction touches only the bits from k up
        enough = remaining[k:].any() if limited else Const(1, 1)
        m.d.comb += [go.eq(top_zero & enough),
                     following.eq(Mux(go, shifted << (1 << k), shifted))]
        borrow: Value = go
        bits = list(remaining[:k])
        for i in range(k, len(limit)):
            bits.append(remaining[i] ^ borrow)
            after = Signal(name=f"{name}_borrow_{1 << k}_{i}")
            m.d.comb += after.eq(borrow & ~remaining[i])
            borrow = after
        m.d.comb += left.eq(Cat(bits))
        shifted, remaining = following, left
    return shifted, remaining


def shift_right_sticky(m: Module, word: ValueLike, amount: ValueLike, *,
                       name: str = "align") -> tuple[Value, Value]:
    """``(word >> amount, sticky)``; ``sticky`` is set when a one was shifted out.

    An ``amount`` of ``len(word)`` and more gives 0. For amounts beyond the levels of the shifter
    ``sticky`` is set whatever the word was: exact for every word that is not zero.
    """
    word, amount = Value.cast(word), Value.cast(amount)
    width = len(word)
    levels = min(len(amount), (width - 1).bit_length())
    sticky: Value = Const(0, 1)
    for k in range(levels):
        step = 1 << k
        following = Signal(width, name=f"{name}_by_{step}")
        lost = Signal(name=f"{name}_lost_{step}")
        m.d.comb += [following.eq(Mux(amount[k], word >> step, word)),
                     lost.eq(sticky | (amount[k] & word[:step].any()))]
        word, sticky = following, lost
    if len(amount) > levels:
        far = Signal(name=f"{name}_far")
        m.d.comb += far.eq(amount[levels:].any())
        word, sticky = word & ~far.replicate(width), sticky | far
    return word, sticky
