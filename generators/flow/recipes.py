"""Synthesis recipes: named command sequences, so that figures say how they were reached.

plain        abc's default mapping
amap         abc's area mapper: smaller almost everywhere, usually slower
booth        multipliers as Booth-encoded partial products
noalumacc    leaves ``a*b + c`` as separate operators (fusing them costs area)
fa           sums of three bits by the library's full adder, found before abc takes them apart
clockgate    enables of six and more flip-flops become clock gates
sized        buffers inserted and gates sized for a clock target: the one whose path counts

Names joined by ``+`` are used together. A plain run inserts no buffers, so its longest path means
nothing where fan-out is high.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..errors import UsageError

__all__ = ["ALL_AREA_RECIPES", "AREA_RECIPES", "RECIPES", "Recipe", "find_recipe"]

_AMAP = "+strash;&get,-n;&fraig,-x;&put;scorr;dc2;strash;dch,-f;amap,-m"


@dataclass(frozen=True)
class Recipe:
    """What a recipe adds to ``synth`` and to ``abc``."""

    name: str
    synth: str = ""
    script: str = ""         #: abc script; "" for its default
    full_adders: bool = False   #: map sums to the library's full adder
    clock_gates: bool = False   #: map enables to the library's clock gate
    sized: bool = False      #: buffer and size for the clock target

    def abc(self, clock_ns: float) -> str:
        """Arguments of ``abc`` beside the library; ``constr`` lies in the run's folder."""
        if self.sized:
            return f"-D {clock_ns * 1000:g} -constr constr"
        return f"-script {self.script}" if self.script else ""


RECIPES = {recipe.name: recipe for recipe in (
    Recipe("plain"),
    Recipe("amap", "", _AMAP),
    Recipe("booth", "-booth"),
    Recipe("booth+amap", "-booth", _AMAP),
    Recipe("noalumacc", "-noalumacc"),
    Recipe("noalumacc+amap", "-noalumacc", _AMAP),
    Recipe("fa", full_adders=True),
    Recipe("fa+amap", "", _AMAP, full_adders=True),
    Recipe("clockgate", clock_gates=True),
    Recipe("clockgate+amap", "", _AMAP, clock_gates=True),
    Recipe("fa+clockgate", full_adders=True, clock_gates=True),
    Recipe("fa+clockgate+amap", "", _AMAP, full_adders=True, clock_gates=True),
    Recipe("sized", sized=True),
    Recipe("booth+sized", "-booth", sized=True),
)}

#: the set whose smallest area is quoted as best; the same set for both sides of a ratio
AREA_RECIPES = tuple(name for name, recipe in RECIPES.items() if not recipe.sized
                     and not recipe.full_adders and not recipe.clock_gates)
#: the set with the library's full adders and clock gates, where it has them
ALL_AREA_RECIPES = (*AREA_RECIPES, "fa+amap", "clockgate+amap", "fa+clockgate+amap")


def find_recipe(name: str) -> Recipe:
    """Recipe by name; :class:`UsageError` lists them."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--recipe must be one of {', '.join(RECIPES)}; got {name}{hint}")
    return RECIPES[name]
