"""Wrappers around emitted designs, as users ask for them: ``--wrap axis``, ``--wrap scan``.

A wrapper belongs to the emission, not to a design's parameters: every generator has the same ones,
and the manifest says which one is there (``wrap``).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UsageError
from .options import integer

__all__ = ["WRAPS", "Wrap", "add_wrap", "take_wrap", "wrap_of"]

WRAPS = ("axis", "scan")
#: bits of tdata that can be chosen
WIDTHS = tuple(8 << i for i in range(10))


@dataclass(frozen=True)
class Wrap:
    """A wrapper: ``kind``, and for ``axis`` the bits of every tdata (None: as wide as its
    frame)."""

    kind: str
    width: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in WRAPS:
            raise UsageError(f"--wrap must be {' or '.join(WRAPS)}; got {self.kind}")
        if self.width is not None and self.kind != "axis":
            raise UsageError(f"--axis-width needs --wrap axis; got --wrap {self.kind}")
        if self.width is not None and self.width not in WIDTHS:
            raise UsageError("--axis-width must be a power of two of bytes, "
                             f"{WIDTHS[0]} to {WIDTHS[-1]} bits; got {self.width}")

    def flags(self) -> str:
        """The options that ask for it."""
        return f"--wrap {self.kind}" + (f" --axis-width {self.width}" if self.width else "")


def add_wrap(group: Any) -> None:
    """Add the options to an argparse group."""
    group.add_argument("--wrap", metavar="|".join(WRAPS), help="put a wrapper around the design: "
                       "axis, AXI4-Stream interfaces with aclk and aresetn; scan, a shift register "
                       "in and one out, for place and route (docs/wrappers.md)")
    group.add_argument("--axis-width", type=integer, metavar="BITS",
                       help="with --wrap axis: bits of every tdata, a power of two of bytes; "
                       "default each as wide as a beat of its stream")


def take_wrap(args: argparse.Namespace) -> Wrap | None:
    """The wrapper that the parsed options ask for."""
    if args.wrap is None:
        if args.axis_width is not None:
            raise UsageError(f"--axis-width needs --wrap axis; got {args.axis_width} without it")
        return None
    return Wrap(args.wrap, args.axis_width)


def wrap_of(manifest: Mapping[str, Any]) -> Wrap | None:
    """The wrapper that a manifest tells of."""
    found = manifest.get("wrap")
    return None if found is None else Wrap(found["kind"], found.get("width"))
