"""What is told of a design in a sweep: figures, and the measurements that they come from.

A *measurement* takes a design and the conditions and gives figures by name. A *metric* is a figure
that users ask for and that designs are compared by: the less the better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lowbit.golden.parameters import Parameters

from .. import sampling
from ..estimate.workload import Workload
from ..flow.liberty import Library
from ..flow.synthesis import synthesize
from ..measuring import measure

__all__ = ["MEASUREMENTS", "METRICS", "Conditions", "Layers", "Measurement", "Metric", "needed"]

Figures = dict[str, float | int | None]


@dataclass(frozen=True)
class Layers:
    """Matrices of a model: how often each, outputs and inputs; and rows of activations."""

    name: str
    rows: int
    matrices: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, model: Workload, rows: int) -> Layers:
        counts: dict[tuple[int, int], int] = {}
        for call, shape in model.shapes():
            counts[shape.n, shape.k] = counts.get((shape.n, shape.k), 0) + call.count
        return cls(model.name, rows, tuple((count, *at) for at, count in counts.items()))


@dataclass(frozen=True)
class Conditions:
    """What all designs of a sweep are measured with."""

    library: Library
    recipe: str = "plain"
    clock_ns: float = 1.0
    layers: Layers | None = None


def _area(p: Parameters, at: Conditions) -> Figures:
    found = measure(p, at.library, recipe=at.recipe, clock_ns=at.clock_ns, timing=False).report
    return {name: found[name] for name in ("area", "gate_equivalents", "flip_flops")}


def _delay(p: Parameters, at: Conditions) -> Figures:
    from ..verilog.emit import emit     # Amaranth is slow to import; --help does without

    emitted = emit(p)
    found = synthesize(emitted.verilog, emitted.top, at.library, "sized", late=True,
                       clock_ns=at.clock_ns)
    return {"delay": found.path_ns, "sized_area": found.area}


def _work(p: Parameters, at: Conditions) -> Figures:
    return {"macs_per_cycle": sampling.steady_work(p)}


def _error(p: Parameters, at: Conditions) -> Figures:
    return {**sampling.error(p)}


def _cycles(p: Parameters, at: Conditions) -> Figures:
    assert at.layers is not None
    return {"cycles": sum(count * sampling.product_cycles(p, at.layers.rows, n, k)
                          for count, n, k in at.layers.matrices)}


@dataclass(frozen=True)
class Measurement:
    """``measure`` gives the ``figures``; ``uses`` are the fields of the conditions that it reads,
    ``slow`` whether it takes seconds."""

    figures: tuple[str, ...]
    measure: Callable[[Parameters, Conditions], Figures]
    uses: tuple[str, ...] = ()
    slow: bool = True


MEASUREMENTS: Mapping[str, Measurement] = {
    "area": Measurement(("area", "gate_equivalents", "flip_flops"), _area, ("library", "recipe")),
    "delay": Measurement(("delay", "sized_area"), _delay, ("library", "clock_ns")),
    "work": Measurement(("macs_per_cycle",), _work, slow=False),
    "error": Measurement(("error", "rounding"), _error, slow=False),
    "cycles": Measurement(("cycles",), _cycles, ("layers",), slow=False)}


@dataclass(frozen=True)
class Metric:
    """A figure that designs are compared by: made of those of some measurements."""

    help: str
    unit: str       #: "area": that of the library
    needs: tuple[str, ...]
    of: Callable[[Mapping[str, Any]], float]


def _figure(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda figures: figures[name]


METRICS: Mapping[str, Metric] = {
    "area": Metric("cell area, as of gen area", "area", ("area",), _figure("area")),
    "area_per_mac": Metric("area for a multiply-accumulate a cycle of long products", "area",
                           ("area", "work"), lambda f: f["area"] / f["macs_per_cycle"]),
    "delay": Metric("longest path of the netlist sized for --clock, as of gen area --timing", "ns", ("delay",), _figure("delay")),
    "error": Metric("error of a product of Gaussian floats, weights quantised: root mean square "
                    "over that of the product", "", ("error",), _figure("error")),
    "rounding": Metric("the same against the exact product of the quantised operands", "",
                       ("error",), _figure("rounding")),
    "cycles": Metric("of all layers of --model, by the design's cycle model", "", ("cycles",),
                     _figure("cycles"))}


def needed(metrics: Sequence[str]) -> list[str]:
    """The measurements that some metrics come from, each once."""
    return list(dict.fromkeys(name for metric in metrics for name in METRICS[metric].needs))
