"""A GEMM through a simulated design: emit, build, stream all of it, collect the results."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.baselines import gemm as baselines
from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.bitmod import gemm as bitmod
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.parameters import BitmodTileParameters
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.parameters import Parameters

from ..errors import CheckFailed
from ..registry import find
from ..verilog.emit import emit
from .simulate import BuildError, Outcome, simulate

__all__ = ["BENCH", "BITMOD_BENCH", "FP16_BENCH", "load_bitmod_operands", "load_fp16_operands",
           "load_operands", "save_operands", "simulate_bitmod", "simulate_fp16", "simulate_gemm"]

Array = NDArray[Any]
AnyOperands = Operands | bitmod.Operands | baselines.Operands

#: cocotb modules that stream a GEMM through a design (names only: benches are not imported here)
BENCH = "lowbit.tb.benches.lut.run"
BITMOD_BENCH = "lowbit.tb.benches.bitmod.run"
FP16_BENCH = "lowbit.tb.benches.baselines.run"


def save_operands(path: Path, operands: AnyOperands) -> None:
    """Write operands as an .npz file."""
    fields = {f.name: getattr(operands, f.name) for f in dataclasses.fields(operands)}
    if isinstance(operands, bitmod.Operands):
        fields["dtype"] = operands.dtype.name       # special values are among the operands
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False,
                 **{name: value for name, value in fields.items() if value is not None})


def _load(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in file.files}
    return {name: value.item() if value.ndim == 0 else value for name, value in fields.items()}


def load_operands(path: Path) -> Operands:
    """Read what :func:`save_operands` wrote for a LUT core."""
    return Operands(**_load(path))


def load_bitmod_operands(path: Path) -> bitmod.Operands:
    """Read what :func:`save_operands` wrote for a BitMoD tile or array."""
    fields = _load(path)
    return bitmod.Operands(**fields | {"dtype": get_data_type(fields["dtype"])})


def load_fp16_operands(path: Path) -> baselines.Operands:
    """Read what :func:`save_operands` wrote for the FP16 tile."""
    return baselines.Operands(**_load(path))


def _stream(p: Parameters, bench: str, operands: AnyOperands, build_dir: Path | None,
            progress: Callable[[str], None]) -> tuple[Array, Outcome]:
    """The array that ``bench`` leaves, and how the simulation went."""
    progress("emitting")
    emitted = emit(p)
    with tempfile.TemporaryDirectory(prefix="lowbit-gemm-") as name:
        source, target = Path(name) / "operands.npz", Path(name) / "results.npy"
        save_operands(source, operands)
        plan = dict(generator=p.generator, parameters=p.as_dict(), operands=str(source),
                    results=str(target))
        try:
            outcome = simulate(emitted, emitted.top, bench, plan, build_dir=build_dir,
                               blocks=find(p.generator).blocks, progress=progress)
        except BuildError as error:
            raise CheckFailed(str(error)) from None
        if not outcome.passed:
            raise CheckFailed(f"the simulation failed: {outcome.message}")
        return np.load(target, allow_pickle=False), outcome


def simulate_gemm(p: LutCoreParameters, operands: Operands, *, build_dir: Path | None = None,
                  progress: Callable[[str], None] = lambda phase: None
                  ) -> tuple[list[Array], Outcome]:
    """Results of each block of the GEMM from the RTL, as :meth:`Gemm.run` gives them, and how the
    simulation went.

    Raises :class:`CheckFailed` when the simulation does not finish.
    """
    results, outcome = _stream(p, BENCH, operands, build_dir, progress)
    return list(results), outcome


def simulate_bitmod(p: BitmodTileParameters, operands: bitmod.Operands, *,
                    build_dir: Path | None = None,
                    progress: Callable[[str], None] = lambda phase: None
                    ) -> tuple[Array, Outcome]:
    """Results (rows, columns) of a layer from the RTL of a tile or array, as
    :meth:`lowbit.golden.bitmod.gemm.Gemm.run` gives them, and how the simulation went:
    ``outcome.cycles`` from the first operands to the last result, ``stats["model_cycles"]`` what
    the cycle model says to that.

    Raises :class:`CheckFailed` when the simulation does not finish.
    """
    return _stream(p, BITMOD_BENCH, operands, build_dir, progress)


def simulate_fp16(p: Fp16TileParameters, operands: baselines.Operands, *,
                  build_dir: Path | None = None,
                  progress: Callable[[str], None] = lambda phase: None) -> tuple[Array, Outcome]:
    """Results (rows, columns) of a matrix product from the RTL of the FP16 tile, as
    :meth:`lowbit.golden.baselines.gemm.Gemm.run` gives them, and how the simulation went:
    ``outcome.cycles`` from the first operands to the last row of results.

    Raises :class:`CheckFailed` when the simulation does not finish.
    """
    return _stream(p, FP16_BENCH, operands, build_dir, progress)
