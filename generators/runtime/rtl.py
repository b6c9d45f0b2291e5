"""The simulated RTL as a device of compiled programs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.parameters import AccelParameters

from ..flow.native import Board, Native, build_native
from ..verilog.emit import emit
from .driver import Driver

__all__ = ["build_rtl", "rtl"]


def build_rtl(p: AccelParameters, *, as_emitted: bool = False, optimize: str = "-O2",
              threads: int = 1, build_dir: Path | None = None) -> Native:
    """The native simulation of a design, built or from the cache.

    Carry equations of adders, which standard cells want, make a simulation four times slower and
    its build twice: unless ``as_emitted``, adders are the + operator here, and memories such as
    tools infer. What registers hold after any cycle is the same.
    """
    design = p if as_emitted else dataclasses.replace(p, adder="operator", memory="inferred")
    return build_native(emit(design), optimize=optimize, threads=threads, build_dir=build_dir)


def rtl(p: AccelParameters, memory: NDArray[np.uint8], native: Native | None = None, *,
        latency: int = 20, stall: float = 0.0, seed: int = 1,
        timeout: float = math.inf) -> Driver:
    """A driver of the simulated RTL with this memory, which is shared.

    ``native``: of :func:`build_rtl` (default: made here); ``latency``, ``stall``, ``seed`` as of
    :class:`~..flow.native.Board`; ``timeout``: of the driver, here none: a simulation is slow, and
    programs whose tokens cannot come end with an error.
    """
    return Driver(p, Board(native or build_rtl(p), memory, latency=latency, stall=stall, seed=seed),
                  timeout=timeout)
