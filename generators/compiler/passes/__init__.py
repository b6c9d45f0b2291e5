"""The passes, in order: each a function of a module and a :class:`~.state.State`."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects.builtin import ModuleOp

from .emit import emit
from .fuse import fuse
from .pack import pack
from .share import share
from .split import split
from .state import State
from .tile import tile

__all__ = ["OPTIONAL", "PASSES", "State"]

Pass = Callable[[ModuleOp, State], None]

PASSES: dict[str, Pass] = {"split": split, "share": share, "fuse": fuse, "tile": tile,
                           "pack": pack, "emit": emit}
#: passes that results do not depend on
OPTIONAL = ("share", "fuse")
