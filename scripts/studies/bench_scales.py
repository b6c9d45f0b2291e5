#!/usr/bin/env python3
"""What a group's scale costs or gains when it ignores the sign of the special value.

    .venv/bin/python scripts/studies/bench_scales.py [--groups N] [--json]

BitMoD's grids are not symmetric: the special value has one sign. Two rules for the scale of a
group, both with the best special value by squared error:

- ignoring signs: max|w| / max|grid| (what ``gen quantize`` does; some extremes are clipped);
- minding signs: the smallest scale at which no weight lies beyond the grid's end on its side.

Printed: the squared error over the sum of squares, for groups of 128 weights drawn from a normal
distribution, from Student's t (5 degrees of freedom) and from a Laplace distribution. The
arithmetic here is its own, float64, and unrounded scales; ``ignoring`` is checked against the
quantiser's report.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.quantizer import quantize

Array = NDArray[Any]

GROUP = 128
#: grids without the special value, and the special values (paper, Table IV)
GRIDS = {"bitmod3": ((0, 1, 2, 4), (3, -3, 6, -6)),
         "bitmod4": ((0, .5, 1, 1.5, 2, 3, 4, 6), (5, -5, 8, -8))}
SOURCES = {"normal": lambda rng, shape: rng.standard_normal(shape),
           "Student's t, 5": lambda rng, shape: rng.standard_t(5, shape),
           "Laplace": lambda rng, shape: rng.laplace(size=shape)}


def squared_error(weights: Array, magnitudes: tuple[float, ...], special: float,
                  signs: bool) -> Array:
    """Of each group (row) with one special value."""
    grid = np.array(sorted({*magnitudes, *(-m for m in magnitudes), special}))
    if signs:
        scale = np.maximum(weights.max(axis=1) / grid[-1], weights.min(axis=1) / grid[0])
    else:
        scale = np.abs(weights).max(axis=1) / np.abs(grid).max()
    scaled = weights / scale[:, None]
    near = np.searchsorted((grid[1:] + grid[:-1]) / 2, scaled)
    return (((grid[near] - scaled) * scale[:, None])**2).sum(axis=1)


def measure(weights: Array, name: str, signs: bool) -> float:
    """Normalised squared error with the best special value for each group."""
    magnitudes, specials = GRIDS[name]
    best = np.min([squared_error(weights, magnitudes, sv, signs) for sv in specials], axis=0)
    return float(best.sum() / (weights**2).sum())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--groups", type=int, default=20000, help="groups; default 20000")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args()
    rows = []
    for source, draw in SOURCES.items():
        weights = draw(np.random.default_rng(0), (args.groups, GROUP)).astype(np.float32)
        for name in GRIDS:
            _, report = quantize(weights, get_data_type(name), GROUP, 16)
            ignoring, minding = (measure(weights.astype(np.float64), name, signs)
                                 for signs in (False, True))
            reported = report.error / report.energy
            if abs(ignoring / reported - 1) > 2e-3:      # its scales are rounded to FP16
                print(f"bench_scales: {name}: {ignoring} here, {reported} by the quantiser",
                      file=sys.stderr)
                return 1
            rows.append({"weights": source, "dtype": name, "ignoring": ignoring,
                         "minding": minding, "ratio": ignoring / minding})
    if args.json:
        print(json.dumps({"groups": args.groups, "group_size": GROUP, "numpy": np.__version__,
                          "rows": rows}, indent=2))
        return 0
    print(f"{'weights':<16}{'type':<10}{'ignoring signs':>15}{'minding signs':>15}{'ratio':>8}")
    for r in rows:
        print(f"{r['weights']:<16}{r['dtype']:<10}{r['ignoring']:>15.5f}{r['minding']:>15.5f}"
              f"{r['ratio']:>8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
