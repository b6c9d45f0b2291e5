"""Tile: how much of the weight buffer a chunk fills, and in which order a call's products go.

Weights cross the bus once in any order; what differs is how long the core waits for the first
chunk, and the bus for the last results. The choice is that of the cost model, over the row counts
that are compiled; alike calls are tried once.
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

#: parts of half the weight buffer that a chunk may fill
PARTS = (1, 2, 4)
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
    tried: list[tuple[int, int, tuple[int, ...]]] = []
    for part in PARTS:
        slot = p.w_slot // part
        if any(slot < m.planes * m.group_size // p.per_beat for m in whole):
            break                                       # a group has to fit
        matrices = [laid_out(p, op, slot) for op in call.products]
        for order in orders:
            try:
                cycles = sum(cost(p, program_of(p, rows, matrices, order)).cycles
                             for rows in state.rows)
            except ParameterError as error:             # the activations do not fit
                raise about(call.products[0], error) from None
            tried.append((cycles, slot, order))
    if not tried:
        raise UsageError(f"{call.products[0].label}: a group must fit --w-kib {p.w_kib}")
    _, slot, order = min(tried, key=lambda one: one[0])
    return slot, order
