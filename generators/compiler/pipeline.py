"""From a model to a program: the passes one after another, timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from io import StringIO

from xdsl.dialects.builtin import ModuleOp
from xdsl.printer import Printer

from lowbit.golden.accelerator.parameters import AccelParameters

from .model import Model
from .passes import PASSES, State
from .program import Program

__all__ = ["Compiled", "compile_model", "text_of"]


@dataclass(frozen=True)
class Compiled:
    """A program, the module after each pass (as its counts), and the seconds of each."""

    program: Program
    module: ModuleOp
    counts: dict[str, dict[str, int]]       #: pass -> operation -> how many
    seconds: dict[str, float]


def text_of(module: ModuleOp) -> str:
    """A module as MLIR has it."""
    out = StringIO()
    Printer(out).print_op(module)
    return out.getvalue() + "\n"


def _counts(module: ModuleOp) -> dict[str, int]:
    found: dict[str, int] = {}
    for op in module.walk():
        if op.name.startswith("lut."):
            found[op.name] = found.get(op.name, 0) + 1
    return found


def compile_model(p: AccelParameters, model: Model, rows: Sequence[int] = (1, 16), *,
                  skip: Collection[str] = (),
                  after: Callable[[str, ModuleOp], None] = lambda name, module: None,
                  progress: Callable[[str], None] = lambda phase: None) -> Compiled:
    """Compile a model, whose module the passes change. ``skip``: passes that may be left out;
    ``after`` sees the module after each, and first as imported.

    :class:`UsageError` names the layer that cannot be compiled.
    """
    state = State(p, model, rows, progress)
    after("import", model.module)
    counts, seconds = {"import": _counts(model.module)}, {}
    for name, run in PASSES.items():
        if name not in skip:
            progress(f"pass {name}")
            started = time.perf_counter()
            run(model.module, state)
            model.module.verify()
            seconds[name] = time.perf_counter() - started
            after(name, model.module)
        counts[name] = _counts(model.module)
    assert state.program is not None
    return Compiled(state.program, model.module, counts, seconds)
