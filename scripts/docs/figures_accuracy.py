"""The table of the core's accuracy from its record. Used by figures.py."""

from __future__ import annotations

import math
from typing import Any

from tables import number, table

from lowbit.golden.lut.parameters import LutCoreParameters

__all__ = ["accuracy"]

Json = Any


def _ratio(value: float | None, digits: int = 2) -> str:
    """Of two errors; in bold above the bar of 1."""
    if value is None:
        return "–"
    text = "∞" if math.isinf(value) else number(value, digits)
    return f"**{text}**" if value > 1 else text


def accuracy(r: Json) -> str:
    """The worst line of each format and class, over all kinds of rows and lengths."""
    if "columns" not in r:
        return "*Not recorded yet for row-scaled entries.*"
    rows = []
    for key, default in r["defaults"].items():
        a_format, acc = key.split()
        lines = [x for x in r["random"] if (x["a_format"], x["acc"]) == (a_format, acc)]
        hard = [x["ratios"][0] for x in r["difficult"]
                if x["a_format"] == a_format and x["has_bar"] and acc == "fp32"]
        rows.append((f"`{a_format}`", acc, default["entry_bits"], default["acc_bits"],
                     *(_ratio(max((x["ratios"][i] for x in lines), default=None))
                       for i in range(len(r["columns"]))),
                     _ratio(max((x["worst_draw"] for x in lines), default=None)),
                     _ratio(max(hard, default=None))))
    kinds = len({x["rows"] for x in r["random"]})
    lengths = " and ".join(str(k) for k in sorted({x["k"] for x in r["random"]}))
    integers = sum(x["outputs"] for x in r["integer"])
    return (f"RMS error of the `aligned` core over that of sequential accumulation in the same "
            f"format, weights of {r['w_bits']} bits. Each kind of rows has {r['draws']} draws of "
            f"{r['outputs']:,} outputs, which count together; shown is the worst of {kinds} kinds "
            f"(Gaussian, and four with outliers) and of {lengths} activations. The bar is 1; what "
            "is above it is in bold. *E − 1*, *W − 1*: the same with a bit less of an entry, or of "
            "an accumulator. *a draw*: the worst single draw by default. *difficult rows*: the "
            f"largest error over its bar, the worst of {r['seeds']} draws. Integer formats: "
            f"{sum(x['differ'] for x in r['integer'])} of {integers:,} outputs differ from int64 "
            "arithmetic.\n\n"
            + table(("activations", "accumulator", "E", "W",
                     *(name.replace("-", "−") for name in r["columns"]), "a draw",
                     "difficult rows"), rows)
            + (_widths(r) if r["widths"] else ""))


def _widths(r: Json) -> str:
    """Ratios at each number of weight bits."""
    lines: dict[Any, dict[int, str]] = {}
    for x in r["widths"]:
        lines.setdefault((x["acc"], x["k"]), {})[x["w_bits"]] = \
            f"{_ratio(x['ratios'][0])} ({_ratio(x['worst_draw'])})"
    bits = sorted({x["w_bits"] for x in r["widths"]})
    rows: list[tuple[str, ...]] = []
    for acc in ("fp32", "fp16"):
        designs = [LutCoreParameters(acc=acc, w_bits=b) for b in bits]
        rows.append((acc, "*E / W*", *(f"{p.entry_bits} / {p.acc_bits}" for p in designs)))
        rows += [(acc, f"{k:,}", *(of_bits[b] for b in bits))
                 for (a, k), of_bits in sorted(lines.items()) if a == acc]
    return ("\n\nThe same for FP16 activations at each number of weight bits, in brackets the "
            "worst single draw:\n\n"
            + table(("accumulator", "activations", *(f"W{b}" for b in bits)), rows))
