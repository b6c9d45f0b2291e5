"""Share: products of the same activations read one precompute (query, key and value; gate and up).

Common subexpressions, as xDSL finds them: operations of the dialect have no effects.
"""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.transforms.common_subexpression_elimination import CommonSubexpressionElimination

from .state import State

__all__ = ["share"]


def share(module: ModuleOp, state: State) -> None:
    CommonSubexpressionElimination().apply(Context(), module)
