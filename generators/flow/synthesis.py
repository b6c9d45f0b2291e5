"""Area of a design: Yosys, a cell library and a recipe.

``flatten=True`` synthesises the whole design as one netlist: the form in which ratios between
designs are quoted; ``late=True`` with it optimises module by module and flattens only before
the mapping, which saves time on designs of many instances. ``flatten=False`` maps every distinct
module once, alone, and multiplies by its instances: fast, and it shows where the area is, but
constants and unused outputs do not cross module boundaries.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from .liberty import Cell, Library
from .recipes import ALL_AREA_RECIPES, Recipe, find_recipe
from .timing import LOAD_FF, Step, abc_delay_ns, constraints, find_sta, longest_path
from .yosys import YosysError, run_yosys

__all__ = ["ModuleArea", "Synthesis", "best_of", "synthesize", "usable_recipes"]

#: flip-flops that a clock gate must serve at least
_GATED = 6


@dataclass(frozen=True)
class ModuleArea:
    """Mapped cells of one module without its submodules; areas in the library's unit."""

    name: str
    instances: int
    area: float
    flip_flops: int
    flip_flop_area: float
    cells: dict[str, int] = field(repr=False)
    recipe: str = ""


@dataclass(frozen=True)
class Synthesis:
    """Result of one run. Areas in ``area_unit``, ``path_ns`` None where it was not computed."""

    top: str
    recipe: str
    clock_ns: float | None           #: target of a ``sized`` run
    flatten: str                     #: "early", "late" or "no"
    area: float
    area_unit: str
    gate_equivalents: float
    flip_flops: int
    flip_flop_area: float
    cells: dict[str, int] = field(repr=False)
    modules: tuple[ModuleArea, ...] = field(repr=False)
    path_ns: float | None = None
    path_ends: tuple[str, str] = ("", "")
    path_tool: str = ""
    path_steps: tuple[Step, ...] = field(default=(), repr=False)
    #: of a run with a path: the netlist that has it (Verilog), and its constraints (SDC)
    netlist: str = field(default="", repr=False)
    sdc: str = field(default="", repr=False)


def _quote(name: str) -> str:
    """A module name for a Yosys command line."""
    if re.fullmatch(r"[\w.$]+", name) is None:
        raise UsageError(f"module names must be letters, digits, '_', '.', '$'; got {name}")
    return name


def usable_recipes(library: Library, recipes: Sequence[str]) -> list[str]:
    """Those of the recipes for which the library has the cells."""
    return [name for name in recipes if not _missing(library, find_recipe(name))]


def _missing(library: Library, recipe: Recipe) -> str:
    """The cell that a recipe needs and the library lacks; ""."""
    if recipe.full_adders and library.full_adder is None:
        return "full adder"
    return "clock gate" if recipe.clock_gates and not library.has_clock_gate else ""


def _full_adder_map(cell: Cell) -> str:
    """Yosys' full adders of any width as cells of the library (Verilog for techmap)."""
    pins = ", ".join(f".{pin}({net}[i])" for pin, net in zip(cell.full_adder, "ABCXY", strict=True))
    return f"""module \\$fa (A, B, C, X, Y);
  parameter WIDTH = 1;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin: bits
    \\{cell.name} cell ({pins});
  end endgenerate
endmodule
"""


def _commands(top: str, recipe: Recipe, clock_ns: float, liberty: Sequence[str],
              enables: Sequence[str], flatten: str) -> list[str]:
    """The mapping sequence of one recipe, from the read design to its statistics."""
    libraries = " ".join(f"-liberty {name}" for name in liberty)
    synth = " ".join(["synth", *(["-flatten"] if flatten == "early" else []), f"-top {_quote(top)}",
                      *([recipe.synth] if recipe.synth else [])])
    commands = [f"hierarchy -check -top {top}", synth]
    if flatten == "late":
        commands += ["flatten", "opt -fast"]
    if recipe.full_adders:
        commands += ["extract_fa -fa", "opt_clean", "techmap -map full_adder.v", "opt_clean",
                     "techmap", "opt -fast"]
    if recipe.clock_gates:
        commands.append(f"clockgate {libraries} -min_net_size {_GATED}")
    if recipe.sized:
        # a clock is an input port at the clock pin of a flip-flop
        commands.append("tee -q -o clocks.txt select -list t:$_*FF*_ %ci1:+[C] i:* %i")
    # abc does not see what a net drives outside its logic: an enable pin shared by thousands of
    # flip-flops would stay on one small gate. As a multiplexer in the logic it gets buffers.
    avoid = "".join(f" -dont_use {name}" for name in enables) if recipe.sized else ""
    return [*commands, f"dfflibmap {libraries}{avoid}", f"abc {libraries} {recipe.abc(clock_ns)}",
            "opt_clean", f"tee -q -o stat.json stat -json {libraries} -top {top}"]


def _reason(error: YosysError) -> str:
    """What Yosys says, or abc where Yosys only misses abc's result; no path of a working file."""
    reason = error.reason
    if "ABC output file" in reason:
        said = re.findall(r"^ABC: (?![+*=])(?:Error: )?(\S.*)$", error.log, re.M)
        reason = f"abc stopped: {said[-1]}" if said else "abc stopped without a message"
    return re.sub(r"/\S*/(?=[^/\s])", "", reason)


def _run(commands: list[str], folder: Path, library: Library) -> str:
    try:
        return run_yosys(commands, folder)
    except YosysError as error:
        # the design has been read and checked by then: only the library is new
        if error.command.startswith(("dfflibmap", "abc", "tee -q -o stat")):
            raise UsageError(f"--liberty {', '.join(library.names)} cannot be used for synthesis: "
                             f"{_reason(error)}") from None
        raise


def _take(stat: dict[str, object], name: str, instances: int, library: Library,
          modules: Sequence[str], recipe: str) -> ModuleArea:
    counts = stat.get("num_cells_by_type", {})
    assert isinstance(counts, dict)
    # flattening leaves notes of the former hierarchy as cells
    cells = {kind: int(n) for kind, n in counts.items()
             if kind not in modules and kind != "$scopeinfo"}
    strange = sorted(kind for kind in cells if kind not in library.cells)
    if strange:
        what = "flip-flop or latch" if "FF" in strange[0] or "LATCH" in strange[0] else "cell"
        raise UsageError(f"--liberty {', '.join(library.names)} has no {what} for {strange[0]} "
                         f"of module {name}; name all files of the library")
    flops = {kind: n for kind, n in cells.items() if kind in library.flip_flops}
    return ModuleArea(name, instances, sum(n * library.cells[k].area for k, n in cells.items()),
                      sum(flops.values()), sum(n * library.cells[k].area for k, n in flops.items()),
                      dict(sorted(cells.items())), recipe)


def _map(source: str, reader: Sequence[str], top: str, instances: int, modules: Sequence[str],
         library: Library, recipe: Recipe, clock_ns: float, flatten: str,
         path: bool) -> tuple[ModuleArea, dict[str, object]]:
    """Map one module in a process and a folder of its own; its area and its longest path.

    ``source`` is the text of the file ``design`` that the ``reader`` commands read.
    """
    with tempfile.TemporaryDirectory(prefix="lowbit-area-") as name:
        folder = Path(name)
        liberty = library.write(folder)
        if recipe.sized:
            (folder / "constr").write_text(f"set_driving_cell {library.driver.name}\n"
                                           f"set_load {LOAD_FF:g}\n")
        if recipe.full_adders:
            assert library.full_adder is not None
            (folder / "full_adder.v").write_text(_full_adder_map(library.full_adder))
        (folder / "design").write_text(source)
        commands = [*reader, *_commands(top, recipe, clock_ns, liberty,
                                         library.enable_flip_flops, flatten)]
        if path:
            commands += ["setundef -zero",
                         "write_verilog -noattr -noexpr -nohex -nodec -simple-lhs "
                         "netlist.v"]
        log = _run(commands, folder, library)
        stats = json.loads((folder / "stat.json").read_text())["modules"]
        area = _take(stats["\\" + top], top, instances, library, modules, recipe.name)
        timing: dict[str, object] = {}
        if path:
            clocks = [line.rpartition("/")[2] for line in
                      (folder / "clocks.txt").read_text().split()]
            # signs mean nothing in a netlist, and some structural readers do not know them
            file = folder / "netlist.v"
            file.write_text(re.sub(r"^(\s*(?:input|output|inout|wire)) signed\b", r"\1",
                                   file.read_text(), flags=re.M))
            netlist = file.read_text()
            timing = dict(netlist=netlist, sdc=constraints(library, clocks, clock_ns, netlist))
            if find_sta():
                found = longest_path(library, liberty, top, clocks, clock_ns, folder)
                if found is not None:
                    timing |= dict(path_ns=found.ns, path_ends=(found.start, found.end),
                                   path_tool=found.tool, path_steps=found.steps)
            elif (estimate := abc_delay_ns(log)) is not None:
                timing |= dict(path_ns=estimate, path_tool="abc (between registers, no set-up)")
        return area, timing


def _instances(verilog: str, top: str) -> tuple[str, dict[str, int]]:
    """RTLIL of the elaborated design and how often each module occurs in ``top``."""
    with tempfile.TemporaryDirectory(prefix="lowbit-area-") as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog)
        run_yosys(["read_verilog design.v", f"hierarchy -check -top {_quote(top)}",
                   "write_rtlil design.il", f"tee -q -o stat.json stat -json -top {top}"],
                  folder)
        stats = json.loads((folder / "stat.json").read_text())["modules"]
        inside = {key.removeprefix("\\"): value.get("num_cells_by_type", {})
                  for key, value in stats.items()}
        counts: dict[str, int] = {}

        def visit(module: str, times: int) -> None:
            counts[module] = counts.get(module, 0) + times
            for kind, n in inside[module].items():
                if kind in inside:
                    visit(kind, times * n)

        visit(top, 1)
        return (folder / "design.il").read_text(), counts


def synthesize(verilog: str, top: str, library: Library, recipe: str = "plain", *,
               flatten: bool = True, late: bool = False, clock_ns: float = 1.0,
               path: bool | None = None) -> Synthesis:
    """Area of module ``top`` of the source text ``verilog`` with one recipe.

    ``path`` asks for the longest path (default: of a flattened ``sized`` run, which is the
    only one that gives a meaningful one). ``clock_ns`` is the target of ``sized``.
    Raises :class:`CheckFailed` for a design that Yosys refuses and :class:`UsageError` for a
    library that does not serve.
    """
    chosen = find_recipe(recipe)
    if lacks := _missing(library, chosen):
        raise UsageError(f"--recipe {recipe} needs a {lacks}, and --liberty "
                         f"{', '.join(library.names)} has none; take another recipe or library")
    if clock_ns <= 0:
        raise UsageError(f"--clock must be more than 0 ns; got {clock_ns:g}")
    path = chosen.sized and flatten if path is None else path
    if path and not (chosen.sized and flatten):
        raise ValueError("a longest path needs a flattened run of the sized recipe")
    timing: dict[str, object] = {}
    mode = ("late" if late else "early") if flatten else "no"
    if flatten:
        area, timing = _map(verilog, ["read_verilog design"], top, 1, (), library, chosen,
                            clock_ns, mode, path)
        modules: tuple[ModuleArea, ...] = (area,)
    else:
        rtlil, counts = _instances(verilog, top)

        def one(item: tuple[str, int]) -> ModuleArea:
            module, times = item
            others = " ".join(_quote(other) for other in counts if other != module)
            reader = ["read_rtlil design", *([f"blackbox {others}"] if others else [])]
            return _map(rtlil, reader, module, times, tuple(counts), library, chosen, clock_ns,
                        "no", False)[0]

        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            modules = tuple(pool.map(one, counts.items()))
    return _total(top, chosen, clock_ns, mode, library, modules, timing)


def _total(top: str, recipe: Recipe, clock_ns: float, flatten: str, library: Library,
           modules: tuple[ModuleArea, ...], timing: dict[str, object]) -> Synthesis:
    cells: dict[str, int] = {}
    for module in modules:
        for kind, n in module.cells.items():
            cells[kind] = cells.get(kind, 0) + n * module.instances
    area = sum(m.area * m.instances for m in modules)
    return Synthesis(top, recipe.name, clock_ns if recipe.sized else None, flatten, area,
                     library.area_unit, area / library.nand2.area,
                     sum(m.flip_flops * m.instances for m in modules),
                     sum(m.flip_flop_area * m.instances for m in modules),
                     dict(sorted(cells.items())), modules, **timing)  # type: ignore[arg-type]


def best_of(verilog: str, top: str, library: Library, recipes: Sequence[str] = ALL_AREA_RECIPES, *,
            flatten: bool = True, clock_ns: float = 1.0) -> dict[str, Synthesis]:
    """Every recipe of a stated set for which the library has the cells, smallest area first.

    Quote the first entry as best only together with the set, and give both sides of a ratio
    the same set: recipes differ widely (docs/bitmod.md, Area).
    """
    if not recipes:
        raise ValueError("best_of needs at least one recipe")
    runs = {name: synthesize(verilog, top, library, name, flatten=flatten, clock_ns=clock_ns)
            for name in usable_recipes(library, recipes)}
    return dict(sorted(runs.items(), key=lambda item: (item[1].area, item[0])))
