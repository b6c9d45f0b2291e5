"""Cycles and bytes of a call by a few of its column blocks and passes.

A program goes through the column blocks of its matrices one after another, and through the rows
in passes of what the buffers hold. After the first few blocks each costs what the ones before it
cost (slots, results and fetches come round within :data:`PERIOD` blocks), and after the first pass
each pass does. So the cycle model runs on cut matrices, whose last blocks are as narrow as the
real ones, and the rest is a straight line. Bytes, beats and instructions are exact; cycles are
compared with the whole program by the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lowbit.golden.accelerator.isa import to_bytes
from lowbit.golden.accelerator.layout import Matrix, is_sliced
from lowbit.golden.accelerator.linear import blocks_at_once, rows_per_pass, slices
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.parameters import ParameterError

from ..compiler.calls import program_of
from ..compiler.cost import Cost, cost
from ..compiler.image import matrix_of
from ..compiler.model import Shape
from ..compiler.passes.tile import PARTS, WORTH
from ..errors import UsageError
from .workload import Call

__all__ = ["PERIOD", "WARM", "call_cost", "check_call", "chosen_slot", "whole_cost"]

#: column blocks of each matrix until the pace is steady
WARM = 4
#: column blocks by which the steady pace is measured; where k goes in slices, as many as take a
#: slice together
PERIOD = 8


def check_call(p: AccelParameters, model: str, call: Call) -> None:
    """:class:`UsageError` names what to raise where the buffers do not take a call."""
    try:
        for shape in call.products:
            slices(p, _matrix(p, shape, min(shape.n, p.N), p.w_slot))
    except ParameterError as error:
        raise UsageError(f"{model}, {call.name}: {error}") from None


def whole_cost(p: AccelParameters, products: Sequence[Shape], rows: int, latency: int,
               slot: int) -> Cost:
    """The cost of all of a call's program."""
    return _program(p, tuple(products), tuple(s.n for s in products), rows, latency, slot)


@lru_cache(maxsize=1024)
def call_cost(p: AccelParameters, products: tuple[Shape, ...], rows: int, latency: int,
              slot: int) -> Cost:
    """The same, extrapolated."""
    at_once = rows_per_pass(p, products[0].k)
    passes, rest = divmod(rows, at_once)
    if passes < 3:
        return _blocks(p, products, rows, latency, slot)
    one, two = (_blocks(p, products, count * at_once + rest, latency, slot) for count in (1, 2))
    return _line(one, two, passes - 1)


def _blocks(p: AccelParameters, products: tuple[Shape, ...], rows: int, latency: int,
            slot: int) -> Cost:
    """Of some passes, extrapolated along the column blocks of each matrix."""
    period = PERIOD
    if is_sliced(p, products[0].k):
        period = blocks_at_once(p) * -(-PERIOD // blocks_at_once(p))
    steps = [max((-(-shape.n // p.N) - WARM) // period, 0) for shape in products]
    cut = [shape.n - count * period * p.N for shape, count in zip(products, steps, strict=True)]
    base = _program(p, products, tuple(cut), rows, latency, slot)
    total = base
    for i, count in enumerate(steps):
        if count:
            longer = tuple(n + period * p.N * (i == j) for j, n in enumerate(cut))
            more = _program(p, products, longer, rows, latency, slot)
            total += _line(Cost(), Cost(*(b - a for a, b in zip(
                vars(base).values(), vars(more).values(), strict=True))), count)
    return total


def _line(first: Cost, second: Cost, steps: int) -> Cost:
    """As many steps as that from the first to the second."""
    return Cost(*(a + steps * (b - a) for a, b in zip(
        vars(first).values(), vars(second).values(), strict=True)))


def _matrix(p: AccelParameters, shape: Shape, n: int, slot: int) -> Matrix:
    return matrix_of(p, n, shape.k, shape.bits, shape.group or shape.k, shape.codes,
                     shape.offsets, slot)


def _program(p: AccelParameters, products: tuple[Shape, ...], columns: tuple[int, ...], rows: int,
             latency: int, slot: int) -> Cost:
    matrices = [_matrix(p, shape, n, slot) for shape, n in zip(products, columns, strict=True)]
    program = program_of(p, rows, matrices, range(len(matrices)))
    to_bytes(program[:64])              # a field that is too narrow for the model is refused
    return cost(p, program, latency)


def chosen_slot(p: AccelParameters, call: Call, rows: Sequence[int], latency: int) -> int:
    """Words of the weight buffer that a chunk fills, by the rule of the compiler's pass tile (the
    products stay in the model's order), over one pass at most."""
    best: tuple[float, int] | None = None
    at_once = rows_per_pass(p, call.k)
    for part in PARTS:
        slot = p.w_slot // part
        if any(slot < s.bits * _matrix(p, s, 1, p.w_slot).group_size // p.per_beat
               for s in call.products):
            break
        cycles = sum(call_cost(p, call.products, count, latency, slot).cycles / count
                     for count in {min(count, at_once) for count in rows})
        if best is None or cycles < (1 - WORTH) * best[0]:
            best = cycles, slot
    assert best is not None             # check_call
    return best[1]
