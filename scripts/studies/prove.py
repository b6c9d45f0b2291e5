#!/usr/bin/env python3
"""The longer SAT proofs: lut_dot equals the sum of +-a for all inputs; prints a verdict each.

    .venv/bin/python scripts/studies/prove.py [--timeout SECONDS] [--json FILE]

INT16 K = 2..4 and INT8 K = 5, beside INT8 K = 2..4, which the regression proves as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.flow.yosys import yosys_version
from lowbit.generators.verilog.emit import emit
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.tb.support.lut_spec import dot_spec

CASES = [("int8", 2), ("int8", 3), ("int8", 4), ("int16", 2), ("int16", 3), ("int16", 4),
         ("int8", 5)]


def main() -> int:
    parser = argparse.ArgumentParser(description="longer SAT proofs of lut_dot")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for each; default 1800")
    parser.add_argument("--json", type=Path, help="write the verdicts here, after each proof")
    args = parser.parse_args()
    rows = []
    for a_format, k in CASES:
        p = LutDotParameters(a_format=a_format, K=k)
        verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p), timeout=args.timeout)
        rows.append({"design": f"lut_dot {p.flags()}".strip(), "answer": verdict.answer,
                     "seconds": round(verdict.seconds, 1)})
        print(f"{rows[-1]['design']:<32}{verdict.answer:<10}{verdict.seconds:8.1f} s", flush=True)
        if args.json:
            args.json.write_text(json.dumps({"yosys": yosys_version(), "proofs": rows}, indent=2)
                                 + "\n")
    return 0 if all(row["answer"] == "proved" for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
