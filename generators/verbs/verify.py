"""``gen verify GENERATOR [parameters]``: emit, simulate, compare with the golden model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lowbit.golden.parameters import Parameters

from ..errors import CheckFailed, UsageError
from ..family import Generator
from ..files import check_target
from ..flow.simulate import SIMULATORS, BuildError, Outcome, simulate
from ..options import add_parameters, integer, positive, take_parameters
from ..progress import Progress
from ..verilog.emit import emit

SUMMARY = "simulate a generator's Verilog against the golden model"
TAKES_GENERATOR = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("verification")
    group.add_argument("--sim", metavar="|".join(SIMULATORS), default="verilator",
                       choices=SIMULATORS, help="simulator; default verilator (random start "
                       "state); icarus starts with X and suits small designs")
    group.add_argument("--seed", type=integer, default=1, metavar="INT",
                       help="seed of vectors, stalls and start state; 0 or more; default 1")
    group.add_argument("--vectors", type=positive, default=256, metavar="INT",
                       help="output words to check, at least; default 256")
    group.add_argument("--waves", metavar="FILE.vcd", help="write a VCD trace")
    group.add_argument("--build-dir", metavar="DIR", help="keep simulator builds here instead of "
                       "the user's cache")
    group.add_argument("--json", action="store_true", help="print the result as JSON")


def verify(parameters: Parameters, generator: Generator, *, simulator: str = "verilator",
           seed: int = 1, vectors: int = 256, waves: Path | None = None,
           build_dir: Path | None = None) -> Outcome:
    """Emit a design and run its bench; the plan is parameters, derived values and manifest."""
    with Progress("emitting") as progress:
        emitted = emit(parameters)
        plan = dict(generator=generator.name, parameters=parameters.as_dict(),
                    derived=emitted.manifest["derived"], manifest=emitted.manifest,
                    vectors=vectors)
        return simulate(emitted, emitted.top, generator.bench, plan, simulator=simulator,
                        seed=seed, waves=waves, build_dir=build_dir, blocks=generator.blocks,
                        progress=progress)


def run(args: argparse.Namespace) -> int:
    generator: Generator = args.generator
    parameters = take_parameters(args, generator.parameter_class())
    if args.seed < 0:
        raise UsageError(f"--seed must be 0 or more; got {args.seed}")
    waves = Path(args.waves) if args.waves else None
    if waves is not None:
        if waves.suffix != ".vcd":
            raise UsageError(f"--waves must end in .vcd; got {waves}")
        check_target(waves, option="--waves")
    build_dir = Path(args.build_dir) if args.build_dir else None
    try:
        outcome = verify(parameters, generator, simulator=args.sim, seed=args.seed,
                         vectors=args.vectors, waves=waves, build_dir=build_dir)
    except BuildError as error:
        raise CheckFailed(str(error)) from None
    words = int(outcome.stats.get("words", 0))
    if outcome.passed and words == 0:
        outcome.passed, outcome.message = False, "the bench compared no output word"
    rate = outcome.cycles / outcome.seconds if outcome.seconds else 0.0
    flags = parameters.flags()
    if args.json:
        print(json.dumps(dict(
            generator=generator.name, parameters=parameters.as_dict(), passed=outcome.passed,
            words=words, cycles=outcome.cycles, cycles_per_second=round(rate, 1),
            seconds=round(outcome.seconds, 3), build_seconds=round(outcome.build_seconds, 3),
            simulator=outcome.simulator, seed=outcome.seed, tests=outcome.tests,
            failures=outcome.failures, message=outcome.message, stats=outcome.stats), indent=2))
        return 0 if outcome.passed else 1
    built = f"built in {outcome.build_seconds:.1f} s" if outcome.build_seconds else "build cached"
    print(f"{generator.name} {flags}".rstrip())
    print(f"  {words} output words compared, {outcome.tests} tests, {outcome.cycles} cycles, "
          f"{rate:.0f} cycles/s")
    print(f"  {outcome.simulator}, seed {outcome.seed}, {built}, simulated in "
          f"{outcome.seconds:.1f} s")
    if not outcome.passed:
        print("  FAILED")
        raise CheckFailed(f"verification failed: {outcome.message}")
    print("  PASSED: equal to the golden model bit for bit")
    return 0
