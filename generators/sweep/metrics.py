"""What is told of a design in a sweep: figures, and the measurements that they come from.

A *measurement* takes a design and the conditions and gives figures by name. A *metric* is what
users ask for and designs are compared by, made of figures: the less the better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lowbit.golden.parameters import Parameters

from .. import sampling
from ..cost.model import CostModel
from ..estimate.workload import Workload
from ..flow.liberty import Library

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
        """All products of a model."""
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
    estimated: bool = False     #: area and delay by the cost model, without synthesis


def _synthesised(p: Parameters, at: Conditions, recipe: str, *, flatten: bool) -> dict[str, Any]:
    # Amaranth is slow to import; --help does without
    from ..compare.measurements import Measure, area_cache

    measure = Measure(at.library, area_cache(), at.clock_ns)
    return measure(measure.design(f"{p.generator} {p.flags()}"), recipe, flatten=flatten)


def _area(p: Parameters, at: Conditions) -> Figures:
    if at.estimated:
        area = CostModel(at.library).estimate(p, "area")
        return {"area": area, "gate_equivalents": area / at.library.nand2.area}
    found = _synthesised(p, at, at.recipe, flatten=False)
    return {name: found[name] for name in ("area", "gate_equivalents", "flip_flops")}


def _delay(p: Parameters, at: Conditions) -> Figures:
    if at.estimated:
        return {"delay": CostModel(at.library).estimate(p, "delay")}
    found = _synthesised(p, at, "sized", flatten=True)
    return {"delay": found["path_ns"], "sized_area": found["area"]}


def _power(p: Parameters, at: Conditions) -> Figures:
    from ..powering import measure_power, stimulus_of  # Amaranth is slow to import

    report = measure_power(p, at.library, stimulus_of(p, None, "normal", 1),
                           clock_ns=at.clock_ns).report
    return {"power": 1e3 * report["power"]["total_w"],
            "energy": 1e12 * report["energy"]["j_per_mac"],
            "power_clock": report["clock"]["power_at_ns"]}


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
    """``measure`` gives ``figures``, and may give more; ``uses`` are the fields of the conditions
    that it reads."""

    figures: tuple[str, ...]
    measure: Callable[[Parameters, Conditions], Figures]
    uses: tuple[str, ...] = ()
    #: whether it multiplies matrices, which not every design does
    multiplies: bool = False


#: quick ones first: they are done in this order
MEASUREMENTS: Mapping[str, Measurement] = {
    "work": Measurement(("macs_per_cycle",), _work, multiplies=True),
    "error": Measurement(("error", "rounding"), _error, multiplies=True),
    "cycles": Measurement(("cycles",), _cycles, ("layers",), multiplies=True),
    "area": Measurement(("area",), _area, ("library", "recipe", "estimated")),
    "delay": Measurement(("delay",), _delay, ("library", "clock_ns", "estimated")),
    "power": Measurement(("power", "energy"), _power, ("library", "clock_ns"), multiplies=True)}


@dataclass(frozen=True)
class Metric:
    """``of`` the values of ``figures``, in their order."""

    help: str
    unit: str       #: "area": that of the library
    figures: tuple[str, ...]
    of: Callable[..., float] = float

    @property
    def needs(self) -> list[str]:
        """The measurements that it comes from."""
        return [name for name, measurement in MEASUREMENTS.items()
                if set(self.figures) & set(measurement.figures)]


METRICS: Mapping[str, Metric] = {
    "area": Metric("cell area, as of gen area", "area", ("area",)),
    "area_per_mac": Metric("area for a multiply-accumulate a cycle of long products", "area",
                           ("area", "macs_per_cycle"), lambda area, work: area / work),
    "delay": Metric("longest path, as of gen area --recipe sized --flatten --clock", "ns",
                    ("delay",)),
    "power": Metric("of the sized netlist under drawn operands, as of gen ppa", "mW", ("power",)),
    "energy": Metric("of a multiply-accumulate, as of gen ppa", "pJ", ("energy",)),
    "error": Metric("error of a product of Gaussian floats, weights quantised: root mean square "
                    "over that of the product", "", ("error",)),
    "rounding": Metric("the same against the exact product of the quantised operands", "",
                       ("rounding",)),
    "cycles": Metric("of all layers of --model, by the design's cycle model", "", ("cycles",))}


def needed(metrics: Sequence[str]) -> list[str]:
    """The measurements that some metrics come from, quick ones first."""
    wanted = {name for metric in metrics for name in METRICS[metric].needs}
    return [name for name in MEASUREMENTS if name in wanted]
