"""BitMoD against the FP16 multiply-accumulate baseline: area, longest path, cycles, precision.

    python scripts/studies/bench_bitmod.py [--liberty FILE ...] [--quick] [--json]
        [--only pe,path,...]

Tables: ``designs``: area of every PE with every recipe; ``pe``: area times cycles of a
multiply-accumulate, over the baseline's; ``tile``: what the area of a tile consists of, and 64
BitMoD PEs over 48 FP16 PEs; ``path``: longest path; ``cycles``: counted in a simulation of the
tile, and the array's utilisation; ``precision``: errors of the PE against exact sums; ``bars``: the
figures of the other tables that have a bar, and whether it is met. Both forms of alignment are
measured, the row-aligned PE with its share of the aligners too. Speed of the tools is in
bench_speed.py.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio; "sized" has its buffers and
gates for the clock target, again on both sides.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from measure import Measure, Row, Table, main
from measure import parts as parts_of

from lowbit.generators.errors import CheckFailed
from lowbit.generators.flow.simulate import simulate
from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit, emit_component
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import layer_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16
from lowbit.hdl.common.adders import Adders
from lowbit.hdl.common.aligner import Aligner
from lowbit.tb.support.bitmod_accuracy import CONFIGURATIONS, KINDS, accuracy

#: the paper's Table X: 64 BitMoD PEs over 48 FP16 PEs, without and with encoders (28 nm)
PAPER_ARRAYS = {"without encoders": 97_090 / 95_498, "with encoders": 99_509 / 95_498}
#: area of its PE over that of its FP16 PE
PAPER_PE = 0.76
#: variants of the PE in its two forms
ROW_VARIANTS = ("--align-bits 18", "--lanes 8", "--pipeline 1", "--max-group 4096")
CYCLE_VARIANTS = ("--pipeline 0", "--rounding nearest", "--extra-bits 13 --acc-bits 32", "--exact")
#: data type -> what the paper's figures of area x cycles, over the baseline's, come to
TYPES = {"fp4": PAPER_PE / 2, "int6": PAPER_PE * 3 / 4, "int8": PAPER_PE}
#: the last one, like the BitMoD PE, normalises no subnormals and has no infinities in band
BASELINES = ("fp16_pe", "fp16_pe --style fast --pipeline 1", "fp16_pe --acc fp16",
             "fp16_pe --operands normal")
PES = ("bitmod_pe", "bitmod_pe --align cycle")
#: the aligner of one lane of a row, which no generator emits alone
ALIGNER = "aligner"
#: columns of PEs that share the aligners of a row: a tile's, a row of four tiles' of the array
SHARING = (8, 32)
#: further tiles: a dequantiser for all columns; the same with eight lanes in half the rows; by
#: cycles
TILES = ("bitmod_tile --rows 8 --columns 8 --scale-columns 8",
         "bitmod_tile --rows 4 --columns 8 --lanes 8 --scale-columns 8",
         "bitmod_tile --rows 8 --columns 8 --align cycle")
#: modules of the tiles, as the Verilog has them, and what they are; what is inside a module
#: belongs to it unless it is listed itself
PARTS = {"bitmod_pe": "pe", "bitmod_term": "decoders", "bitmod_aligner": "aligners",
         "bitmod_encoder|.*_special_values": "encoders",
         "bitmod_cell": "capture", r".*_(scale|dequant)(_\d+)?": "dequantiser",
         "bitmod_columns": "sums"}
BASELINE_PARTS = {"fp16_pe": "pe"}


def cycles_per_mac(name: str, lanes: int = BitmodPeParameters.lanes) -> float:
    """Cycles in which a PE does one multiply-accumulate: terms of a weight over lanes."""
    return get_data_type(name).terms / lanes


def _option(command: str, name: str, default: int) -> int:
    """The value of an option of a command."""
    found = re.search(rf"--{name} (\d+)", command)
    return int(found[1]) if found else default


def _add_aligner(measure: Measure) -> None:
    p = BitmodPeParameters()
    measure.add(ALIGNER, emit_component(Aligner(FP16, p.align_bits, adders=Adders(p.adder)),
                                        top=ALIGNER))


def _sized(measure: Measure, command: str) -> Row:
    return measure(measure.design(command), "sized")


def design_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Area of the PEs with every recipe, and sized."""
    rows: list[Row] = []
    _add_aligner(measure)
    for command in (*BASELINES, PES[0], *(f"{PES[0]} {options}" for options in ROW_VARIANTS),
                    ALIGNER, PES[1], *(f"{PES[1]} {options}" for options in CYCLE_VARIANTS),
                    "bitmod_dequant"):
        sized = _sized(measure, command)
        rows.append({"design": command, **measure.areas(command, names), "sized": sized["area"],
                     "path_ns": sized["path_ns"], "flip_flops": sized["flip_flops"]})
    return rows


def _tile_commands(quick: bool) -> tuple[str, str, int, int]:
    """BitMoD tile, baseline tile, and their numbers of PEs."""
    shapes = ((2, 2), (2, 2)) if quick else ((8, 8), (6, 8))
    commands = [f"{name} --rows {rows} --columns {columns}" for name, (rows, columns) in
                zip(("bitmod_tile", "fp16_tile"), shapes, strict=True)]
    return commands[0], commands[1], shapes[0][0] * shapes[0][1], shapes[1][0] * shapes[1][1]


Areas = dict[str, float]


def _each(parts: dict[str, dict[str, float]], number: int, *groups: str) -> Areas:
    """Area of the named groups (default all) for each PE, by recipe."""
    return {recipe: sum(area for group, area in found.items() if not groups or group in groups)
            / number for recipe, found in parts.items()}


def _ratios(name: str, form: str, ours: Areas, baseline: str, theirs: Areas,
            lanes: int = BitmodPeParameters.lanes) -> Row:
    row: Row = {"design": f"{name}, {form}" if form else name, "form": form,
                "baseline": baseline}
    for recipe in ("best", "sized"):
        row[recipe], row[f"baseline_{recipe}"] = ours[recipe], theirs[recipe]
        row[f"pe_{recipe}"] = ours[recipe] / theirs[recipe]
        for kind in TYPES:
            row[f"{kind}_{recipe}"] = row[f"pe_{recipe}"] * cycles_per_mac(kind, lanes)
    return row


def pe_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Area x cycles of a multiply-accumulate over the baseline's (one cycle each)."""
    recipes = [*names, "sized"]
    _add_aligner(measure)
    flat = {command: {**measure.areas(command, names), "sized": _sized(measure, command)["area"]}
            for command in (*BASELINES, *PES, ALIGNER)}
    rows = [_ratios(command, "", flat[command], baseline, flat[baseline])
            for baseline in BASELINES for command in PES]
    for columns in SHARING:
        share = BitmodPeParameters().lanes / columns
        shared = {r: flat[PES[0]][r] + share * flat[ALIGNER][r] for r in flat[ALIGNER]}
        rows += [_ratios(PES[0], f"with aligners over {columns} columns", shared, baseline,
                         flat[baseline]) for baseline in (BASELINES[0], BASELINES[-1])]
    ours, theirs, number, others = _tile_commands(quick)
    parts = parts_of(measure, ours, recipes, PARTS)
    baseline_parts = parts_of(measure, theirs, recipes, BASELINE_PARTS)
    if not all(parts["plain"].values()):
        raise CheckFailed(f"parts of {ours} without area: {parts['plain']}; see PARTS")
    for form, groups in (("PE in the tile", ["pe"]),
                         ("with decoders, aligners", ["pe", "decoders", "aligners"]),
                         ("with dequantiser", ["pe", "decoders", "aligners", "dequantiser"]),
                         ("whole tile", [])):
        whole = not groups
        rows.append(_ratios(
            ours, form, _each(parts, number, *groups),
            theirs + (" / PEs" if whole else ", PE in the tile"),
            _each(baseline_parts, others, *([] if whole else ["pe"]))))
    for command in () if quick else TILES:
        found = parts_of(measure, command, recipes, PARTS)
        pes = _option(command, "rows", 8) * _option(command, "columns", 8)
        rows.append(_ratios(command, "whole tile", _each(found, pes), f"{theirs} / PEs",
                            _each(baseline_parts, others),
                            _option(command, "lanes", BitmodPeParameters.lanes)))
    return rows


def tile_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Parts of the tile's area, and the array of PEs over the baseline's."""
    ours, theirs, number, others = _tile_commands(quick)
    recipes = [*names, "sized"]
    parts = parts_of(measure, ours, recipes, PARTS)
    base = parts_of(measure, theirs, recipes, BASELINE_PARTS)
    rows: list[Row] = []
    groups = list(dict.fromkeys([*PARTS.values(), "other"]))
    titles = {"pe": f"{number} PEs", "decoders": "decoders of terms",
              "aligners": "aligners of activations",
              "encoders": "term generators, special values", "capture": "capture of group sums",
              "dequantiser": "scale multipliers, rounding", "sums": "FP32 partial sums, adders",
              "other": "operand registers, control, output"}
    whole = _each(parts, 1)
    for group in groups:
        areas = _each(parts, 1, group)
        rows.append({"design": titles[group], "part": group, **areas,
                     "share": areas["best"] / whole["best"],
                     "to_pes": areas["best"] / parts["best"]["pe"]})
    rows.append({"design": ours, "part": "whole", **whole, "share": 1.0,
                 "to_pes": whole["best"] / parts["best"]["pe"]})
    base_pes, base_whole = _each(base, 1, "pe"), _each(base, 1)
    rows.append({"design": f"{others} FP16 PEs", "part": "baseline pe", **base_pes,
                 "share": base_pes["best"] / base_whole["best"], "to_pes": 1.0})
    rows.append({"design": theirs, "part": "baseline whole", **base_whole, "share": 1.0,
                 "to_pes": base_whole["best"] / base_pes["best"]})
    for form, chosen in (("without encoders", ["pe", "decoders", "aligners"]),
                         ("with encoders", ["pe", "decoders", "aligners", "encoders"]),
                         ("whole tiles", [])):
        array = _each(parts, 1, *chosen)
        other = base_whole if not chosen else base_pes
        rows.append({"design": f"{number} BitMoD over {others} FP16 PEs, {form}",
                     "part": f"ratio {form}", **{r: array[r] / other[r] for r in array},
                     "share": None, "to_pes": None, "paper": PAPER_ARRAYS.get(form)})
    return rows


def path_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Longest paths of the sized PEs."""
    rows: list[Row] = []
    for command in (*BASELINES, *PES, f"{PES[1]} --pipeline 0", "bitmod_dequant"):
        run = _sized(measure, command)
        rows.append({"design": command, "path_ns": run["path_ns"], "area": run["area"],
                     "tool": run["path_tool"], "from": run["path_ends"][0],
                     "to": run["path_ends"][1]})
    for row in rows:
        for name, base in (("to_small", rows[0]), ("to_fast", rows[1])):
            row[name] = row["path_ns"] / base["path_ns"] \
                if row["path_ns"] and base["path_ns"] else None
    return rows


#: paper section IV-B: cycles of four weights
PAPER_CYCLES = {"int8": 4, "int6": 3, "fp4": 2, "fp3": 2, "int4": 2}


def cycle_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Cycles counted in the simulated tile, and the array's utilisation from the cycle model."""
    p = BitmodTileParameters(rows=2, columns=2) if quick else BitmodTileParameters()
    generator = find(p.generator)
    design = emit(p)
    layer = (256, 4096, 4096)
    rows: list[Row] = []
    for name in PAPER_CYCLES:
        dtype = get_data_type(name)
        # one operation each: the difference is 64 weights in groups of 32, then of 16
        plan = dict(generator=p.generator, parameters=p.as_dict(), vectors=1,
                    layers=[(name, 32, 32), (name, 96, 32), (name, 16, 16), (name, 80, 16)])
        outcome = simulate(design, design.top, generator.bench, plan)
        if not outcome.passed:
            raise CheckFailed(f"simulation of the tile failed: {outcome.message}")
        one, three, short, five = outcome.stats["layer_cycles"]
        model = layer_cycles(BitmodArrayParameters(), dtype, *layer, 128)
        terms = dtype.terms * 64 // p.lanes
        rows.append({"design": name, "cycles": (three - one) / (64 / p.lanes),
                     "paper": PAPER_CYCLES[name], "stalls_32": three - one - terms,
                     "stalls_16": five - short - terms,
                     "layer": "x".join(map(str, layer)), "layer_cycles": model.cycles,
                     "utilization": model.utilization, "macs_per_cycle": model.macs / model.cycles,
                     "tile": f"{p.generator} {p.flags()}".strip()})
    return rows


def precision_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Largest errors by kind of activations."""
    rows: list[Row] = []
    size = dict(rows=2, columns=2, groups=2) if quick else dict(rows=16, columns=16, groups=4)
    for kind in KINDS:
        found = accuracy(kind, **size)
        rows.append({"design": kind} | {f"{label} {what}": error for label, errors in found.items()
                                        for what, error in errors.items()})
    return rows


#: largest area x cycles over the baseline's, best and sized, of the PE alone; best, of the PE with
#: its share of the aligners over 8 columns
PE_BARS = {"fp4": (0.30, 0.26, 0.32), "int6": (0.45, 0.40, 0.48)}
#: largest of whole tiles, FP4, best: the default one, and the best shape
TILE_BAR, SHAPE_BAR = 0.50, 0.40
#: largest of 64 PEs over 48, best; of the path over the baseline's; of errors over the other form's
ARRAY_BAR, PATH_BAR, ERROR_BAR = 0.80, 0.70, 1.00


def bar_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Figures with a bar."""
    rows: list[Row] = []

    def add(name: str, measured: float | None, bar: float) -> None:
        verdict = "-" if measured is None else "met" if measured <= bar else "NOT MET"
        rows.append({"design": name, "measured": measured, "bar": bar, "verdict": verdict})

    pe = pe_rows(measure, names, quick)
    alone, shared, *_ = (row for row in pe if row["design"].startswith(PES[0])
                         and row["baseline"] == BASELINES[0] and PES[1] not in row["design"])
    for kind, (best, sized, aligned) in PE_BARS.items():
        add(f"{kind}, {alone['design']}, best", alone[f"{kind}_best"], best)
        add(f"{kind}, {alone['design']}, sized", alone[f"{kind}_sized"], sized)
        add(f"{kind}, {shared['design']}, best", shared[f"{kind}_best"], aligned)
    tile = tile_rows(measure, names, quick)
    array = next(row for row in tile if row["part"] == "ratio without encoders")
    add(array["design"], array["best"], ARRAY_BAR)
    tiles = [row for row in pe if row["form"] == "whole tile"]
    add(f"fp4, {tiles[0]['design']}", tiles[0]["fp4_best"], TILE_BAR)
    for row in tiles:
        if row["design"].startswith(TILES[1]):
            add(f"fp4, {row['design']}", row["fp4_best"], SHAPE_BAR)
    path = next(row for row in path_rows(measure, names, quick) if row["design"] == PES[0])
    add(f"longest path of {PES[0]} over {BASELINES[0]}", path["to_small"], PATH_BAR)
    for row in precision_rows(measure, names, quick):
        for what in ("P", "P rms", "Y"):
            ours, theirs = row[f"row {what}"], row[f"cycle {what}"]
            add(f"error of {what}, by rows over by cycles, {row['design']}",
                ours / theirs if theirs else float(ours > 0), ERROR_BAR)
    return rows


_RATIOS = {f"{kind}_{recipe}": "11.3f" for recipe in ("best", "sized") for kind in ("pe", *TYPES)}
TABLES: dict[str, Table] = {
    "designs": Table(
        "Processing elements, area by recipe (um2)", design_rows,
        {"plain": "8.0f", "amap": "8.0f", "booth": "8.0f", "noalumacc": "11.0f", "best": "8.0f",
         "sized": "8.0f", "path_ns": "9.2f", "flip_flops": "12.0f"},
        "with registers; path of the sized netlist"),
    "pe": Table(
        "Area x cycles of a multiply-accumulate, over the baseline's", pe_rows,
        {"best": "8.0f", "baseline_best": "15.0f", **_RATIOS, "baseline": "64"},
        f"pe: areas alone, the paper's is {PAPER_PE}; the paper's figures of fp4 and int6 come to "
        f"{TYPES['fp4']:.2f}, {TYPES['int6']:.2f}; bars: see there. fp4 stands for FP4, FP3, INT4 "
        "and INT3. In the tile: module by module; decoders, dequantiser and the whole tile shared "
        "out to its PEs"),
    "tile": Table(
        "Area of the tile, module by module (um2)", tile_rows,
        {"plain": "14.3f", "best": "14.3f", "sized": "14.3f", "share": "8.1%", "to_pes": "9.1%",
         "paper": "8.3f"},
        "share of the tile, and over its PEs; bar: encoders 2.5% of the PEs. Table X of the paper: "
        + ", ".join(f"{value:.3f} {name}" for name, value in PAPER_ARRAYS.items())),
    "path": Table(
        "Longest path, sized recipe", path_rows,
        {"path_ns": "9.2f", "to_small": "10.3f", "to_fast": "9.3f", "area": "8.0f"},
        "bar: no longer than the baseline's"),
    "cycles": Table(
        "Cycles of four weights, counted; utilisation of the 4 x 4 array by the cycle model",
        cycle_rows,
        {"cycles": "8.2f", "paper": "7.0f", "stalls_32": "11.0f", "stalls_16": "11.0f",
         "layer_cycles": "14.0f", "utilization": "13.4f", "macs_per_cycle": "16.1f"},
        "stalls of 64 weights in groups of 32 (bar: none) and of 16; layer of 256 x 4096 x 4096 "
        "in groups of 128"),
    "precision": Table(
        "Largest |error| / sum|a w|, all data types, groups of 128", precision_rows,
        {**{f"{label} P": "15.1e" for label in CONFIGURATIONS}, "row P rms": "11.1e",
         "cycle P rms": "13.1e", "row Y": "9.1e", "cycle Y": "9.1e",
         "exact Y": "9.1e", "sequential fp32 P": "19.1e", "sequential fp16 P": "19.1e"},
        "P: group sum, rms over all of them; Y: after scale, FP32 sum of groups"),
    "bars": Table(
        "Bars", bar_rows, {"measured": "10.4f", "bar": "7.2f", "verdict": "9"},
        "not met where the measured figure, unrounded, is above the bar; fp4 and int6: area x "
        "cycles over the baseline's"),
}


if __name__ == "__main__":
    sys.exit(main("bench_bitmod", __doc__ or "", TABLES, "tiles of 2 x 2, few vectors"))
