#!/usr/bin/env python3
"""The longer SAT proofs: lut_dot equals its sum for all inputs; prints a verdict each.

    .venv/bin/python scripts/studies/prove.py [--timeout SECONDS] [--json FILE]

INT16 K = 2..4, INT8 K = 5, and trits with K = 4, beside INT8 K = 2..4, which the regression proves
as well.
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

CASES = [*(LutDotParameters(a_format="int8", K=k) for k in (2, 3, 4)),
         *(LutDotParameters(a_format="int16", K=k) for k in (2, 3, 4)),
         LutDotParameters(radix=3, a_format="int8", K=4, select="binary"),
         LutDotParameters(a_format="int8", K=5)]


def main() -> int:
    parser = argparse.ArgumentParser(description="longer SAT proofs of lut_dot")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds for each; default 1800")
    parser.add_argument("--json", type=Path, help="write the verdicts here, after each proof")
    args = parser.parse_args()
    rows = []
    for p in CASES:
        verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p), timeout=args.timeout)
        rows.append({"design": f"lut_dot {p.flags()}".strip(), "answer": verdict.answer,
                     "seconds": round(verdict.seconds, 1)})
        print(f"{rows[-1]['design']:<56}{verdict.answer:<10}{verdict.seconds:8.1f} s", flush=True)
        if args.json:
            args.json.write_text(json.dumps({"yosys": yosys_version(), "proofs": rows}, indent=2)
                                 + "\n")
    return 0 if all(row["answer"] == "proved" for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
