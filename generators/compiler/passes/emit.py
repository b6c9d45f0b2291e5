"""Emit: programs of every call for the row counts asked for, and what a runtime needs to know."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ..calls import calls_of
from ..program import CallShape, Placed, Program
from .state import State, laid_out

__all__ = ["emit"]


def emit(module: ModuleOp, state: State) -> None:
    weights: dict[str, Placed] = {}
    calls: list[CallShape] = []
    for call in calls_of(module):
        for op in call.products:
            assert op.slot is not None
            weights[op.label] = Placed(laid_out(state.p, op), op.group.value.data,
                                       op.slot.value.data, state.image.places[op.label][0])
        calls.append(CallShape(call.names, call.order, call.fused))
    state.program = Program.emitted(state.p, weights, calls, state.rows, state.image,
                                    source=state.model.source,
                                    architecture=state.model.architecture)
