"""Synthesis with a cache on disk: what the studies and the area benchmarks have in common.

Every design is synthesised in a fresh process. Results are kept under a hash of the Verilog, the
library, the recipe and the tools, each in a file that appears whole, so that an interrupted run,
however it ended, goes on where it was, and a changed design is measured anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lowbit.golden.parameters import Parameters

from .. import registry
from ..errors import UsageError
from ..files import write_whole
from ..flow import liberty, recipes, synthesis, timing, yosys
from ..options import ArgumentParser, add_parameters, take_parameters
from ..verilog.emit import Emitted, emit

__all__ = ["Design", "Measure", "area_cache", "parse"]


@dataclass(frozen=True)
class Design:
    """One design: the command that makes it, its Verilog and top module."""

    command: str
    verilog: str
    top: str

    def part(self, module: str) -> Design:
        """A module of it, alone."""
        if not module:
            return self
        if not re.search(rf"^module {re.escape(module)}\b", self.verilog, re.M):
            raise UsageError(f"`{self.command}` has no module {module}")
        return Design(f"{self.command}, {module}", self.verilog, module)


def area_cache() -> Path:
    """Where areas are kept: ``$XDG_CACHE_HOME/lowbit/area`` or ``~/.cache/lowbit/area``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lowbit" / "area"


def parse(command: str) -> Parameters:
    """``fp16_dot --K 4``: the parameters of what ``gen`` would emit."""
    name, *words = command.split()
    cls = registry.find(name).parameter_class()
    parser = ArgumentParser(prog=f"gen {name}", allow_abbrev=False)
    add_parameters(parser, cls)
    return take_parameters(parser.parse_args(words), cls)


class Measure:
    """Synthesis with a cache on disk; may be called from several threads.

    ``say`` is told what is being synthesised.
    """

    def __init__(self, library: liberty.Library, cache: Path, clock_ns: float = 1.0,
                 say: Callable[[str], None] = lambda text: None) -> None:
        self.library, self.cache, self.clock_ns, self.say = library, cache, clock_ns, say
        self.designs: dict[str, Design] = {}
        #: emission has state of its own: one at a time
        self._emission = threading.Lock()
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create the folder of areas {cache}: {error.strerror}; set "
                             "XDG_CACHE_HOME to a writable folder") from None
        # a change of the flow makes another figure
        sources = [Path(module.__file__ or "").read_bytes()
                   for module in (synthesis, recipes, timing)]
        sta = timing.find_sta()
        self.tools = [f"pyosys {yosys.yosys_version()}", *library.hashes,
                      timing.sta_version(sta) if sta else "no OpenSTA",
                      hashlib.sha256(b"".join(sources)).hexdigest()]

    def design(self, command: str) -> Design:
        """``fp16_dot --K 4``: what ``gen`` would emit."""
        with self._emission:
            if command not in self.designs:
                self.add(command, emit(parse(command)))
            return self.designs[command]

    def add(self, command: str, emitted: Emitted) -> Design:
        """A design that no generator emits, under a name of its own."""
        self.designs[command] = Design(command, emitted.verilog, emitted.top)
        return self.designs[command]

    def recipe(self, design: Design, recipe: str) -> str:
        """The recipe that gives the same with less work: Booth's change multiplications only."""
        if " * " in re.sub(r"//[^\n]*", "", design.verilog):
            return recipe
        return re.sub(r"^booth\+?", "", recipe) or "plain"

    def __call__(self, design: Design, recipe: str, *, flatten: bool = True) -> dict[str, Any]:
        """Area, flip-flops, cells by type; for a flat ``sized`` run also the longest path.

        Without ``flatten`` each distinct module is mapped once, and ``modules`` are their areas.
        """
        recipe = self.recipe(design, recipe)
        key = json.dumps([design.verilog, design.top, recipe, self.tools,
                          self.clock_ns if recipes.find_recipe(recipe).sized else 0,
                          *([] if flatten else ["module by module"])])
        path = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        if (stored := _read(path)) is not None:
            return stored
        self.say(f"{recipe:<15} {design.command}{'' if flatten else ', module by module'}")
        run = synthesis.synthesize(design.verilog, design.top, self.library, recipe,
                                   flatten=flatten, clock_ns=self.clock_ns)
        result = {"command": design.command, "recipe": recipe, "area": run.area,
                  "gate_equivalents": run.gate_equivalents, "flip_flops": run.flip_flops,
                  "flip_flop_area": run.flip_flop_area, "cells": run.cells,
                  "path_ns": run.path_ns, "path_ends": run.path_ends, "path_tool": run.path_tool,
                  "modules": {m.name: m.area for m in run.modules}}
        write_whole(path, partial(_write, json.dumps(result)))
        return result

    def by_modules(self, command: str) -> float:
        """Area with the plain recipe, each distinct module mapped once, alone."""
        return float(self(self.design(command), "plain", flatten=False)["area"])

    def areas(self, command: str, names: Sequence[str], *,
              special: bool = False) -> dict[str, float]:
        """Area with each recipe, and ``best`` of them; ``special``: also with the library's full
        adders and clock gates, ``best_all`` of all."""
        design = self.design(command)
        found = {name: float(self(design, name)["area"]) for name in names}
        areas = {**found, "best": min(found.values())}
        if special:
            more = [name for name in synthesis.usable_recipes(
                self.library, recipes.ALL_AREA_RECIPES) if name not in names]
            areas |= {name: float(self(design, name)["area"]) for name in more}
            areas["best_all"] = min(areas.values())
        return areas


def _write(text: str, path: Path) -> None:
    path.write_text(text)


def _read(path: Path) -> dict[str, Any] | None:
    """A stored result; None where there is none, or none that can be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found
