"""Area, longest path and power of one design: the netlist that was sized is the one that runs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lowbit.golden.parameters import Parameters
from lowbit.golden.workload import Workload

from .errors import CheckFailed, UsageError
from .flow.liberty import Library
from .flow.power.activity import Activity, simulate_netlist
from .flow.power.energy import Energy, check_energies, measure_energy
from .flow.power.hierarchy import homes, read_tree
from .flow.power.netlist import Netlist, read_netlist
from .flow.power.recording import Recording, read_recording, record_plan
from .flow.power.report import as_json, as_text
from .flow.product import simulate_product
from .flow.simulate import BuildError, simulate
from .flow.synthesis import Synthesis, synthesize
from .progress import Progress
from .registry import find
from .running import differing
from .sampling import DISTRIBUTIONS, MULTIPLIERS, drawn
from .verilog.emit import Emitted, emit

__all__ = ["ACTIVITIES", "Ppa", "Stimulus", "by_module", "measure_power", "stimulus_of"]

#: ``bench``: the vectors of ``gen verify``
ACTIVITIES = (*DISTRIBUTIONS, "bench")


@dataclass(frozen=True)
class Stimulus:
    """What a design is busy with: a workload, or (None) the vectors of its bench; in words."""

    workload: Workload | None
    words: str
    vectors: int = 256
    seed: int = 1


@dataclass(frozen=True, repr=False)
class Ppa:
    """Power, performance, area under stated conditions; prints as the report of ``gen ppa``."""

    report: dict[str, Any]      #: all figures, JSON-ready
    path: Synthesis             #: the run that gave the netlist
    energy: Energy

    def __str__(self) -> str:
        return as_text(self.report)

    __repr__ = __str__      # notebooks show it


def stimulus_of(parameters: Parameters, args: argparse.Namespace | None, activity: str,
                seed: int) -> Stimulus:
    """The user's operands (``args`` as of ``gen run``), or drawn ones, or those of the bench."""
    generator = find(parameters.generator)
    if activity not in ACTIVITIES:
        raise UsageError(f"--activity must be one of {', '.join(ACTIVITIES)}; got {activity}")
    if args is not None and args.a is not None:
        workload = generator.operand_options().read(args, parameters)
        return Stimulus(workload, f"operands of {args.a} and {args.w}", seed=seed)
    if activity == "bench":
        return Stimulus(None, f"vectors of the bench, seed {seed}", seed=seed)
    if generator.name not in MULTIPLIERS:
        raise UsageError(f"{generator.name} multiplies no matrices, so no operands are drawn for "
                         "it; give --activity bench, the vectors of gen verify")
    workload = drawn(parameters, activity, seed)
    return Stimulus(workload, f"drawn operands, {activity}, seed {seed}", seed=seed)


def _record(emitted: Emitted, parameters: Parameters, stimulus: Stimulus,
            build_dir: Path | None, progress: Callable[[str], None]) -> Recording:
    """The RTL under the stimulus; its results are compared with the golden model's."""
    manifest = emitted.manifest
    with tempfile.TemporaryDirectory(prefix="lowbit-record-") as name:
        file = Path(name) / "ports"
        record = record_plan(manifest, file)
        if stimulus.workload is not None:
            result, _ = simulate_product(stimulus.workload, build_dir=build_dir, progress=progress,
                                         record=record)
            if differing(result, stimulus.workload.golden()):
                raise CheckFailed("the RTL's results differ from the golden model's; gen run "
                                  "--backend rtl --compare counts them")
            return read_recording(manifest, file)
        if (manifest["reset"] or {}).get("kind", "sync") != "sync":
            raise UsageError("--activity bench needs --reset sync: the bench resets between clock "
                             "edges, where nothing is recorded")
        generator = find(parameters.generator)
        plan = dict(generator=generator.name, parameters=parameters.as_dict(),
                    derived=manifest["derived"], manifest=manifest, vectors=stimulus.vectors,
                    stalls=False, record=record)
        try:
            outcome = simulate(emitted, emitted.top, generator.bench, plan, seed=stimulus.seed,
                               build_dir=build_dir, blocks=generator.blocks, progress=progress)
        except BuildError as error:
            raise CheckFailed(str(error)) from None
        if not outcome.passed:
            raise CheckFailed(f"the RTL fails its bench: {outcome.message}")
        return read_recording(manifest, file)


def by_module(netlist: Netlist, energy: Energy, emitted: Emitted) -> dict[str, dict[str, float]]:
    """Module -> instances, joules a cycle (dynamic), watts (leakage) and area of what serves it."""
    tree = read_tree(emitted.verilog, emitted.top)
    home = homes(netlist, tree)
    found: dict[str, dict[str, float]] = {}
    dynamic = sum((energy.parts[name] for name in ("switching", "internal", "clock")),
                  np.zeros(len(energy.gates)))
    for at, gate in enumerate(energy.gates):
        mine = found.setdefault(tree.modules[home[gate.name]], dict.fromkeys(
            ("gates", "area", "dynamic", "leakage"), 0.0))
        mine["gates"] += 1
        mine["area"] += gate.kind.cell.area
        mine["dynamic"] += float(dynamic[at])
        mine["leakage"] += float(energy.parts["leakage"][at])
    return found


def measure_power(parameters: Parameters, library: Library, stimulus: Stimulus, *,
                  clock_ns: float = 1.0, recipe: str = "sized", slew_ns: float | None = None,
                  wire_ff: float = 0.0, build_dir: Path | None = None) -> Ppa:
    """Size a design for a clock, run the netlist through the stimulus, count, and report.

    Power is at the clock asked for, or at the longest path's where that is longer. Raises
    :class:`UsageError` for a library without energies, :class:`CheckFailed` where the netlist does
    not do what the RTL does.
    """
    check_energies(library, [library.nand2.name, library.driver.name])
    p = parameters if stimulus.workload is None else stimulus.workload.parameters
    with Progress("emitting") as progress:
        emitted = emit(p)
        progress(f"synthesis of {emitted.top}")
        path = synthesize(emitted.verilog, emitted.top, library, recipe, late=True,
                          clock_ns=clock_ns)
        recording = _record(emitted, p, stimulus, build_dir, progress)
        progress("netlist simulation")
        netlist = read_netlist(path.netlist, emitted.top, library, list(path.cells))
        activity = simulate_netlist(netlist, recording, seed=stimulus.seed, build_dir=build_dir)
        energy = measure_energy(netlist, activity, library, slew_ns=slew_ns, wire_ff=wire_ff)
    return Ppa(_report(p, library, stimulus, path, netlist, activity, energy, emitted, wire_ff,
                       recipe), path, energy)


def _report(p: Parameters, library: Library, stimulus: Stimulus, path: Synthesis,
            netlist: Netlist, activity: Activity, energy: Energy, emitted: Emitted,
            wire_ff: float, recipe: str) -> dict[str, Any]:
    workload = stimulus.workload
    macs = None if workload is None else workload.rows * workload.columns * workload.k
    design = {"generator": p.generator, "flags": p.flags(), "parameters": p.as_dict()}
    return as_json(design, library, path, activity, energy,
                   by_module(netlist, energy, emitted), stimulus.words, macs, wire_ff, recipe)
