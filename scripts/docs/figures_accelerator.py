"""Tables of the accelerator from its records. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {
    "llm_rtl.json": "demos/demo_llm.py --json",
    "accel_area.json": "studies/bench_accel.py --liberty sky130hd_tt.lib.gz --json",
    "accel_whole.json": "studies/bench_whole.py --json",
    "campaign_accel.json": "studies/campaign_accel.py [--seed 2] [--engine bitmod] --words 100 "
                           "--json"}


def model(r: Json) -> str:
    """The language model that spoke through the RTL."""
    shares = ", ".join(f"{name.removeprefix('share_of_').replace('_', ' ').replace('+', ', ')} "
                       f"{value}" for name, value in r.items() if name.startswith("share_of_"))
    busy = 100 * r["rtl_weight_beats"] / r["rtl_cycles"]
    return (f"`{r['model']}`, {r['prompt_tokens']} tokens of prompt, {len(r['tokens'])} generated: "
            f"“{r['text']}” {r['products']:,} products, {r['numbers']:,} results in "
            f"{r['programs']:,} programs: {r['calls_that_differ']} programs differ from the golden "
            f"simulator. Scores are within rms {r['rms_of_scores']:.1e} of a float32 forward pass, "
            f"which chooses {r['tokens_as_float32']} of the {len(r['tokens'])} tokens. "
            f"{r['rtl_cycles']:,} cycles, {100 * r['rtl_over_model']:+.3f} % from the cycle model, "
            f"{busy:.1f} % with a weight beat; {r['rtl_bus_bytes'] / 1e6:.0f} MB on the bus. "
            f"{r['seconds']:.0f} s on two shared cores, {r['rtl_cycles_per_second']:,} cycles/s "
            f"with the golden simulator and NumPy beside it. Cycles by layer: {shares}.")


def area(r: Json) -> str:
    """Control and bus in gate equivalents, the share of the scale units."""
    rows = [(row["part"] + (" (arithmetic, inside one above)" if row["arithmetic"] else ""),
             f"{row['gate_equivalents']:,}", f"{row['flip_flops']:,}") for row in r["control"]]
    text = table(("part, memories left out", "GE", "flip-flops"), rows)
    text += ("\n\nControl, DMA and registers without the arithmetic: "
             f"{r['control_gate_equivalents']:,} GE.")
    if "core" in r:
        c = r["core"]
        text += (f" Group scale units: {c['scale_units']:,} of {c['gate_equivalents']:,} GE of the "
                 f"core, {100 * c['share']:.1f} %.")
    return text


def whole(r: Json) -> str:
    """Areas of whole accelerators, part by part."""
    designs = r["designs"]
    library, = r["conditions"]["libraries"]
    head = ("part, memories left out", *(f"`{d['design']}`, µm²" for d in designs), "GE", "share")
    last = designs[-1]
    rows = [(part["part"], *(f"{d['parts'][i]['um2']:,}" for d in designs),
             f"{part['gate_equivalents']:,}", f"{100 * part['um2'] / last['um2']:.1f} %")
            for i, part in enumerate(last["parts"])]
    rows.append(("all", *(f"{d['um2']:,}" for d in designs), f"{last['gate_equivalents']:,}", ""))
    cores = [d["parts"][-1]["inside"] for d in designs]
    inside = [(name, *(f"{core[name]:,}" for core in cores),
               f"{100 * area / sum(cores[-1].values()):.1f} %")
              for name, area in cores[-1].items()]
    bits = ", ".join(f"{m['name']} {m['bits']:,}" for m in last["memories"])
    return (f"{r['conditions']['yosys']}, {library['library']} (sha256 {library['sha256'][:12]}), "
            f"recipe {r['conditions']['recipe']}; {r['conditions']['flatten']}. GE and shares are "
            f"of the last design.\n\n{table(head, rows)}\n\n"
            f"{table(('inside the core', *head[1:-2], 'share'), inside)}\n\n"
            f"Bits of memories: {bits}.")


def campaign(r: Json) -> str:
    """Designs and programs of the longer regression."""
    failed = sum(not row["passed"] for row in r)
    others = sum("--engine bitmod" in row["flags"] for row in r)
    return (f"{len(r)} designs, {others} of them with a BitMoD tile, "
            f"{sum(row['programs'] for row in r):,} random programs, "
            f"{sum(row['words'] for row in r):,} result words, "
            f"{sum(row['cycles'] for row in r):,} cycles; {failed} designs failed. Each design "
            "also ran a program with one thing wrong of every kind, aborts and resets in between.")


#: table -> result file and its text
RECORDED = {"accelerator model": ("llm_rtl.json", model),
            "accelerator area": ("accel_area.json", area),
            "accelerator whole": ("accel_whole.json", whole),
            "accelerator campaign": ("campaign_accel.json", campaign)}
