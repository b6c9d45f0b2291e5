"""A workload by the golden model or the simulated RTL, and what is said of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.workload import Workload

from .flow.product import simulate_product
from .flow.simulate import Outcome
from .progress import Progress

__all__ = ["BACKENDS", "Run", "differing", "run_workload"]

Array = NDArray[Any]

BACKENDS = ("golden", "rtl")


def differing(a: Array, b: Array) -> int:
    """Elements whose bits differ."""
    kind = f"u{a.dtype.itemsize}"
    return int((np.ascontiguousarray(a).view(kind) != np.ascontiguousarray(b).view(kind)).sum())


@dataclass(frozen=True, repr=False)
class Run:
    """A product that was computed; prints as the report of ``gen run``."""

    workload: Workload
    backend: str
    result: Array       #: (rows, columns)
    seconds: float
    outcome: Outcome | None = None     #: of the simulation
    differ: int | None = None               #: outputs that differ from the golden model

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        w = self.workload
        figures = {"generator": w.parameters.generator, "parameters": w.parameters.as_dict(),
                   "backend": self.backend, "rows": w.rows, "columns": w.columns, "k": w.k,
                   "operations": w.operations, **w.facts(), "dtype": str(self.result.dtype),
                   "seconds": round(self.seconds, 3)}
        if self.outcome is not None:
            figures |= {"cycles": self.outcome.cycles,
                        "cycles_per_second": round(self.outcome.cycles / self.seconds, 1),
                        "build_seconds": round(self.outcome.build_seconds, 3)}
        if self.differ is not None:
            figures["differ"] = self.differ
        return figures

    def __str__(self) -> str:
        w = self.workload
        lines = [f"{w.parameters.generator} {w.parameters.flags()}".rstrip(),
                 f"({w.rows} x {w.k}) times ({w.k} x {w.columns}), weights of {w.weights()}"]
        if self.outcome is None:
            lines.append(f"golden model: {self.seconds:.2f} s")
        else:
            o = self.outcome
            built = f"built in {o.build_seconds:.1f} s" if o.build_seconds else "build cached"
            lines.append(f"simulated RTL: {w.operations} operations, {o.cycles} cycles, "
                         f"{o.cycles / self.seconds:.0f} cycles/s, {self.seconds:.1f} s, {built}")
        lines += w.notes()
        if self.differ is not None:
            lines.append(f"{self.differ} of {self.result.size} outputs differ from the golden "
                         "model")
        return "\n  ".join(lines)

    __repr__ = __str__      # notebooks show it


def run_workload(workload: Workload, *, backend: str = "golden", compare: bool = False,
                 build_dir: Path | None = None, progress: Progress) -> Run:
    """Compute a product; ``compare``: also by the golden model, where the backend is the RTL.

    Raises :class:`~.errors.CheckFailed` when a simulation does not finish.
    """
    if backend == "golden":
        start = time.perf_counter()
        result = workload.golden(progress.share)
        return Run(workload, backend, result, time.perf_counter() - start)
    result, outcome = simulate_product(workload, build_dir=build_dir, progress=progress)
    differ = None
    if compare:
        progress("golden model")
        differ = differing(result, workload.golden(progress.share))
    return Run(workload, backend, result, outcome.seconds, outcome, differ)
