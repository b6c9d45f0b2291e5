"""Split: a linear layer is a precompute of its activations and a product of what that gives.

The dataflow transformation of LUT Tensor Core (section 3.1.1): the precompute no longer belongs to
each product, so that the passes after this one can share it and move it.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.pattern_rewriter import (
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from lowbit.golden.accelerator.layout import group_of
from lowbit.golden.parameters import ParameterError

from ..dialect import Linear, MpGemm, Precompute, Tables
from .state import State, about

__all__ = ["split"]


class _Split(RewritePattern):
    def __init__(self, state: State) -> None:
        self.p = state.p

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: Linear, rewriter: PatternRewriter) -> None:
        assert isinstance(op.x.type, TensorType)
        k = int(op.x.type.get_shape()[1])
        try:
            group = group_of(self.p, k, op.group.value.data)
        except ParameterError as error:
            raise about(op, error) from None
        precompute = Precompute([op.x], Tables.of(k, group))
        product = MpGemm(operands=[precompute.y], result_types=[op.y.type],
                         properties=dict(op.properties))
        rewriter.replace(op, [precompute, product])


def split(module: ModuleOp, state: State) -> None:
    PatternRewriteWalker(_Split(state), apply_recursively=False).rewrite_module(module)
