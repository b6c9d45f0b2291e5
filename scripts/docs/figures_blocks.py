"""Tables of block formats and L-Mul from their records. Used by figures.py."""

from __future__ import annotations

from typing import Any

from tables import number, table

__all__ = ["RECORDED", "RESULTS"]

Json = Any

#: result file -> the command that writes it
RESULTS = {
    "smollm2_mxfp4.json": "demos/demo_smollm2_mxfp4.py --json >",
    "formats.json": "studies/bench_formats.py --json >",
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
             *(f"{x[name]:.3e}" for name in ("gaussian", "t5", "t3", "minilm")),
             f"{x['cosine_mean']:.4f}", f"{x['cosine_lowest']:.4f}") for x in r["formats"]]
    size = " × ".join(f"{n:,}" for n in r["distributions"]["gaussian"])
    return (f"Normalised mean square error of {size} weights from a normal distribution and from "
            "Student's t with 5 and 3 degrees of freedom, and of the 36 matrices of "
            f"{r['model']}; cosine of its sentence embeddings to those of the FP32 model:\n\n"
            + table(("format", "group", "bits/weight", "Gaussian", "t(5)", "t(3)", "model",
                     "cosine, mean", "lowest"), rows))


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
            "scale areas": ("blocks_area.json", scales), "l-mul": ("blocks_area.json", lmul)}
