"""Tile: how much of the weight buffer a chunk fills, and in which order a call's products go.

Weights cross the bus once in any order; what differs is how long the core waits for the first
chunk, and the bus for the last results: smaller chunks wait less, and are more instructions. The
choice is that of the cycle model, over the row counts that are compiled; calls that are alike are
tried once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp

from lowbit.golden.accelerator.layout import Matrix
from lowbit.golden.parameters import ParameterError

from ...errors import UsageError
from ..calls import CallPlan, calls_of, program_of
from ..cost import cost
from ..dialect import integer
from .state import State, about, laid_out

__all__ = ["tile"]

#: parts of a slot of the weight buffer that a chunk may fill
PARTS = (1, 2, 4)
#: a smaller chunk must save such a part of the cycles
WORTH = 0.04
#: products of a call whose orders are all tried
MOST = 3


def tile(module: ModuleOp, state: State) -> None:
    chosen: dict[object, tuple[int, tuple[int, ...]]] = {}
    for call in calls_of(module):
        matrices = tuple(laid_out(state.p, op, state.p.w_slot) for op in call.products)
        alike = tuple((m.n, m.k, m.planes, m.group_size, m.has_offsets) for m in matrices)
        if alike not in chosen:
            chosen[alike] = _best(state, call, matrices)
        slot, order = chosen[alike]
        for op, place in zip(call.products, order, strict=True):
            op.properties |= {"slot": integer(slot), "order": integer(place)}


def _best(state: State, call: CallPlan, whole: Sequence[Matrix]) -> tuple[int, tuple[int, ...]]:
    """Slot and places of the products with the fewest cycles; of equals the first."""
    p, places = state.p, range(len(whole))
    orders = [*itertools.permutations(places)] if len(whole) <= MOST else [tuple(places)]
    best: tuple[float, int, tuple[int, ...]] | None = None
    for part in PARTS:
        slot = p.w_slot // part
        if any(slot < m.planes * m.group_size // p.per_beat for m in whole):
            break                                       # a group has to fit
        matrices = [laid_out(p, op, slot) for op in call.products]
        found = min((_cycles(state, call, matrices, order), slot, order) for order in orders)
        if best is None or found[0] < (1 - WORTH) * best[0]:
            best = found
    if best is None:
        raise UsageError(f"{call.products[0].label}: a group must fit --w-kib {p.w_kib}")
    return best[1], best[2]


def _cycles(state: State, call: CallPlan, matrices: Sequence[Matrix],
            order: Sequence[int]) -> float:
    """Cycles a row, the row counts as important as each other."""
    try:
        return sum(cost(state.p, program_of(state.p, rows, matrices, order)).cycles / rows
                   for rows in state.rows)
    except ParameterError as error:                     # the activations do not fit
        raise about(call.products[0], error) from None
