"""Pack: weights reinterpreted as bit-planes, patterns and scales, each matrix on a page of its own.

Places follow from the order of the model alone, so that the same model gives the same image.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from lowbit.golden.accelerator.layout import pack as packed
from lowbit.golden.parameters import ParameterError

from ...errors import UsageError
from ..dialect import MpGemm, integer
from ..model import operations
from .state import State, about, laid_out

__all__ = ["pack"]


def pack(module: ModuleOp, state: State) -> None:
    products = operations(module, MpGemm)
    for number, op in enumerate(products, 1):
        if op.label not in state.image.places:
            state.progress(f"packing {op.label}, {number} of {len(products)},")
            laid = laid_out(state.p, op)
            try:
                matrix = packed(state.p, state.model.load(op.label),
                                op.slot.value.data if op.slot else None)
            except (ParameterError, UsageError) as error:
                raise about(op, error) from None
            assert (matrix.chunks, matrix.codes) == (laid.chunks, laid.codes)
            state.image.add(op.label, matrix.image)
        address, size = state.image.places[op.label]
        op.properties |= {"address": integer(address), "size": integer(size)}
