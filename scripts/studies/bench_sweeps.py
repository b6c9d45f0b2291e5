#!/usr/bin/env python3
"""The recorded sweeps: the paper's explorations of K and of M, N, K, and area, energy and error.

    .venv/bin/python scripts/studies/bench_sweeps.py --liberty sky130hd_tt.lib.gz
        [--only NAME ...] -o docs/results/sweeps.json

Each is one ``gen sweep``, whose command is in the record; what is measured is kept, so that a run
that was stopped goes on there. About two hours of one core. With ``--only`` the others stay in the
file as they are.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lowbit.generators import cli
from lowbit.generators.files import write_text
from lowbit.generators.measuring import find_library
from lowbit.generators.registry import find

#: name -> what it shows, and the words of ``gen``
SWEEPS = {
    "k": ("activations a table", "sweep lut_core --M 1 --N 4,16,64 --K 2..6 --w-bits 1 --a-format "
          "int8,fp16 --table-source internal --metric area_per_mac,rounding"),
    "mnk": ("rows, columns, activations a table", "sweep lut_core --M 1,2,4 --N 8,16,32 --K 3..5 "
            "--w-bits 2 --a-format int8 --table-source internal --metric area_per_mac,energy "
            "--clock 10"),
    "formats": ("formats: area, energy, error", "sweep lut_core --M 1 --N 8 --K 4 --w-bits 1..4 "
                "--a-format int8,fp8_e4m3,fp16 --metric area_per_mac,energy,error --clock 10")}


def recorded(what: str, words: str, liberty: Path, workers: int | None) -> dict[str, Any]:
    """What ``gen sweep`` wrote, without what is the same for all designs."""
    with tempfile.TemporaryDirectory(prefix="lowbit-sweeps-") as name:
        folder = Path(name) / "sweep"
        here = [] if workers is None else ["--workers", str(workers)]
        if cli.main([*words.split(), "--liberty", str(liberty), *here, "-o", str(folder)]):
            raise SystemExit(1)
        with open(folder / "sweep.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    asked = words.split()
    metrics = asked[asked.index("--metric") + 1].split(",")
    axes = [field.name for field in find("lut_core").parameter_class().declared()
            if len({row.get(field.name) for row in rows}) > 1]
    return {"shows": what, "command": f"gen {words} --liberty {liberty.name} -o sweep",
            "axes": axes, "metrics": metrics,
            "designs": [{**{axis: int(row[axis]) if row[axis].isdigit() else row[axis]
                            for axis in axes},
                         **{metric: float(f"{float(row[metric]):.5g}") for metric in metrics},
                         "front": row["front"] == "1"} for row in rows]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--liberty", type=Path, required=True, help="cell library with energies")
    parser.add_argument("--only", nargs="+", choices=SWEEPS, default=list(SWEEPS), metavar="NAME",
                        help=f"of {', '.join(SWEEPS)}")
    parser.add_argument("--workers", type=int)
    parser.add_argument("-o", dest="output", type=Path, required=True, metavar="FILE.json")
    args = parser.parse_args()
    file = args.output
    library = find_library([args.liberty]).describe()
    found: dict[str, Any] = {}
    if file.exists() and (old := json.loads(file.read_text()))["library"] == library:
        found = old["sweeps"]
    for name in args.only:
        found[name] = recorded(*SWEEPS[name], args.liberty, args.workers)
        ordered = {one: found[one] for one in SWEEPS if one in found}
        write_text(str(file), json.dumps({"library": library, "sweeps": ordered}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
