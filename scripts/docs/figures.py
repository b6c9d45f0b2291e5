#!/usr/bin/env python3
"""Fill the generated tables of docs/: ports, parameters, recorded figures.

    .venv/bin/python scripts/docs/figures.py [--check]

A generated table stands between ``<!-- begin NAME ... -->`` and ``<!-- end NAME -->``. Ports and
parameters come from the code; figures come from docs/results/*.json, which the commands in
RESULTS write. ``--check`` changes nothing and has exit status 1 when a page is not up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures_accelerator
import figures_accuracy
import figures_bitmod
import figures_blocks
import figures_cost
import figures_dot
import figures_estimate
import figures_fpga
import figures_planes
import figures_power
import figures_sweeps
import figures_systolic
import figures_ternary
import figures_wrappers
from tables import number, table

from lowbit.generators.registry import find
from lowbit.generators.verilog.emit import emit
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import default_text, flag_name
from lowbit.tb.support import lut_space
from lowbit.tb.support.lut_run import VECTORS

ROOT = Path(__file__).resolve().parents[2]
RESULTS_FOLDER = ROOT / "docs" / "results"
PAGES = tuple(f"docs/{name}.md" for name in
              ("results", "models", "fpga", "lut", "dot", "bitmod", "systolic", "estimate",
               "numerics", "ppa", "wrappers", "sweep"))
BLOCK = re.compile(r"<!-- begin (?P<name>[^:]+?):.*?-->\n.*?<!-- end (?P=name) -->", re.DOTALL)

Json = Any

#: result file -> the command that writes it
RESULTS = {name: f".venv/bin/python scripts/{command} docs/results/{name}" for name, command in {
    "area.json": "studies/bench_area.py --liberty sky130hd_tt.lib.gz --json >",
    "bitmod_area.json": "studies/bench_bitmod.py --liberty sky130hd_tt.lib.gz --json >",
    "accuracy.json": "studies/bench_accuracy.py --json",
    "layer.json": "demos/demo_minilm.py --json >",
    "bitmod_layer.json": "demos/demo_minilm_bitmod.py --json >",
    "speed.json": "studies/bench_speed.py --json",
    "scales.json": "studies/bench_scales.py --json >",
    "quantizer.json": "studies/bench_quantizer.py --json >",
    "minilm_types.json": "demos/demo_minilm_types.py --json >",
    "campaign.json": "studies/campaign.py --minutes 13 --skip-large --json",
    "proofs.json": "studies/prove.py --json",
    "smollm2.json": "demos/demo_smollm2.py --json >",
    "mutations.json": "studies/mutate.py [--mutator yosys] --json",
    **figures_accelerator.RESULTS, **figures_blocks.RESULTS,
    **figures_dot.RESULTS, **figures_fpga.RESULTS, **figures_planes.RESULTS,
    **figures_power.RESULTS, **figures_sweeps.RESULTS, **figures_systolic.RESULTS,
    **figures_ternary.RESULTS}.items()}


# -- from the code ------------------------------------------------------------------------------
def ports() -> str:
    """Ports of the headline core, from its manifest."""
    rows = [(f"`{port['name']}`", port["direction"].removesuffix("put"), port["width"],
             port["note"])
            for port in emit(LutCoreParameters()).manifest["ports"]]
    return table(("port", "direction", "bits", "meaning"), rows)


def parameters(generator: str) -> str:
    """Parameters of a generator, from its class."""
    rows = []
    for field in find(generator).parameter_class().declared():
        meta = field.metadata
        if isinstance(field.default, bool):
            span = "on, off"
        elif meta["choices"] is not None:
            span = ", ".join(meta["choices"])
        else:
            span = f"{meta['low']}..{meta['high']}"
        text = meta["help"] + (f" ({meta['source']})" if meta["source"] else "")
        rows.append((f"`{flag_name(field.name)}`", span, default_text(field), text))
    return table(("parameter", "values", "default", "meaning"), rows)


def entry_widths() -> str:
    """Default bits of aligned entries and accumulators, from the parameter class."""
    bits = (1, 2, 4, 8)
    rows = []
    for acc in ("fp32", "fp16"):
        for a_format in ("fp16", "bf16", "fp8_e5m2", "fp8_e4m3"):
            designs = [LutCoreParameters(a_format=a_format, acc=acc, w_bits=b) for b in bits]
            rows.append((f"`{a_format}`", acc,
                         *(f"{p.entry_bits} / {p.acc_bits}" for p in designs)))
    return table(("activations", "accumulator", *(f"E / W, `--w-bits {b}`" for b in bits)), rows)


# -- from recorded results ------------------------------------------------------------------------
def area(r: Json) -> str:
    c = r["conditions"]
    libraries = ", ".join(f"{x['library']} (sha256 {x['sha256'][:12]})" for x in c["libraries"])
    parts = [f"Conditions: {c['yosys']}, {libraries}, `synth -flatten`; *best* is the smallest of "
             f"{', '.join(c['recipes'])}; paths: sized for {c['clock_ns']:g} ns, "
             f"{'OpenSTA ' + c['opensta'] if c['opensta'] else 'abc'}, ideal wires."
             + (" A quick run: N = 8 in place of 64." if c["quick"] else "")]
    if "core" in r:
        parts.append("Core, table entries as inputs, µm² (*to published*: over the LUT Tensor Core "
                     "authors' RTL in the same flow, with HardFloat's IEEE adder; with its recoded "
                     "one; with our own adder; *to own*: over our own conventional core, the first "
                     "row; *by modules*: plain, each module alone; *best of all*: with the "
                     "library's full adders and clock gates as well):")
        parts.append(table(("design", "plain", "by modules", "with table unit", "best",
                            "best of all", "to published", "recoded", "own adder",
                            "to own, plain", "to own, best"),
                           [(f"`{x['design']}`", number(x["plain"], 0),
                             number(x.get("modules"), 0),
                             number(x["with_table"], 0), number(x["best"], 0),
                             number(x.get("best_all"), 0),
                             *(number(x.get(name), 3) for name in
                               ("to_published", "to_recoded", "to_own_adder")),
                             number(x["to_own_plain"], 3),
                             number(x["to_own_best"], 3)) for x in r["core"]]))
        parts.append("![Areas of the cores in this table](img/areas.svg)")
    if "forms" in r:
        parts.append("Half table, one-hot select and offline negation, over the conventional "
                     "forms (*full*: full table, binary select; *hardware*: half table, binary "
                     "select, negation in hardware):")
        parts.append(table(("design", "µm², plain", "to full, plain", "to full, best",
                            "to hardware, plain", "to hardware, best"),
                           [(x["design"], number(x["ours"], 0),
                             *(number(x[f"to_{form}_{recipe}"], 3)
                               for form in ("full", "hardware") for recipe in ("plain", "best")))
                            for x in r["forms"]]))
    if "density" in r:
        parts.append("Operations per cycle and area, one LUT output (1-bit weights) over one FP16 "
                     "dot-product unit of the same accumulator (the paper states 18.2 in 28 nm); "
                     "*pipelined*: over the unit with `--pipeline 1`:")
        parts.append(table(("core", "baseline", "plain", "best", "pipelined, plain",
                            "pipelined, best", "best of all", "pipelined, best of all"),
                           [(f"`{x['design']}`", f"`{x['baseline']}`", number(x["plain"], 2),
                             *(number(x.get(name), 2) for name in
                               ("best", "pipelined_plain", "pipelined_best", "best_all",
                                "pipelined_best_all")))
                            for x in r["density"]]))
    if "path" in r:
        parts.append("Longest path:")
        parts.append(table(("design", "ns", "to a small FP16 adder", "to a fast one"),
                           [(x["design"] if "adder" in x["design"] else f"`{x['design']}`",
                             number(x["path_ns"], 2), number(x["to_small_adder"], 2),
                             number(x["to_fast_adder"], 2)) for x in r["path"]]))
    return "\n\n".join(parts)


def layer(r: Json) -> str:
    head = (f"`{r['tensor']}` ({r['columns']} × {r['k']}), {r['quantisation']}, groups of "
            f"{r['group_size']}, {r['rows']} activation rows; the error is against the float64 "
            "product of the same activations and the dequantised weights:")
    timed = any("plane_cycles" in x for x in r["runs"])
    if timed:
        head = head[:-1] + "; *busy*: cycles that the planes of the weights take, over all cycles:"
    rows = [(x["mode"], x["bits"], number(x["outputs"], 0), x["mismatches"],
             f"{x['max_error']:.2e}", f"{x['relative_rms_error']:.2e}", number(x["cycles"], 0),
             *((number(x["cycle_model"], 0), f"{100 * x['plane_cycles'] / x['cycles']:.1f} %")
               if timed else ()), x["golden_seconds"]) for x in r["runs"]]
    return head + "\n\n" + table(("core", "weight bits", "outputs", "differ from golden",
                                  "max error", "relative RMS error", "cycles",
                                  *(("cycle model", "busy") if timed else ()), "golden model, s"),
                                 rows)


def bitmod_layer(r: Json) -> str:
    head = (f"`{r['tensor']}` ({r['columns']} × {r['k']}), groups of {r['group_size']}, "
            f"{r['rows']} activation rows in FP16; *used*: multiply-accumulates done over those "
            "possible in the cycles; the error is against the float64 product of the same "
            "activations and the dequantised weights:")
    rows = [(f"`{x['generator']} {x['parameters']}".strip() + "`", f"`{x['dtype']}`",
             number(x["outputs"], 0), x["mismatches"],
             number(x["cycles"], 0), number(x["model_cycles"], 0),
             f"{100 * x['utilization']:.1f} %", f"{x['max_error']:.2e}",
             f"{x['relative_rms_error']:.2e}", number(x["cycles_per_second"], 0))
            for x in r["runs"]]
    return head + "\n\n" + table(
        ("design", "type", "outputs", "differ from golden", "cycles", "cycle model", "used",
         "max error", "relative RMS error", "simulated cycles/s"), rows)


def speed(r: Json) -> str:
    rows = [(f"`{name}`" if name.startswith("gen") else name,
             ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items()))
            for name, figures in r.items() if isinstance(figures, dict)]
    return f"On {r['machine']}:\n\n" + table(("command", "figures"), rows)


def quantizer(r: Json) -> str:
    head = (f"{r['shape'][0]} × {r['shape'][1]} float32 weights, groups of 128, one core, "
            f"NumPy {r['numpy']}, {r['machine']}:")
    return head + "\n\n" + table(
        ("type", "million weights/s", "peak memory / tensor"),
        [(x["dtype"], number(x["million_weights_per_second"], 1),
          number(x["memory_over_tensor"], 2)) for x in r["results"]])


def scales(r: Json) -> str:
    rows = [(x["weights"], f"`{x['dtype']}`", number(x["ignoring"], 5), number(x["minding"], 5),
             number(x["ratio"], 3)) for x in r["rows"]]
    return (f"Squared error over the sum of squares, {r['groups']:,} groups of "
            f"{r['group_size']}:\n\n" +
            table(("weights", "type", "scale ignores signs", "scale minds signs", "ratio"), rows))


def minilm_types(r: Json) -> str:
    head = (f"{r['model']}: {r['matrices']} matrices, {r['weights']:,} weights, groups of "
            f"{r['group_size']}, {r['scale_bits']}-bit scales; embeddings of {r['sentences']} "
            "sentences, cosine similarity to those of the original weights:")
    rows = [(f"`{x['type']}`", f"{x['bits_per_weight']:.3f}", f"{x['normalized_mse']:.3e}",
             f"{x['cosine_mean']:.4f}", f"{x['cosine_5th_percentile']:.4f}",
             f"{x['cosine_lowest']:.4f}") for x in r["types"]]
    return head + "\n\n" + table(("type", "bits/weight", "normalised MSE", "cosine, mean",
                                  "5th percentile", "lowest"), rows)


def smollm2(r: Json) -> str:
    p = r["parameters"]
    inside = "" if p.get("group_scale", "none") == "none" else " with group scales inside"
    busy = "" if "busy" not in r else (f", {100 * r['busy']:.1f} % of them busy with planes; the "
                                       f"cycle model says {r['cycle_model']:,}")
    return (f"`{r['tensor']}` of SmolLM2-135M-Instruct ({r['shape'][0]} × {r['shape'][1]}), "
            f"{r['format']}, {r['rows']} activation rows in FP16, through the simulated "
            f"`{r['generator']}` M{p['M']} N{p['N']} K{p['K']}{inside}: {r['differ']} of "
            f"{r['outputs']:,} outputs differ from the golden model; against the float64 product "
            f"with the dequantised weights the largest error is {r['max_error']:.2e}, the relative "
            f"RMS error {r['relative_rms_error']:.2e}; "
            f"{r['operations']} operations, {r['cycles']:,} cycles{busy}.")


def covering() -> str:
    """Size of the regression's covering arrays, from the code."""
    rows = sum(len(lut_space.regression(cls)) for cls in lut_space.SPACES)
    return f"{rows} configurations, at least {VECTORS} output words each"


def campaign(r: Json) -> str:
    return (f"{r['run']:,} of {r['configurations']:,} configurations (a random sample), "
            f"{r['words']:,} words: {r['passed']:,} pass, {len(r['failed'])} fail; "
            f"{r['skipped_large']} left out as large")


def proofs(r: Json) -> str:
    answers = sorted({x["answer"] for x in r["proofs"]})
    return "; ".join(f"{answer}: " + ", ".join(
        f"`{x['design']}` {x['seconds']:g} s" for x in r["proofs"] if x["answer"] == answer)
        for answer in answers)


def mutations(r: Json) -> str:
    """Each mutator's verdicts, with what its record covers."""
    return "; ".join(
        f"by {x['mutator']}: {sum(len(d['mutants']) for d in x['designs'])} mutants of "
        f"{len(x['designs'])} designs: {x['killed']} killed, {x['equal']} proved equal to the "
        f"original, {x['accepted']} looked at and harmless, {x['survived']} survived"
        for x in r["surveys"])


def surveys() -> str:
    """How far the checks of the LUT family reach, each with its command."""
    rows = [("pairwise covering arrays of all parameters", covering(),
             "`scripts/test tb/tests/lut/test_lut_core.py tb/tests/lut/test_lut_parts.py`")]
    for name, what, render in (
            ("campaign.json", "full product of the core's parameters", campaign),
            ("proofs.json", "SAT: the dot product is Σ ±a for all inputs", proofs),
            ("mutations.json", "mutation survey: the benches notice small changes", mutations)):
        path = RESULTS_FOLDER / name
        rows.append((what, render(json.loads(path.read_text(encoding="utf-8")))
                     if path.exists() else "*not recorded yet*", f"`{RESULTS[name]}`"))
    return table(("check", "result", "command"), rows)


def recorded(name: str, render: Callable[[Json], str], command: bool = True) -> str:
    """A result file as tables, and the command that records it again."""
    path = RESULTS_FOLDER / name
    text = render(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else \
        "*Not recorded yet.*"
    return f"{text}\n\nRecorded by `{RESULTS[name]}`." if command else text


TABLES: dict[str, Callable[[], str]] = {
    "ports": ports,
    "entry widths": entry_widths,
    **{f"parameters {name}": lambda name=name: parameters(name)  # type: ignore[misc]
       for name in ("lut_table", "lut_dot", "lut_core", "dot_core", "systolic",
                    "weight_unpack")},
    "area": lambda: recorded("area.json", area),
    "layer": lambda: recorded("layer.json", layer),
    "bitmod layer": lambda: recorded("bitmod_layer.json", bitmod_layer),
    "speed": lambda: recorded("speed.json", speed),
    "quantizer": lambda: recorded("quantizer.json", quantizer),
    "scales": lambda: recorded("scales.json", scales),
    "accuracy": lambda: recorded("accuracy.json", figures_accuracy.accuracy),
    "surveys": surveys,
    **figures_bitmod.COMPUTED,
    **figures_estimate.COMPUTED,
    **figures_wrappers.COMPUTED,
    **{name: lambda name=name, render=render: recorded(  # type: ignore[misc]
        "bitmod_area.json", render, name in figures_bitmod.WITH_COMMAND)
       for name, render in figures_bitmod.RECORDED.items()},
    **{name: lambda name=name, render=render: recorded(  # type: ignore[misc]
        "systolic_area.json", render, name == "systolic bars")
       for name, render in figures_systolic.RECORDED.items()},
    "smollm2": lambda: recorded("smollm2.json", smollm2),
    "smollm2 ternary": lambda: recorded("smollm2_ternary.json", smollm2),
    **{name: lambda file=file, render=render: recorded(file, render)  # type: ignore[misc]
       for name, (file, render) in (figures_accelerator.RECORDED | figures_blocks.RECORDED
                                    | figures_dot.RECORDED | figures_fpga.RECORDED
                                    | figures_planes.RECORDED | figures_power.RECORDED
                                    | figures_sweeps.RECORDED
                                    | figures_ternary.RECORDED).items()},
    "cost model": figures_cost.errors,
    "minilm types": lambda: recorded("minilm_types.json", minilm_types),
}


def filled(text: str) -> str:
    """A page with its generated tables made anew."""
    def replace(block: re.Match[str]) -> str:
        name = block["name"]
        return (f"<!-- begin {name}: made by scripts/docs/figures.py -->\n\n{TABLES[name]()}\n\n"
                f"<!-- end {name} -->")

    return BLOCK.sub(replace, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args()
    status = 0
    for page in PAGES:
        path = ROOT / page
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after == before:
            continue
        if args.check:
            print(f"{page} is not up to date; run scripts/docs/figures.py")
            status = 1
        else:
            path.write_text(after, encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
