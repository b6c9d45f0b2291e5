"""Fuse: a precompute joins the norm or the silu(gate) * up whose results nothing else reads.

The host then writes its float16 activations straight to where the accelerator reads them.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import (
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)

from ..dialect import Precompute, RmsNorm, RmsNormPrecompute, SiluMul, SiluMulPrecompute, Tables
from .state import State

__all__ = ["fuse"]


class _Fuse(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: Precompute, rewriter: PatternRewriter) -> None:
        before, kind = op.x.owner, op.y.type
        assert isinstance(kind, Tables)
        if op.x.get_user_of_unique_use() is None:
            return
        if isinstance(before, RmsNorm):
            rewriter.replace(op, RmsNormPrecompute([before.x], kind, gain=before.gain))
        elif isinstance(before, SiluMul):
            rewriter.replace(op, SiluMulPrecompute([before.gate, before.up], kind))
        else:
            return
        rewriter.erase(before)


def fuse(module: ModuleOp, state: State) -> None:
    PatternRewriteWalker(_Fuse(), apply_recursively=False).rewrite_module(module)
