"""The report of ``gen estimate`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .engines import NAMES

__all__ = ["text"]

HEAD = ("call", "calls", "rows", "passes", "cycles", "compute bound", "memory bound", "bound by",
        "of bound", "MB", "of least", "busy")


def _table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) if i in left else cell.rjust(w)
                      for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in rows]


def _row(line: dict[str, Any], name: str) -> list[str]:
    moved = line["bytes_read"] + line["bytes_written"]
    return [name, f"{line['calls']:,}", f"{line['rows']:,}" if "rows" in line else "",
            f"{line['passes']:,}" if "passes" in line else "", f"{line['cycles']:,}",
            f"{line['compute_bound']:,}", f"{line['memory_bound']:,}", line.get("limit", ""),
            f"{line['cycles'] / line['bound']:.3f}", f"{moved / 1e6:,.1f}",
            f"{moved / line['bytes_bound']:.3f}", f"{100 * line['beats'] / line['cycles']:.1f} %"]


def _step(step: dict[str, Any]) -> list[str]:
    one = step["batch"] * step["positions"]
    lines = ["", f"{step['name']}: {step['batch']:,} x {step['positions']:,} positions, context "
             f"{step['context']:,}; {step['total']['cycles'] / one:,.0f} cycles a token"]
    rows = [list(HEAD), *(_row(line, line["name"]) for line in step["lines"]),
            _row(step["total"], "total")]
    lines += _table(rows)
    host = step["host"]
    if host["attention_calls"]:
        lines.append(f"  not in these cycles, on the host: attention, "
                     f"{host['attention_macs'] / 1e6:,.1f} M multiply-accumulates over "
                     f"{host['cache_bytes'] / 1e6:,.1f} MB of keys and values (FP16)")
    else:
        lines.append("  not in these cycles, and not known here: attention")
    return lines


def _area(found: dict[str, Any] | None) -> list[str]:
    """Shares of the accelerator's area, the largest parts of the frame by name."""
    if found is None:
        return ["", "area of the accelerator: not recorded for this design"]
    core, frame = found["core"], found["frame"]
    whole = core + sum(frame.values())

    def shares(parts: dict[str, float], of: float, least: float) -> str:
        some = sorted(parts.items(), key=lambda part: -part[1])
        return ", ".join(f"{name} {100 * area / of:.1f} %" for name, area in some
                         if area >= least * of)

    return ["", f"area of {found['design']}: {whole:,} µm² ({found['library']}, "
            f"{found['recipe']}; {found['record']})",
            f"  core {100 * core / whole:.1f} %, of it "
            + shares(found["inside_core"], sum(found["inside_core"].values()), 0),
            f"  frame {100 * (1 - core / whole):.1f} %, of all " + shares(frame, whole, 0.005),
            f"  and {sum(found['memories'].values()) / 8192:,.1f} KiB of memories, whose area is "
            "the technology's: " + ", ".join(f"{name} {bits / 8192:,.1f}"
                                             for name, bits in found["memories"].items())]


def _engines(found: dict[str, Any]) -> list[str]:
    lines = [""]
    if found["engines"]:
        batches = found["engines"][0]["cycles"]
        base = found["engines"][0]["cycles"]
        lines.append(f"engines of {found['engines'][0]['area_um2']:,} µm² each ({found['library']},"
                     f" {found['recipe']}) at one clock and {found['bytes_a_cycle']} bytes a cycle;"
                     " roofline of the linear layers of a decode:")
        rows = [["engine", "bits a weight", "tiles", "MACs a cycle",
                 *(word for batch in batches
                   for word in (f"batch {int(batch):,}: cycles", "of LUT"))]]
        for one in found["engines"]:
            rows.append([one["name"], f"{one['bits_a_weight']:.3f}", f"{one['copies']:.2f}",
                         f"{one['macs_a_cycle']:,.1f}",
                         *(word for batch, cycles in one["cycles"].items()
                           for word in (f"{cycles:,}", f"{cycles / base[batch]:.2f}"))])
        lines += _table(rows)
        for one in found["engines"]:
            if one["name"] != NAMES["dequantised"]:
                lines.append(f"  {one['record']}: {one['design']}, {one['area_um2']:,} µm²")
        lines.append("  left out: a dequantiser before FP16, which has no record; buffers, control "
                     "and bus, which each would need")
    lines += [f"engines of equal area left out: {reason}" for reason in found["missing"]]
    return lines


def _sensitivity(found: dict[str, Any]) -> list[str]:
    settings = [f"x{one['times']}, W{one['bits']}" for one in found["steps"][0]["speedups"]]
    rows = [["tensor cores, weights", *settings]]
    rows += [[step["step"], *(f"{one['speedup']:.2f}" for one in step["speedups"])]
             for step in found["steps"]]
    return ["", f"sensitivity, not a reproduction: speed-up over FP16 of {found['gpu']} by a "
            "roofline and Amdahl's law", *_table(rows),
            f"  published: {found['published']}", f"  what this lacks: {found['lacks']}"]


def text(found: dict[str, Any]) -> str:
    """All of it."""
    bits = ", ".join(map(str, found["bits"]))
    groups = ", ".join(map(str, found["groups"]))
    rates = ", ".join(f"{rate:,.1f} (W{bits})" for bits, rate in found["macs_a_cycle"].items())
    lines = [f"{found['model']} ({found['source']}): {found['weights'] / 1e9:,.3f} G weights in "
             f"linear layers, {bits} bits, groups of {groups}",
             f"accel {found['design']}".rstrip() + f": {rates} multiply-accumulates a cycle, "
             f"{found['bytes_a_cycle']} bytes a cycle, memory answers after {found['latency']} "
             "cycles"]
    for step in found["steps"]:
        lines += _step(step)
    lines += ["", "not counted at all: " + ", ".join(found["not_counted"])]
    lines += _area(found["area"])
    lines += _engines(found["equal_area"])
    if found["sensitivity"]:
        lines += _sensitivity(found["sensitivity"])
    return "\n".join(lines)
