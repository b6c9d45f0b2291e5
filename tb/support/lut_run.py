"""Runs of the LUT family's benches: one configuration, emitted, built, simulated, compared."""

from __future__ import annotations

from pathlib import Path

from lowbit.generators import registry
from lowbit.generators.flow.simulate import Outcome, simulate
from lowbit.generators.verilog.emit import emit
from lowbit.golden.parameters import Parameters

__all__ = ["run_bench", "VECTORS"]

#: output words that a configuration compares at least
VECTORS = 200


def run_bench(p: Parameters, *, seed: int = 1, vectors: int = VECTORS, verilog: str | None = None,
              simulator: str = "verilator", build_dir: Path | None = None) -> Outcome:
    """The bench of a configuration; ``verilog`` replaces what the generator emits.

    The model is compiled without optimisation: at this size the compiler costs more than the run.
    """
    generator = registry.find(p.generator)
    text = emit(p).verilog if verilog is None else verilog
    plan = dict(parameters=p.as_dict(), vectors=vectors)
    return simulate(text, p.generator, generator.bench, plan, simulator=simulator, seed=seed,
                    build_dir=build_dir, optimize="-O0")
