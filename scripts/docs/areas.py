#!/usr/bin/env python3
"""Areas of engines for ``gen estimate``, out of the records in docs/results.

    .venv/bin/python scripts/docs/areas.py [--check]

Writes generators/estimate/areas.json, which the package carries. The recipe is the one that both
records have for whole designs: plain. ``--check`` changes nothing and has exit status 1 when the
file is not what the records say.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from packaged import write_or_check

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
TARGET = ROOT / "generators" / "estimate" / "areas.json"
#: whole tiles by their part in the record of the BitMoD tile
TILES = {"fp16": "baseline whole", "bitmod": "whole"}


def numbers(flags: str) -> dict[str, int]:
    """``--M 2 --w-bits 4`` as numbers by name."""
    return {name.replace("-", "_"): int(value)
            for name, value in re.findall(r"--([\w-]+) (\d+)", flags)}


def areas() -> dict[str, Any]:
    """Engines: µm², what is known of their size, and where that is recorded."""
    whole, tiles = (json.loads((RESULTS / name).read_text(encoding="utf-8"))
                    for name in ("accel_whole.json", "bitmod_area.json"))
    conditions = [record["conditions"]["libraries"][0] for record in (whole, tiles)]
    assert conditions[0] == conditions[1], conditions
    found: dict[str, Any] = {"library": conditions[0]["library"], "recipe": "plain", "accel": []}
    for row in whole["designs"]:
        parts = {part["part"]: part["um2"] for part in row["parts"]}
        found["accel"].append(dict(
            design=row["design"], record="docs/results/accel_whole.json",
            parameters=numbers(row["design"]), core=parts.pop("LUT core"),
            inside_core=row["parts"][-1]["inside"], frame=parts,
            memories={memory["name"]: memory["bits"] for memory in row["memories"]}))
    for name, part in TILES.items():
        for row in tiles.get("tile", ()):
            if row["part"] == part:
                found[name] = dict(design=row["design"], um2=round(row["plain"]),
                                   record="docs/results/bitmod_area.json",
                                   parameters=numbers(row["design"]))
    return found


if __name__ == "__main__":
    sys.exit(write_or_check(__doc__, TARGET, areas, "areas.py"))
