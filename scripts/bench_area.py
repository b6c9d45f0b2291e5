"""Area and longest path of the LUT designs beside the designs that they replace.

    python scripts/bench_area.py [--liberty FILE ...] [--quick] [--json] [--only core,path,...]

Tables: ``core``: the LUT tensor core against the published RTL and against a conventional core of
our own; ``forms``: half table, one-hot select and offline negation against the conventional
forms; ``density``: operations per cycle and area against an FP16 dot-product unit; ``path``: the
longest path against that of one FP16 adder.

Every design is synthesised in a fresh process; results are kept in a cache (``--cache``) under a
hash of the Verilog, the library, the recipe and the tools, so an interrupted run goes on where it
was. "best" is the smallest area of the recipes named in the heading, the same on both sides of
every ratio.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.generators import registry
from lowbit.generators.emit import emit, emit_component
from lowbit.generators.errors import USER_ERRORS, UsageError
from lowbit.generators.flow import liberty, recipes, synthesis, timing, yosys
from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.golden.formats import FP16
from lowbit.hdl.common.fp_add import FpAdd

#: M2 N64 K4, 2-bit weights, FP16: RTL of the LUT Tensor Core authors with HardFloat adders,
#: SKY130, plain recipe, entries as bare inputs (um2; measured with the same flow, see README)
PUBLISHED_CORE = 862_000
#: operations per area of the paper's LUT unit over its FP16 MAC unit (DP4, 1-bit weights, 28 nm)
PUBLISHED_DENSITY = 18.2
#: the same of the authors' unit in this flow
REPRODUCED_DENSITY = 5.5


class RegisteredAdder(wiring.Component):
    """One IEEE adder between registers."""

    def __init__(self, style: str) -> None:
        self.style = style
        super().__init__({"a": In(16), "b": In(16), "sum": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.add = add = FpAdd(FP16, style=self.style)
        a, b = Signal(16, reset_less=True), Signal(16, reset_less=True)
        total = Signal(16, reset_less=True)
        m.d.sync += [a.eq(self.a), b.eq(self.b), total.eq(add.sum)]
        m.d.comb += [add.a.eq(a), add.b.eq(b), self.sum.eq(total)]
        return m


@dataclass(frozen=True)
class Design:
    """One design: the command that makes it, its Verilog and top module."""

    command: str
    verilog: str
    top: str


class Measure:
    """Synthesis with a cache on disk."""

    def __init__(self, library: liberty.Library, cache: Path, clock_ns: float) -> None:
        self.library, self.cache, self.clock_ns = library, cache, clock_ns
        self.designs: dict[str, Design] = {}
        cache.mkdir(parents=True, exist_ok=True)
        # a change of the flow makes another figure
        sources = [Path(module.__file__ or "").read_bytes()
                   for module in (synthesis, recipes, timing)]
        sta = timing.find_sta()
        self.tools = [yosys.yosys_version(), *library.hashes,
                      timing.sta_version(sta) if sta else "no OpenSTA",
                      hashlib.sha256(b"".join(sources)).hexdigest()]

    def design(self, command: str) -> Design:
        """``fp16_dot --K 4``: what ``gen`` would emit."""
        if command not in self.designs:
            name, *words = command.split()
            cls = registry.find(name).parameter_class()
            parser = ArgumentParser(prog=f"gen {name}", allow_abbrev=False)
            add_parameters(parser, cls)
            emitted = emit(take_parameters(parser.parse_args(words), cls))
            self.designs[command] = Design(command, emitted.verilog, emitted.top)
        return self.designs[command]

    def adder(self, style: str) -> Design:
        emitted = emit_component(RegisteredAdder(style), top="registered_adder")
        return Design(f"FP16 adder between registers, {style}", emitted.verilog, emitted.top)

    def __call__(self, design: Design, recipe: str) -> dict[str, Any]:
        """Area, flip-flops, cells by type; for ``sized`` also the longest path."""
        key = json.dumps([design.verilog, design.top, recipe, self.tools,
                          self.clock_ns if recipe == "sized" else 0])
        path = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
        if path.exists():
            stored: dict[str, Any] = json.loads(path.read_text())
            return stored
        print(f"{recipe:<15} {design.command}", file=sys.stderr, flush=True)
        run = synthesis.synthesize(design.verilog, design.top, self.library, recipe,
                                   clock_ns=self.clock_ns)
        result = {"command": design.command, "recipe": recipe, "area": run.area,
                  "gate_equivalents": run.gate_equivalents, "flip_flops": run.flip_flops,
                  "flip_flop_area": run.flip_flop_area, "cells": run.cells,
                  "path_ns": run.path_ns, "path_ends": run.path_ends, "path_tool": run.path_tool}
        handle, name = tempfile.mkstemp(dir=self.cache, suffix=".part")
        with os.fdopen(handle, "w") as out:
            json.dump(result, out)
        os.replace(name, path)
        return result

    def areas(self, command: str, names: Sequence[str]) -> dict[str, float]:
        """Area with each recipe, and ``best`` of them."""
        design = self.design(command)
        found = {name: float(self(design, name)["area"]) for name in names}
        return {**found, "best": min(found.values())}


Row = dict[str, Any]


def core_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """The core beside the published one and beside our conventional one (float adders)."""
    shape = f"--M 2 --N {8 if quick else 64} --K 4 --w-bits 2"
    conventional = measure.areas(f"lut_core {shape} --datapath float --acc fp16", names)
    rows: list[Row] = [{"design": f"lut_core {shape} --datapath float --acc fp16", "table": 0.0,
                        **conventional}]
    # half the columns and two groups a beat: the same work per cycle, half the accumulators
    paired = f"--M 2 --N {4 if quick else 32} --groups 2 --K 4 --w-bits 2"
    for acc in ("fp16", "fp32"):
        variants = [("", f"{shape} --acc {acc}"),
                    ("", f"{shape} --acc {acc} --lanes 1 --no-zero-point --max-k 1024"),
                    ("", f"{shape} --acc {acc} --buffer double"),
                    (" --groups 2", f"{paired} --acc {acc}"),
                    (" --groups 2", f"{paired} --acc {acc} --buffer double")]
        for table_shape, variant in variants:
            table = measure.areas(f"lut_table --M 2 --K 4{table_shape} --acc {acc}", names)
            command = f"lut_core {variant}"
            rows.append({"design": command, "table": table["plain"],
                         **measure.areas(command, names)})
    for row in rows:
        row["with_table"] = row["plain"] + row["table"]
        # the published figure is of N = 64
        row["to_published"] = None if quick else row["plain"] / PUBLISHED_CORE
        row["to_own_plain"] = row["plain"] / conventional["plain"]
        row["to_own_best"] = row["best"] / conventional["best"]
    return rows


#: table form, select, negation: ours and what it replaces
FORMS = {"ours": "--table half --select onehot", "full": "--table full --select binary",
         "hardware": "--table half --select binary --negation hardware"}


def form_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Ratios of our form to the conventional ones, dot-product unit and small core."""
    rows: list[Row] = []
    for kind, fixed in (("lut_dot", "--table-source external"),
                        ("lut_core", "--M 2 --N 8 --w-bits 2")):
        for activation in ("int8", "fp8_e4m3", "fp16"):
            number = "" if activation == "int8" else " --datapath float --acc fp16"
            for k in (4,) if quick else range(2, 7):
                found = {form: measure.areas(f"{kind} {fixed} --K {k} --a-format {activation}"
                                             f"{number} {flags}", names)
                         for form, flags in FORMS.items()}
                row: Row = {"design": f"{kind} {activation} K={k}",
                            **{form: area["plain"] for form, area in found.items()}}
                for other in ("full", "hardware"):
                    for recipe in ("plain", "best"):
                        row[f"to_{other}_{recipe}"] = \
                            found["ours"][recipe] / found[other][recipe]
                rows.append(row)
    return rows


def density_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Operations per cycle and area: LUT output (1-bit weights) over an FP16 DP4."""
    rows: list[Row] = []
    columns = 8 if quick else 64
    for acc in ("fp16", "fp32"):
        baseline = f"fp16_dot --K 4 --tree {acc} --acc {acc}"
        dot = measure.areas(baseline, names)
        for groups in (1, 2, 4):
            command = (f"lut_core --M 2 --N {columns} --K 4 --w-bits 1 --acc {acc}"
                       f" --groups {groups}")
            area = measure.areas(command, names)
            ratio = {recipe: groups * dot[recipe] / (area[recipe] / (2 * columns))
                     for recipe in ("plain", "best")}
            rows.append({"design": command, "baseline": baseline, "dot": dot["plain"],
                         "output": area["plain"] / (2 * columns), **ratio})
    return rows


def path_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Longest paths, sized recipe."""
    shape = f"--M 2 --N {8 if quick else 64} --K 4 --w-bits 2"
    designs = [measure.adder("small"), measure.adder("fast")]
    designs += [measure.design(f"lut_core {shape}{acc}") for acc in
                (" --acc fp16", "", " --acc fp16 --pipeline 2", " --pipeline 2")]
    rows: list[Row] = []
    for design in designs:
        run = measure(design, "sized")
        rows.append({"design": design.command, "path_ns": run["path_ns"], "area": run["area"],
                     "tool": run["path_tool"], "from": run["path_ends"][0],
                     "to": run["path_ends"][1]})
    for row in rows:
        limit = rows[1]["path_ns"]
        row["to_fast_adder"] = row["path_ns"] / limit if limit and row["path_ns"] else None
        small = rows[0]["path_ns"]
        row["to_small_adder"] = row["path_ns"] / small if small and row["path_ns"] else None
    return rows


Table = tuple[str, Callable[[Measure, Sequence[str], bool], list[Row]], dict[str, str], str]
TABLES: dict[str, Table] = {
    "core": (
        "LUT tensor core, FP16 activations, table entries as inputs (um2)", core_rows,
        {"plain": "10.0f", "table": "10.0f", "with_table": "12.0f", "best": "10.0f",
         "to_published": "14.3f", "to_own_plain": "14.3f", "to_own_best": "13.3f"},
        f"to_published: over {PUBLISHED_CORE:,} um2 (the authors' RTL, plain); "
        "to_own: over the first row; table: one lut_table, plain"),
    "forms": (
        "Half table, one-hot select, offline negation (ours) over the conventional forms",
        form_rows,
        {"ours": "10.0f", "full": "10.0f", "hardware": "10.0f", "to_full_plain": "15.3f",
         "to_full_best": "14.3f", "to_hardware_plain": "19.3f", "to_hardware_best": "18.3f"},
        "full: full table, binary select; hardware: half table, binary select, negation in "
        "hardware; areas plain (um2)"),
    "density": (
        "Operations per cycle and area, LUT output (1-bit weights) over FP16 dot product",
        density_rows, {"output": "10.0f", "dot": "10.0f", "plain": "8.2f", "best": "8.2f"},
        f"the paper: {PUBLISHED_DENSITY} (28 nm); the authors' unit in this flow about "
        f"{REPRODUCED_DENSITY}; goal 12. output: core area per output, dot: fp16_dot of the same "
        "format in tree and accumulator (um2, plain)"),
    "path": (
        "Longest path, sized recipe", path_rows,
        {"path_ns": "9.2f", "to_small_adder": "16.3f", "to_fast_adder": "15.3f", "area": "10.0f"},
        "bar: no longer than one FP16 adder between registers"),
}


def show(title: str, rows: list[Row], columns: dict[str, str], note: str) -> None:
    """One table as text."""
    wide = max(len(row["design"]) for row in rows)
    print(f"\n{title}")
    print(f"{'':<{wide}}" + "".join(f"{name:>{int(form.partition('.')[0])}}"
                                    for name, form in columns.items()))
    for row in rows:
        cells = [format(row[name], form) if row[name] is not None
                 else f"{'-':>{int(form.partition('.')[0])}}" for name, form in columns.items()]
        print(f"{row['design']:<{wide}}" + "".join(cells))
    print(f"({note})")


def _arguments() -> argparse.Namespace:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--liberty", type=Path, nargs="+", help="cell library; default "
                        "../shared/pdk/sky130hd_tt.lib.gz where that is")
    parser.add_argument("--quick", action="store_true", help="N = 8, K = 4: minutes, not hours")
    parser.add_argument("--only", default=",".join(TABLES), metavar="TABLE,...",
                        help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--recipes", default=",".join(recipes.AREA_RECIPES), metavar="NAME,...",
                        help="the set that best is taken from; default %(default)s")
    parser.add_argument("--clock", type=float, default=1.0, metavar="NS",
                        help="clock target of the sized recipe")
    parser.add_argument("--cache", type=Path, default=Path(base) / "lowbit" / "area")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run() -> int:
    args = _arguments()
    files = args.liberty or [Path(os.environ.get("LOWBIT_SHARED") or Path(__file__).resolve()
                                  .parents[2] / "shared") / "pdk" / "sky130hd_tt.lib.gz"]
    library = liberty.load(files)
    chosen, names = args.only.split(","), args.recipes.split(",")
    for word in chosen:
        if word not in TABLES:
            raise UsageError(f"--only must name tables of {', '.join(TABLES)}; got {word}")
    if "plain" not in names:
        raise UsageError(f"--recipes must contain plain; got {args.recipes}")
    for name in names:
        recipes.find_recipe(name)
    measure = Measure(library, args.cache, args.clock)
    sta = timing.find_sta()
    conditions = {"yosys": f"pyosys {yosys.yosys_version()}", "libraries": library.describe(),
                  "flatten": "early", "recipes": names, "clock_ns": args.clock,
                  "opensta": timing.sta_version(sta) if sta else None, "quick": args.quick}
    results: dict[str, Any] = {"conditions": conditions}
    if not args.json:
        print(f"pyosys {yosys.yosys_version()}, synth -flatten; best of {', '.join(names)}; "
              f"sized for {args.clock:g} ns, OpenSTA {conditions['opensta']}")
        for entry in library.describe():
            print(f"{entry['library']} sha256 {entry['sha256']}")
    for word in chosen:
        title, rows_of, columns, note = TABLES[word]
        rows = rows_of(measure, names, args.quick)
        results[word] = rows
        if not args.json:
            show(title, rows, columns, note)
    if args.json:
        print(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except USER_ERRORS as error:
        print(f"bench_area: {error}", file=sys.stderr)
        sys.exit(2)
