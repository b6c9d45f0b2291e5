"""A matrix product through a simulated design: emit, build, send all of it, collect the results."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.workload import Workload

from ..errors import CheckFailed
from ..registry import find
from ..verilog.emit import emit
from .simulate import BuildError, Outcome, simulate

__all__ = ["BENCH", "load_workload", "simulate_product"]

Array = NDArray[Any]

#: the cocotb module that sends a workload through a design (a name only: benches are not imported
#: here)
BENCH = "lowbit.tb.benches.run"
#: multiply-accumulates up to which the model is not optimised: the compiler would take longer than
#: the run
SHORT = 1 << 18


def load_workload(plan: dict[str, Any]) -> Workload:
    """The workload that :func:`simulate_product` described in its plan."""
    generator = find(plan["generator"])
    parameters = generator.parameter_class()(**plan["parameters"])
    with np.load(plan["operands"], allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return generator.operand_options().workload.of_arrays(parameters, arrays)


def simulate_product(workload: Workload, *, build_dir: Path | None = None,
                     progress: Callable[[str], None] = lambda phase: None,
                     record: dict[str, Any] | None = None) -> tuple[Array, Outcome]:
    """Results (rows, columns) from the RTL, as :meth:`Workload.golden` gives them, and how the
    simulation went: ``outcome.cycles`` from the first operands to the last result. ``record``: what
    to record of the ports (:mod:`.power.recording`).

    Raises :class:`CheckFailed` when the simulation does not finish.
    """
    p = workload.parameters
    progress("emitting")
    emitted = emit(p)
    with tempfile.TemporaryDirectory(prefix="lowbit-product-") as name:
        source, target = Path(name) / "operands.npz", Path(name) / "results.npy"
        with source.open("wb") as file:
            np.savez(file, allow_pickle=False, **workload.arrays())
        plan = dict(generator=p.generator, parameters=p.as_dict(), operands=str(source),
                    results=str(target), **({"record": record} if record else {}))
        short = workload.rows * workload.columns * workload.k <= SHORT
        try:
            outcome = simulate(emitted, emitted.top, BENCH, plan, build_dir=build_dir,
                               blocks=find(p.generator).blocks, progress=progress,
                               optimize="-O0" if short else "-O2")
        except BuildError as error:
            raise CheckFailed(str(error)) from None
        if not outcome.passed:
            raise CheckFailed(f"the simulation failed: {outcome.message}")
        return np.load(target, allow_pickle=False), outcome
