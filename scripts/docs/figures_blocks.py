"""Tables of block formats and L-Mul from their records. Used by figures.py."""

from __future__ import annotations

import math
from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {
    "smollm2_mxfp4.json": "demos/demo_smollm2_mxfp4.py --json >",
    "formats.json": "studies/bench_formats.py --json",
    "blocks_area.json": "studies/bench_blocks.py --liberty sky130hd_tt.lib.gz --recipes plain "
                        "--json >"}


def mxfp4(r: Json) -> str:
    """The layer of a language model in a block format."""
    p = r["parameters"]
    return (f"`{r['tensor']}` of SmolLM2-135M-Instruct ({r['shape'][0]} × {r['shape'][1]}), the "
            f"file's weights quantised to {r['format']} (normalised MSE "
            f"{r['weight_normalized_mse']:.2e}), {r['rows']} activation rows in FP16, through the "
            f"simulated `{r['generator']}` of {p['rows']} × {p['columns']} PEs with "
            f"`--group-scale {p['group_scale']}`: {r['differ']} of {r['outputs']:,} outputs differ "
            f"from the golden model; relative RMS error {r['relative_rms_error']:.2e} against the "
            "float64 product with the same weights, "
            f"{r['relative_rms_error_of_the_file']:.2e} with the file's; {r['cycles']:,} cycles.")


def formats(r: Json) -> str:
    """Errors of all formats."""
    rows = [(f"`{x['format']}`", x["group"], f"{x['bits_per_weight']:.3f}",
             *(f"{x[name]:.3e}" for name in ("gaussian", "t5", "t3")),
             *(f"{x[name]['error']:.3e}" if name in x else "–" for name in r["models"]))
            for x in r["formats"]]
    size = " × ".join(f"{n:,}" for n in r["distributions"]["gaussian"])
    models = " and ".join(f"of the {m['matrices']} matrices of {m['model']}"
                          for m in r["models"].values())
    return (f"Normalised mean square error of {size} weights from a normal distribution and from "
            f"Student's t with 5 and 3 degrees of freedom, {models}:\n\n"
            + table(("format", "group", "bits/weight", "Gaussian", "t(5)", "t(3)", "MiniLM",
                     "SmolLM2"), rows))


def formats_in_models(r: Json) -> str:
    """What all formats do to the models."""
    m, s = r["models"]["minilm"], r["models"]["smollm2"]
    rows = [("*as it is*", "–", "1.0000", "1.0000", f"{s['likelihood']:.4f}",
             f"{math.exp(s['likelihood']):,.2f}", "0.0000")]
    for x in r["formats"]:
        cosines = [f"{x['minilm'][key]:.4f}" for key in ("cosine_mean", "cosine_lowest")] \
            if "minilm" in x else ["–", "–"]
        scores = [f"{x['smollm2']['likelihood']:.4f}",
                  f"{math.exp(x['smollm2']['likelihood']):,.2f}",
                  f"{x['smollm2']['divergence']:.4f}"] if "smollm2" in x else ["–", "–", "–"]
        rows.append((f"`{x['format']}`", f"{x['bits_per_weight']:.3f}", *cosines, *scores))
    return (f"{m['model']}: cosine of the embeddings of {m['sentences']} sentences to those of "
            f"the FP32 model, {m['matrices']} matrices replaced. {s['model']} (`{s['file']}`, as "
            "it is: the file's own weights): mean negative log likelihood of the "
            f"{s['tokens'] - 1} tokens of docs/data/paragraph.txt after the first, in nats, the "
            "perplexity that it is the logarithm of, and the mean Kullback-Leibler divergence from "
            f"the likelihoods of the model as it is, {s['matrices']} matrices ({s['weights']:,} "
            "weights) replaced, the embedding and output head not. Activations are float32. –: not "
            "measured.\n\n"
            + table(("format", "bits/weight", "cosine, mean", "lowest", "nats a token",
                     "perplexity", "divergence"), rows))


def _conditions(r: Json) -> str:
    c = r["conditions"]
    return (f"Conditions: {c['yosys']}, {c['libraries'][0]['library']} (sha256 "
            f"{c['libraries'][0]['sha256'][:12]}), the smallest of the recipes "
            f"{', '.join(c['recipes'])}; µm².\n\n")


def _areas(rows: Json) -> list[tuple[Any, ...]]:
    return [(x["design"], number(x["best"], 0), f"{x['ratio_best']:.2f}") for x in rows]


def scales(r: Json) -> str:
    """Areas of scale units and of the decoder."""
    return _conditions(r) + table(
        ("part", "area", "over the first of its kind"),
        _areas(r["scales"]) + _areas([x | {"design": f"BitMoD term generator, {x['design']}"}
                                      for x in r["decoder"]]))


def lmul(r: Json) -> str:
    """Area and error of L-Mul."""
    errors = [(f"{x['mean']:+.4f}", f"{x['rms']:.4f}", f"{x['largest']:.4f}",
               f"{x['rounding_rms']:.4f}") if "rms" in x else ("–",) * 4 for x in r["lmul"]]
    return _conditions(r) + table(
        ("multiplier", "area", "over exact", "relative error, mean", "RMS", "largest",
         "RMS of rounding alone"),
        [a + e for a, e in zip(_areas(r["lmul"]), errors, strict=True)])


RECORDED = {"smollm2 mxfp4": ("smollm2_mxfp4.json", mxfp4), "formats": ("formats.json", formats),
            "formats in models": ("formats.json", formats_in_models),
            "scale areas": ("blocks_area.json", scales), "l-mul": ("blocks_area.json", lmul)}
