"""A GEMM through the simulated core: emit, build, stream all of it, collect the results."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters

from ..emit import emit
from ..errors import CheckFailed
from .simulate import BuildError, Outcome, simulate

__all__ = ["BENCH", "load_operands", "save_operands", "simulate_gemm"]

Array = NDArray[Any]

#: cocotb module that streams a GEMM through a core (a name only: benches are not imported here)
BENCH = "lowbit.tb.cocotb_run_lut_core"


def save_operands(path: Path, operands: Operands) -> None:
    """Write operands as an .npz file."""
    fields = {f.name: getattr(operands, f.name) for f in dataclasses.fields(operands)}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False,
                 **{name: value for name, value in fields.items() if value is not None})


def load_operands(path: Path) -> Operands:
    """Read what :func:`save_operands` wrote."""
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in file.files}
    values: dict[str, Any] = {name: int(value) if value.ndim == 0 else value
                              for name, value in fields.items()}
    return Operands(**values)


def simulate_gemm(p: LutCoreParameters, operands: Operands, *, build_dir: Path | None = None,
                  progress: Callable[[str], None] = lambda phase: None
                  ) -> tuple[list[Array], Outcome]:
    """Results of each block of the GEMM from the RTL, as :meth:`Gemm.run` gives them, and how the
    simulation went.

    Raises :class:`CheckFailed` when the simulation does not finish.
    """
    progress("emitting")
    emitted = emit(p)
    with tempfile.TemporaryDirectory(prefix="lowbit-gemm-") as name:
        source, target = Path(name) / "operands.npz", Path(name) / "results.npy"
        save_operands(source, operands)
        plan = dict(parameters=p.as_dict(), operands=str(source), results=str(target))
        try:
            outcome = simulate(emitted, emitted.top, BENCH, plan, build_dir=build_dir,
                               progress=progress)
        except BuildError as error:
            raise CheckFailed(str(error)) from None
        if not outcome.passed:
            raise CheckFailed(f"the simulation failed: {outcome.message}")
        return list(np.load(target, allow_pickle=False)), outcome
