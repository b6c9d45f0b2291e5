#!/usr/bin/env python3
"""Many designs of the accelerator, each on many random programs: a longer regression.

Designs are drawn from the space below; buffers are small, so that programs come to their limits.
Each runs the bench of ``gen verify accel``: random programs, one with something wrong of every
kind, aborts, resets, on buses that stall. Progress goes to standard error, the record to --json;
designs that are in the record already are not run again.

    scripts/studies/campaign_accel.py --designs 30 --json docs/results/campaign_accel.json
    scripts/studies/campaign_accel.py --engine bitmod --designs 4 --words 100 --json FILE
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from lowbit.generators.verifying import verify
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.parameters import ParameterError

#: engine -> parameters and their values
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {"lut": dict(
    M=(1, 2, 3, 4), N=(16, 32, 48), K=(2, 4), groups=(1, 2),
    a_format=("fp16", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8", "int16"),
    w_bits=(1, 2, 3, 4, 8), group_scale=("fp16", "fp32"), offset=("none", "integer", "real"),
    chains=(1, 2, 4), axi_data=(64, 128, 256, 512), axi_address=(33, 40, 64),
    outstanding=(1, 2, 8), a_kib=(1, 2, 4), w_kib=(1, 2, 4), s_kib=(1, 2), p_kib=(1, 2, 4),
    queue=(2, 3, 16), min_group=(8, 16, 32), max_group=(16, 32, 128),
    reset=("sync", "sync", "async_low"), target=("asic", "asic", "fpga")), "bitmod": dict(
    M=(1, 2, 3, 4), N=(16, 32, 48), K=(2, 4), w_bits=(3, 4, 6, 8), align_bits=(12, 17, 17, 24),
    channel_scale=(True, True, False), chains=(1, 2, 4), axi_data=(64, 128, 256, 512),
    axi_address=(33, 40, 64), outstanding=(1, 2, 8), a_kib=(1, 2, 4), w_kib=(1, 2, 4),
    s_kib=(1, 2, 4), p_kib=(1, 2, 4), queue=(2, 3, 16), min_group=(8, 16, 32),
    max_group=(16, 32, 128), reset=("sync", "sync", "async_low"), target=("asic", "asic", "fpga"))}


def draw(rng: random.Random, engine: str) -> AccelParameters:
    """A legal design."""
    while True:
        fields = {name: rng.choice(of) for name, of in SPACES[engine].items()}
        try:
            return AccelParameters(engine=engine, **fields)
        except ParameterError:
            continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", choices=tuple(SPACES), default="lut")
    parser.add_argument("--designs", type=int, default=30)
    parser.add_argument("--words", type=int, default=3000, help="result words of each design")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="the record, read and written")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if arguments.json and arguments.json.exists():
        rows = json.loads(arguments.json.read_text())
    known = {row["flags"] for row in rows}
    rng = random.Random(arguments.seed)
    for i in range(arguments.designs):
        p = draw(rng, arguments.engine)
        if p.flags() in known:
            continue
        found = verify(p, seed=i + 1, vectors=arguments.words)
        rows.append(dict(flags=p.flags(), seed=i + 1, passed=found.passed, words=found.words,
                         programs=found.outcome.stats.get("programs", 0),
                         cycles=found.outcome.cycles, message=found.message))
        print(f"{i + 1}/{arguments.designs} {'passed' if found else 'FAILED'} "
              f"{rows[-1]['programs']} programs, {found.words} words: {p.flags()}",
              file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    failed = [row for row in rows if not row["passed"]]
    print(f"{len(rows)} designs, {sum(row['programs'] for row in rows)} programs, "
          f"{sum(row['words'] for row in rows)} result words, {len(failed)} designs failed")
    for row in failed:
        print(f"  gen verify accel {row['flags']} --seed {row['seed']}: {row['message']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
