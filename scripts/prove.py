"""The longer SAT proofs of the LUT dot product; prints and records verdict and seconds.

    scripts/prove.py [--timeout SECONDS] [--only TEXT] [--record docs/proofs.md]

The quick ones are in the regression (tb/test_lut_proofs.py).
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from pathlib import Path

from lowbit.generators.emit import emit
from lowbit.generators.flow.prove import prove_equal
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.tb.lut_spec import dot_spec

STYLES = (dict(), dict(select="binary", negation="hardware"),
          dict(select="binary", table="full"))
PROOFS = [LutDotParameters(a_format=a_format, K=K, **style)
          for a_format, sizes in (("int8", (2, 3, 4, 5)), ("int16", (2, 3, 4)))
          for K in sizes for style in STYLES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--timeout", type=int, default=3600, help="seconds of each proof")
    parser.add_argument("--only", default="", help="proofs whose flags hold this text")
    parser.add_argument("--record", type=Path, help="write the results as a Markdown table")
    args = parser.parse_args()
    rows, failed = [], 0
    for p in PROOFS:
        if args.only not in p.flags():
            continue
        verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p), timeout=args.timeout)
        bits = p.K * (p.activation.bits + 1)
        failed += not verdict.proved
        rows.append(f"| `lut_dot {p.flags()}` | 2^{bits} | {verdict.answer} "
                    f"| {verdict.seconds:.1f} |")
        print(f"lut_dot {p.flags()}: {verdict.answer} for 2^{bits} inputs, "
              f"{verdict.seconds:.1f} s", flush=True)
    if args.record:
        args.record.write_text("\n".join([
            "# Proofs", "",
            "SAT proofs that the emitted `lut_dot` with its table made inside equals the sum of "
            "plus or minus its activations, for all inputs. Wall-clock seconds; printed by "
            "`scripts/prove.py`.", "",
            f"pyosys {version('pyosys')}, {platform.machine()}, one core each.", "",
            "| design | inputs | verdict | seconds |", "|---|---|---|---|", *rows, ""]))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
