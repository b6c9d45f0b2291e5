"""What passes share beside the module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lowbit.golden.accelerator.layout import Matrix
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import Codes
from lowbit.golden.parameters import ParameterError

from ...errors import UsageError
from ..dialect import MpGemm, Weight
from ..image import Image, matrix_of
from ..model import Model
from ..program import Program

__all__ = ["State", "about", "laid_out"]


@dataclass
class State:
    """The design, the model, the row counts of programs; what passes have made."""

    p: AccelParameters
    model: Model
    rows: Sequence[int]
    progress: Callable[[str], None] = lambda phase: None
    image: Image = field(default_factory=Image)
    program: Program | None = None


def laid_out(p: AccelParameters, op: MpGemm, slot: int | None = None) -> Matrix:
    """How the weights of a product lie in memory; ``slot`` before the tile pass has chosen one.

    :class:`UsageError` names them.
    """
    if slot is None and op.slot is not None:
        slot = op.slot.value.data
    try:
        return matrix_of(p, op.n, op.k, op.bits.value.data, op.group.value.data,
                         Codes[op.codes.data.upper()], bool(op.offsets), slot)
    except ParameterError as error:
        raise about(op, error) from None


def about(op: Weight, error: Exception) -> UsageError:
    """The error with the name of the weights that it is about."""
    return UsageError(f"{op.label}: {error}")
