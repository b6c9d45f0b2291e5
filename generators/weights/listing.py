"""What a file has: a line for each tensor, and a matrix's own codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lowbit.golden.block_formats import BLOCK_KINDS
from lowbit.golden.grouped import GroupedWeights

from ..errors import UsageError
from .messages import listed

__all__ = ["FLOAT", "NO_MATRIX", "STACK", "Kept", "Listing", "core_takes", "only"]

FLOAT = "floats: quantise first"
NO_MATRIX = "not a matrix"
STACK = "a stack of matrices: not taken; split it into matrices"


@dataclass(frozen=True)
class Listing:
    """One line of a file's list."""

    name: str
    format: str
    shape: tuple[int, ...]       #: a matrix is (output channels n, inputs k)
    bits_per_weight: float       #: stored, with scales and all
    group_size: int | None       #: inputs that share a scale; None without, or one a channel
    takes: str                   #: what a core can take
    keep: bool                   #: :func:`load_kept` gives its codes


@dataclass(frozen=True)
class Kept:
    """A matrix's own codes."""

    name: str
    format: str
    weights: GroupedWeights
    notes: list[str] = field(default_factory=list)   #: how the file was understood


def core_takes(bits: int, *, block: str | None = None, minimum: bool = False,
               ternary: bool = False) -> str:
    """What takes codes of so many bits; ``block``: those of a block format."""
    if ternary:
        return f"lut_core --radix 3, or {bits} planes"
    if block is not None:
        kind = BLOCK_KINDS[block]
        return f"bitmod_tile, bitmod_array with --group-scale {kind.scale}" + (
            "; lut_core, 5 planes" if kind.name == "mxfp4" else "")
    return f"lut_core, {bits} planes" + (", with minima" if minimum else "")


def only(names: list[str], path: Path) -> str:
    """The one of a file's matrices, where none was named; :class:`UsageError` for several."""
    if len(names) != 1:
        raise UsageError(f"--tensor must name one of the {len(names)} matrices of {path} that have "
                         f"codes of their own{listed(names[:5])}" if names else
                         f"{path} has no matrix with codes of its own; leave --keep out to "
                         "quantise its floats, and see gen inspect")
    return names[0]
