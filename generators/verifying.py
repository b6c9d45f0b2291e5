"""Verification of a design: emit, simulate its bench, compare with the golden model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowbit.golden.parameters import Parameters

from .errors import CheckFailed, UsageError
from .files import check_source
from .flow.liberty import Library
from .flow.prove import Verdict
from .flow.prove import prove_netlist as prove
from .flow.simulate import BuildError, Outcome, simulate
from .progress import Progress
from .registry import find
from .verilog.emit import emit
from .wrapping import Wrap

__all__ = ["Verification", "prove_netlist", "verify"]

#: the cocotb module that runs a bench through AXI4-Stream interfaces (a name only: benches are not
#: imported here)
AXIS_BENCH = "lowbit.tb.benches.axis"
#: output words up to which the model is not optimised: the compiler would take longer than the run
SHORT = 2000


@dataclass(frozen=True, repr=False)
class Verification:
    """What a bench found; prints as the report of ``gen verify``, and is true when it passed."""

    parameters: Parameters
    passed: bool
    words: int              #: output words compared
    message: str            #: why it did not pass
    outcome: Outcome
    netlist: str = ""       #: file of the netlist that was simulated in the RTL's place
    wrap: Wrap | None = None

    def __bool__(self) -> bool:
        return self.passed

    @property
    def unknown(self) -> bool:
        """It failed because an output was X where the bench read it."""
        return not self.passed and "non-0/1" in self.message

    @property
    def cycles_per_second(self) -> float:
        return self.outcome.cycles / self.outcome.seconds if self.outcome.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready figures."""
        o = self.outcome
        return dict(
            generator=self.parameters.generator, parameters=self.parameters.as_dict(),
            passed=self.passed, words=self.words, cycles=o.cycles,
            cycles_per_second=round(self.cycles_per_second, 1), seconds=round(o.seconds, 3),
            build_seconds=round(o.build_seconds, 3), simulator=o.simulator, seed=o.seed,
            tests=o.tests, failures=o.failures, message=self.message, stats=o.stats,
            **({"netlist": self.netlist} if self.netlist else {}))

    def __str__(self) -> str:
        o = self.outcome
        built = f"built in {o.build_seconds:.1f} s" if o.build_seconds else "build cached"
        return "\n  ".join((
            " ".join(word for word in (
                self.parameters.generator, self.parameters.flags(),
                self.wrap.flags() if self.wrap else "") if word)
            + (f", netlist {self.netlist}" if self.netlist else ""),
            f"{self.words} output words compared, {o.tests} tests, {o.cycles} cycles, "
            f"{self.cycles_per_second:.0f} cycles/s",
            f"{o.simulator}, seed {o.seed}, {built}, simulated in {o.seconds:.1f} s",
            "PASSED: equal to the golden model bit for bit" if self.passed else "FAILED"))

    __repr__ = __str__      # notebooks show it


def verify(parameters: Parameters, *, simulator: str = "verilator", seed: int = 1,
           vectors: int = 256, waves: Path | None = None,
           build_dir: Path | None = None, netlist: Path | None = None,
           library: Library | None = None, wrap: Wrap | None = None) -> Verification:
    """Emit a design and run its bench; the plan is parameters, derived values and manifest.

    ``vectors``: output words to compare, at least. ``netlist``: a mapped netlist of the design,
    simulated in the place of its RTL, with models of the cells of ``library``. ``wrap``: the same
    bench through AXI4-Stream interfaces. Raises :class:`CheckFailed` where the design cannot be
    built.
    """
    generator = find(parameters.generator)
    if wrap is not None and wrap.kind != "axis":
        command = f"gen verify {generator.name} {parameters.flags()}".rstrip()
        raise UsageError(f"gen verify takes a design itself or with --wrap axis; got --wrap "
                         f"{wrap.kind}, which is for place and route: {command}")
    with Progress("emitting") as progress:
        emitted = emit(parameters, wrap=wrap)
        plan = dict(generator=generator.name, parameters=parameters.as_dict(),
                    derived=emitted.manifest["derived"], manifest=emitted.manifest,
                    vectors=vectors, bench=generator.bench)
        source = emitted if netlist is None else _gates(netlist, emitted.top, library)
        bench = AXIS_BENCH if wrap else generator.bench
        try:
            outcome = simulate(source, emitted.top, bench, plan, simulator=simulator,
                               seed=seed, waves=waves, build_dir=build_dir,
                               blocks=generator.blocks, progress=progress,
                               optimize="-O0" if vectors <= SHORT else "-O2")
        except BuildError as error:
            raise CheckFailed(str(error)) from None
    words = int(outcome.stats.get("words", 0))
    shown = str(netlist or "")
    if outcome.passed and words == 0:
        return Verification(parameters, False, 0, "the bench compared no output word", outcome,
                            shown, wrap)
    return Verification(parameters, outcome.passed, words, outcome.message, outcome, shown, wrap)


def read_netlist_file(path: Path, top: str) -> str:
    """The text of a netlist; :class:`UsageError` where it has no module ``top``."""
    check_source(path, "--netlist")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read --netlist {path}: {error.strerror}") from None
    if not re.search(rf"^\s*module\s+{re.escape(top)}\b", text, re.M):
        raise UsageError(f"--netlist {path} has no module {top}; give the netlist of this design")
    return text


def _gates(path: Path, top: str, library: Library | None) -> str:
    """A netlist with models of its cells."""
    from .flow.power.models import netlist_with_models

    if library is None:
        raise ValueError("a netlist needs the library of its cells")
    return netlist_with_models(read_netlist_file(path, top), library)


def prove_netlist(parameters: Parameters, netlist: Path, library: Library,
                  wrap: Wrap | None = None) -> Verdict:
    """Is a mapped netlist equal to the design's RTL, for all inputs? For small designs."""
    with Progress("emitting") as progress:
        emitted = emit(parameters, wrap=wrap)
        progress("proof")
        return prove(emitted.verilog, _gates(netlist, emitted.top, library), emitted.top)
