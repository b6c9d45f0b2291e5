"""Tables of the BitMoD page and of its part of results.md. Used by figures.py.

COMPUTED ones come from the code and the cycle model, RECORDED ones from
docs/results/bitmod_area.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tables import number, table

from lowbit.generators.registry import find
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import group_interval, layer_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.parameters import default_text, flag_name

__all__ = ["COMPUTED", "RECORDED", "WITH_COMMAND"]

Json = Any
#: generators whose parameters one table shows, from the smallest to the largest
GENERATORS = ("bitmod_pe", "bitmod_dequant", "bitmod_tile", "bitmod_array")
TYPES = ("int8", "int6", "bitmod4", "bitmod3", "int4")
#: (name, rows of activations, channels, inputs)
LAYERS = (("256 × 4096 × 4096", 256, 4096, 4096), ("16 × 1536 × 384", 16, 1536, 384))


# -- from the code ------------------------------------------------------------------------------
def parameters() -> str:
    """Parameters of all BitMoD generators but the term generator, whose lanes are the PE's."""
    names = {name: [f.name for f in find(name).parameter_class().declared()]
             for name in GENERATORS}
    rows = []
    for field in find(GENERATORS[-1]).parameter_class().declared():
        meta, default = field.metadata, field.default
        span = ", ".join(meta["choices"]) if meta["choices"] is not None else \
            "on, off" if isinstance(default, bool) else f"{meta['low']}..{meta['high']}"
        smallest = next(name for name in GENERATORS if field.name in names[name])
        text = meta["help"] + (f" ({meta['source']})" if meta["source"] else "")
        rows.append((f"`{flag_name(field.name)}`", span, default_text(field), f"`{smallest}`",
                     text))
    return table(("parameter", "values", "default", "from", "meaning"), rows)


def timing() -> str:
    """Cycles that the default tile and array take, from their parameters."""
    tile, array = BitmodTileParameters(), BitmodArrayParameters()
    rows: list[tuple[Any, ...]] = []
    for name in ("int8", "int6", "bitmod4"):
        dtype = get_data_type(name)
        rows.append((f"a group of 128 weights, `{name}`",
                     *(group_interval(p, dtype, 128) for p in (tile, array))))
    rows += [
        ("least cycles between the ends of two groups", tile.group_spacing, array.group_spacing),
        ("from the last term of an operation to its first result leaving a column",
         tile.output_start, array.output_start),
        ("in which the results leave", tile.output_beats, array.output_beats),
        ("more, to the result port", tile.output_latency, array.output_latency),
        ("that the last tile runs behind the first", "–", array.skew)]
    return table(("cycles", "tile", "array"), rows)


def utilization() -> str:
    """Share of the array's multiply-accumulates that are used, by type and output columns."""
    rows = []
    for title, m, n, k in LAYERS:
        for name in ("int8", "int6", "bitmod4"):
            found = [layer_cycles(BitmodArrayParameters(out_columns=columns), get_data_type(name),
                                  m, n, k, 128) for columns in (1, 2, 8)]
            rows.append((title, f"`{name}`", number(found[0].cycles, 0),
                         *(f"{100 * x.utilization:.1f} %" for x in found)))
    return table(("layer", "type", "cycles", "`--out-columns 1`", "`2`", "`8`"), rows)


# -- from recorded results ------------------------------------------------------------------------
def _row(r: Json, section: str, design: str) -> Json:
    return next(row for row in r[section] if row["design"] == design)


def _part(r: Json, part: str) -> Json:
    return next(row for row in r["tile"] if row["part"] == part)


def _conditions(r: Json) -> str:
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    return (f"Conditions: {c['yosys']}, {libraries}; *best*: the smallest of "
            f"{', '.join(c['recipes'])}; *sized*: buffers and gates for {c['clock_ns']:g} ns; "
            f"paths by {'OpenSTA ' + c['opensta'] if c['opensta'] else 'abc'}, ideal wires."
            + (" A quick run: tiles of 2 × 2." if c["quick"] else ""))


def pe_area(r: Json) -> str:
    tile = next(x for x in r["pe"] if x["form"] == "PE in the tile")
    default = tile["design"].partition(",")[0]

    def named(x: Json) -> str:
        command, _, form = x["design"].partition(", ")
        more = command.removeprefix(default).strip()
        if not x["form"] or command == "bitmod_pe":
            return f"`{command}`" + f", {form}" * bool(form)
        return f"{form}, `{command}`" if more else form

    rows = [(named(x), f"`{x['baseline']}`" if "fp16_tile" not in x["baseline"] else
             x["baseline"].replace("fp16_tile --rows 6 --columns 8", "`fp16_tile`"),
             number(x["best"], 0), f"{x['pe_best']:.2f} / {x['pe_sized']:.2f}",
             f"{x['fp4_best']:.2f} / {x['fp4_sized']:.2f}",
             f"{x['int6_best']:.2f} / {x['int6_sized']:.2f}",
             f"{x['int8_best']:.2f} / {x['int8_sized']:.2f}") for x in r["pe"]]
    return "Ratios are best / sized; in brackets what the paper's figures come to.\n\n" + table(
        ("design", "over", "best, µm²", "area (0.76)", "FP4 (0.38)", "INT6 (0.57)",
         "INT8 (0.76)"), rows)


def designs(r: Json) -> str:
    names = r["conditions"]["recipes"]
    return table(("PE, µm²", *names, "sized", "flip-flops"),
                 [(f"`{x['design']}`", *(number(x[name], 0) for name in names),
                   number(x["sized"], 0), x["flip_flops"]) for x in r["designs"]])


def tile_area(r: Json) -> str:
    rows = [(x["design"], number(x["plain"], 0), number(x["best"], 0), number(x["sized"], 0),
             f"{100 * x['share']:.1f} %", f"{100 * x['to_pes']:.1f} %")
            for x in r["tile"] if x["share"] is not None]
    ratios = [(x["design"], number(x["plain"], 3), number(x["best"], 3), number(x["sized"], 3),
               number(x["paper"], 3)) for x in r["tile"] if x["share"] is None]
    return "\n\n".join([
        table(("part, µm²", "plain", "best", "sized", "of the tile", "over its PEs"), rows),
        table(("ratio", "plain", "best", "sized", "paper"), ratios)])


def path(r: Json) -> str:
    return table(("design, sized", "longest path, ns", "over `fp16_pe`",
                  "over `fp16_pe --style fast --pipeline 1`"),
                 [(f"`{x['design']}`", number(x["path_ns"], 2), number(x["to_small"], 2),
                   number(x["to_fast"], 2)) for x in r["path"]])


def cycles(r: Json) -> str:
    head = (f"Counted in a simulation of `{r['cycles'][0]['tile']}`; the last columns by the cycle "
            f"model for the default array and a layer of {r['cycles'][0]['layer']}, groups of 128:")
    return head + "\n\n" + table(
        ("type", "cycles of four weights", "paper", "stalls, groups of 32", "of 16",
         "cycles of the layer", "MACs a cycle"),
        [(f"`{x['design']}`", number(x["cycles"], 0), x["paper"], x["stalls_32"], x["stalls_16"],
          number(x["layer_cycles"], 0), number(x["macs_per_cycle"], 0)) for x in r["cycles"]])


def precision(r: Json) -> str:
    forms = (("row", "default"), ("row 18", "`--align-bits 18`"), ("cycle", "`--align cycle`"))
    labels = (*forms, ("nearest", "and `--rounding nearest`"),
              ("wide", "and `--extra-bits 13 --acc-bits 32`"),
              ("sequential fp32", "FP32, one after the other"), ("sequential fp16", "FP16"))

    def shown(value: float | None) -> str:
        return "overflow" if value is None else "0" if value == 0 else f"{value:.1e}"

    return "\n\n".join([
        table(("largest error of P", *(title for _, title in labels)),
              [(x["design"], *(shown(x[f"{label} P"]) for label, _ in labels))
               for x in r["precision"]]),
        table(("root mean square of P's", *(title for _, title in forms),
               *(f"largest of Y, {title}" for _, title in forms),
               "of Y, `--align cycle --exact`"),
              [(x["design"], *(shown(x[f"{label} P rms"]) for label, _ in forms),
                *(shown(x[f"{label} Y"]) for label in ("row", "row 18", "cycle", "exact")))
               for x in r["precision"]])])


def bars(r: Json) -> str:
    return table(("figure", "measured", "bar", ""),
                 [(x["design"].replace("bitmod_pe", "`bitmod_pe`").replace("fp16_pe", "`fp16_pe`"),
                   number(x["measured"], 3), number(x["bar"], 2), x["verdict"])
                  for x in r["bars"] if not x["design"].startswith("error")])


def variants(r: Json) -> str:
    """What the choices cost: PE variants, accumulators, dequantisers."""
    base = _row(r, "designs", "bitmod_pe")
    worst = {label: max(x[f"{label} P"] for x in r["precision"])
             for label in ("row", "row 18", "cycle", "nearest", "wide", "exact")}
    rows = []
    for design, label in (("bitmod_pe", "row"), ("bitmod_pe --align-bits 18", "row 18"),
                          ("bitmod_pe --max-group 4096", "row"), ("bitmod_pe --pipeline 1", "row"),
                          ("bitmod_pe --align cycle", "cycle"),
                          ("bitmod_pe --align cycle --pipeline 0", "cycle"),
                          ("bitmod_pe --align cycle --rounding nearest", "nearest"),
                          ("bitmod_pe --align cycle --extra-bits 13 --acc-bits 32", "wide"),
                          ("bitmod_pe --align cycle --exact", "exact")):
        x = _row(r, "designs", design)
        rows.append((f"`{design}`", number(x["best"], 0), number(x["best"] / base["best"], 2),
                     number(x["path_ns"], 1), f"{worst[label]:.1e}" if worst[label] else "0"))
    count = int(_part(r, "pe")["design"].split()[0])
    shared, capture = (_part(r, part)["best"] / count for part in ("dequantiser", "capture"))
    serial = _row(r, "designs", "bitmod_dequant")["best"]
    aligner = _row(r, "designs", "aligner")["best"]
    columns = BitmodTileParameters().columns
    return "\n\n".join([
        table(("PE", "best, µm²", "over the default", "longest path, ns",
               "largest error of P, any kind"), rows),
        table(("around the PE, for each PE", "best, µm²"),
              [(f"aligners of four lanes ({number(aligner, 0)} each), shared by {columns} columns",
                number(4 * aligner / columns, 0)),
               ("shared multiplier and rounding", number(shared, 0)),
               ("capture of the sum, which sharing needs", number(capture, 0)),
               ("`bitmod_dequant` in every PE: bit by bit, its own registers and rounding",
                number(serial, 0))])])


def summary(r: Json) -> str:
    """The figures that the paper gives too."""
    alone = _row(r, "pe", "bitmod_pe")
    ratios = {x["part"]: x for x in r["tile"] if x["share"] is None}
    paths = {x["design"]: x for x in r["path"]}
    aligned = next(x for x in r["pe"] if x["form"].startswith("with aligners"))
    tiles = [x for x in r["pe"] if x["form"] == "whole tile"]
    whole = tiles[0]
    smallest = min(tiles, key=lambda x: x["fp4_best"])
    four = {x["design"]: x for x in r["cycles"]}
    rows = [
        ("PE over FP16 PE, area", f"{alone['pe_best']:.2f} / {alone['pe_sized']:.2f}", "0.76"),
        ("area × cycles of a multiply-accumulate, FP4",
         f"{alone['fp4_best']:.2f} / {alone['fp4_sized']:.2f}", "0.38"),
        ("the same, INT6", f"{alone['int6_best']:.2f} / {alone['int6_sized']:.2f}", "0.57"),
        (f"area × cycles, FP4, {aligned['form']}",
         f"{aligned['fp4_best']:.2f} / {aligned['fp4_sized']:.2f}", "–"),
        ("the same, FP4, whole tile (scales, FP32 sums, control, output) over whole tile",
         f"{whole['fp4_best']:.2f} / {whole['fp4_sized']:.2f}", "–"),
        (f"the same, smallest shape: `{smallest['design'].partition(',')[0]}`",
         f"{smallest['fp4_best']:.2f} / {smallest['fp4_sized']:.2f}", "–"),
        ("term generators over PEs", f"{100 * _part(r, 'encoders')['to_pes']:.1f} %", "2.5 %"),
        ("64 PEs over 48 FP16 PEs", f"{ratios['ratio without encoders']['best']:.2f} / "
         f"{ratios['ratio without encoders']['sized']:.2f}", "1.017"),
        ("longest path over that of the FP16 PE",
         f"{paths['bitmod_pe']['to_small']:.2f} (smallest), {paths['bitmod_pe']['to_fast']:.2f} "
         "(fastest)", "–"),
        ("cycles of four weights: INT8, INT6, FP4, FP3, INT4",
         ", ".join(f"{four[name]['cycles']:g}" for name in ("int8", "int6", "fp4", "fp3", "int4")),
         "4, 3, 2, 2, 2")]
    return (_conditions(r) + " Two figures: best / sized.\n\n"
            + table(("`bitmod_pe` and `bitmod_tile` over `fp16_pe` and `fp16_tile`", "here",
                     "paper (28 nm)"), rows))


COMPUTED: dict[str, Callable[[], str]] = {
    "bitmod parameters": parameters, "bitmod timing": timing, "bitmod utilization": utilization}
#: tables that name the command which recorded them
WITH_COMMAND = ("bitmod summary", "bitmod conditions")
RECORDED: dict[str, Callable[[Json], str]] = {
    "bitmod summary": summary, "bitmod bars": bars, "bitmod conditions": _conditions,
    "bitmod designs": designs, "bitmod pe": pe_area, "bitmod tile": tile_area, "bitmod path": path,
    "bitmod cycles": cycles, "bitmod precision": precision, "bitmod variants": variants}
