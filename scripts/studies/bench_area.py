"""Area and longest path of the LUT designs beside the designs that they replace.

    python scripts/studies/bench_area.py [--liberty FILE ...] [--quick] [--json]
        [--only core,path,...]

Tables: ``core``: the LUT tensor core against the published RTL and against a conventional core of
our own; ``layer``: area times cycles of a quantised layer on cores that scale groups inside,
against the core before they did; ``forms``: half table, one-hot select and offline negation against
the conventional forms; ``density``: operations per cycle and area against an FP16 dot-product unit;
``path``: the longest path against that of one FP16 adder.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from measure import Design, Measure, Row, Table, main

from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.formats import FP16
from lowbit.golden.lut.cycles import accumulation_cycles
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.hdl.common.fp_add import FpAdd

#: M2 N64 K4, 2-bit weights, FP16: RTL of the LUT Tensor Core authors, SKY130, plain recipe, entries
#: as bare inputs (um2), by the adder that takes the place of theirs: HardFloat with IEEE formats,
#: or with its recoded one, or this project's. A sum of parts (the core without adders, and 128
#: adders), not a flat netlist; it has no output lanes, partial sums, drain or FP32 accuracy.
#: Measured once with the same flow; that RTL is not part of this repository, so no command here
#: prints the figures again.
PUBLISHED_CORES = {"to_published": 862_000, "to_recoded": 677_000, "to_own_adder": 567_600}
#: operations per area of the paper's LUT unit over its FP16 MAC unit (DP4, 1-bit weights, 28 nm)
PUBLISHED_DENSITY = 18.2
#: the same of the authors' unit in this flow; measured once, as above
REPRODUCED_DENSITY = 5.5

#: the layer of scripts/demos/demo_minilm.py: rows, k, columns, group
LAYER = (16, 384, 1536, 128)
#: area (um2, plain, flat) and cycles of that layer, by weight bits, on the M2 N64 K4 FP32 core of
#: version 0.1, which returned each group's sums and waited; what scaled and added them is not
#: counted. Measured with this flow and simulated; that RTL is in the history.
BEFORE = {2: (492_594, 111_177), 4: (519_996, 184_905)}


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


def adder(measure: Measure, style: str) -> Design:
    """An FP16 adder between registers."""
    return measure.add(f"FP16 adder between registers, {style}",
                       emit_component(RegisteredAdder(style), top="registered_adder"))


def core_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """The core beside the published one and beside our conventional one (float adders)."""
    shape = f"--M 2 --N {8 if quick else 64} --K 4 --w-bits 2"
    own = f"lut_core {shape} --datapath float --acc fp16"
    conventional = measure.areas(own, names, special=True)
    rows: list[Row] = [{"design": own, "table": 0.0, **conventional}]
    # half the columns and two groups a beat: the same work per cycle, half the accumulators
    paired = f"--M 2 --N {4 if quick else 32} --groups 2 --K 4 --w-bits 2"
    for acc in ("fp16", "fp32"):
        lean = "--lanes 1 --no-zero-point --max-k 1024"
        variants = [(table, f"{size} --acc {acc}{more}")
                    for table, size in (("", shape), (" --groups 2", paired))
                    for more in ("", f" {lean}", " --buffer double")]
        for table_shape, variant in variants:
            table = measure.areas(f"lut_table --M 2 --K 4{table_shape} --acc {acc}", names)
            command = f"lut_core {variant}"
            headline = variant == f"{shape} --acc {acc}"
            rows.append({"design": command, "table": table["plain"],
                         **measure.areas(command, names, special=headline)})
    for row in rows:
        row["modules"] = measure.by_modules(row["design"])
        row["with_table"] = row["plain"] + row["table"]
        # the published figures are of N = 64
        for name, area in PUBLISHED_CORES.items():
            row[name] = None if quick else row["plain"] / area
        row["to_own_plain"] = row["plain"] / conventional["plain"]
        row["to_own_best"] = row["best"] / conventional["best"]
        row["to_own_all"] = row["best_all"] / conventional["best_all"] \
            if "best_all" in row else None
    return rows


def layer_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Area times cycles of a layer with zero points and scales of groups."""
    rows, k, columns, group = LAYER
    found: list[Row] = []
    for bits, (before_area, before_cycles) in BEFORE.items():
        for n, groups in ((64, 1), (32, 2)):
            options: dict[str, Any] = dict(
                M=2, N=n, K=4, groups=groups, w_bits=bits, max_k=group, buffer="double",
                preload=False, group_scale="fp32", offset="integer",
                lanes=2 if bits == 2 else 1)
            p = LutCoreParameters(**options)
            operations = -(-rows // p.M) * -(-columns // p.N)
            beats = bits * group // (p.K * p.groups)
            cycles = accumulation_cycles(p, [beats] * (operations * (k // group)))
            command = f"lut_core {p.flags()}"
            area = {"plain": measure.areas(command, ["plain"])["plain"]} if quick else \
                measure.areas(command, names)
            found.append({"design": command, "cycles": cycles,
                          "busy": beats * operations * (k // group) / cycles, **area,
                          "to_before": area["plain"] * cycles / (before_area * before_cycles)})
    return found


#: table form, select, negation: ours and what it replaces
FORMS = {"ours": "--table half --select onehot", "full": "--table full --select binary",
         "hardware": "--table half --select binary --negation hardware"}


def form_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Ratios of our form to the conventional ones, dot-product unit and small core."""
    rows: list[Row] = []
    for kind, fixed in (("lut_dot", "--table-source external"),
                        ("lut_core", "--M 2 --N 8 --w-bits 2")):
        for activation in ("int8", "fp8_e4m3", "fp16"):
            # the core in its default datapath: a float adder a cell would hide the difference
            number = "" if activation == "int8" else " --acc fp16" if kind == "lut_core" else \
                " --datapath float --acc fp16"
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
    """Operations per cycle and area: LUT output (1-bit weights) over an FP16 DP4, one that is
    combinational up to its accumulator and one with registers in its tree."""
    rows: list[Row] = []
    columns = 8 if quick else 64
    for acc in ("fp16", "fp32"):
        baseline = f"fp16_dot --K 4 --tree {acc} --acc {acc}"
        dot = measure.areas(baseline, names, special=True)
        staged = measure.areas(f"{baseline} --pipeline 1", names, special=True)
        for groups in (1, 2, 4):
            command = (f"lut_core --M 2 --N {columns} --K 4 --w-bits 1 --acc {acc}"
                       f" --groups {groups}")
            area = measure.areas(command, names, special=groups == 1)
            ratio = {f"{form}{recipe}": groups * other[recipe] / (area[recipe] / (2 * columns))
                     for form, other in (("", dot), ("pipelined_", staged))
                     for recipe in ("plain", "best", "best_all") if recipe in area}
            rows.append({"design": command, "baseline": baseline, "dot": dot["plain"],
                         "output": area["plain"] / (2 * columns), **ratio})
    return rows


def path_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Longest paths, sized recipe."""
    shape = f"--M 2 --N {8 if quick else 64} --K 4 --w-bits 2"
    designs = [adder(measure, "small"), adder(measure, "fast")]
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


TABLES: dict[str, Table] = {
    "core": Table(
        "LUT tensor core, FP16 activations, table entries as inputs (um2)", core_rows,
        {"plain": "10.0f", "modules": "10.0f", "table": "10.0f", "with_table": "12.0f",
         "best": "10.0f", "best_all": "10.0f",
         "to_published": "14.3f", "to_recoded": "12.3f", "to_own_adder": "14.3f",
         "to_own_plain": "14.3f", "to_own_best": "13.3f", "to_own_all": "12.3f"},
        "modules: plain, each module alone; best_all: with full adders and clock gates as well; "
        "to_published, to_recoded, to_own_adder: over "
        f"{', '.join(f'{area:,}' for area in PUBLISHED_CORES.values())} um2 (the authors' RTL, "
        "plain, by adder); to_own: over the first row; table: one lut_table, plain"),
    "layer": Table(
        f"A layer of {LAYER[0]} x {LAYER[1]} x {LAYER[2]}, zero points, groups of {LAYER[3]}: area "
        "times cycles", layer_rows,
        {"plain": "10.0f", "best": "10.0f", "cycles": "9.0f", "busy": "7.3f",
         "to_before": "11.3f"},
        "cycles: of the cycle model, which the simulation equals (demo_minilm.py); busy: with "
        "planes; to_before: area (plain) times cycles over those of version 0.1, "
        + ", ".join(f"W{bits} {area:,} x {cycles:,}"
                    for bits, (area, cycles) in BEFORE.items())
        + ", without what scaled its results; bars 0.50 (W2) and 0.60 (W4)"),
    "forms": Table(
        "Half table, one-hot select, offline negation (ours) over the conventional forms",
        form_rows,
        {"ours": "10.0f", "full": "10.0f", "hardware": "10.0f", "to_full_plain": "15.3f",
         "to_full_best": "14.3f", "to_hardware_plain": "19.3f", "to_hardware_best": "18.3f"},
        "full: full table, binary select; hardware: half table, binary select, negation in "
        "hardware; areas plain (um2)"),
    "density": Table(
        "Operations per cycle and area, LUT output (1-bit weights) over FP16 dot product",
        density_rows, {"output": "10.0f", "dot": "10.0f", "plain": "8.2f", "best": "8.2f",
                       "best_all": "10.2f", "pipelined_plain": "17.2f",
                       "pipelined_best": "16.2f", "pipelined_best_all": "20.2f"},
        f"the paper: {PUBLISHED_DENSITY} (28 nm); the authors' unit in this flow about "
        f"{REPRODUCED_DENSITY}; goal 12. output: core area per output, dot: fp16_dot of the same "
        "format in tree and accumulator (um2, plain); pipelined: over one with registers behind "
        "products and tree levels"),
    "path": Table(
        "Longest path, sized recipe", path_rows,
        {"path_ns": "9.2f", "to_small_adder": "16.3f", "to_fast_adder": "15.3f", "area": "10.0f"},
        "bar: no longer than one FP16 adder between registers"),
}


if __name__ == "__main__":
    sys.exit(main("bench_area", __doc__ or "", TABLES, "small designs: N = 8, K = 4"))
