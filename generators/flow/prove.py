"""Proofs for all inputs (SAT, by Yosys): a design equals a specification; two designs, each other;
what is asserted of a design holds in every cycle.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from .yosys import YosysError, run_yosys

__all__ = ["Verdict", "prove_always", "prove_equal", "prove_netlist", "prove_same_steps"]


@dataclass(frozen=True)
class Verdict:
    """``answer``: proved, refuted, timeout or open (neither, in the steps that were allowed);
    ``counterexample``: port -> value if refuted."""

    answer: str
    seconds: float
    counterexample: dict[str, int] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        return self.answer == "proved"


def _counterexample(log: str) -> dict[str, int]:
    """Values of the table that ``sat -show-ports`` prints: name, decimal, hex, binary."""
    found = re.findall(r"^ +\\(\S+) +\S+ +\S+ +([01]+) *$", log, re.M)
    return {name.removeprefix("in_"): int(bits, 2)
            for name, bits in found if name.startswith(("in_", "gold_", "gate_"))}


def prove_equal(verilog: str, top: str, spec: str, spec_top: str = "spec", *,
                timeout: int | None = None) -> Verdict:
    """Is module ``top`` of ``verilog`` equal to ``spec_top`` of ``spec`` for all inputs?

    Both are combinational and have the same ports. ``timeout`` in seconds of the solver. A
    counterexample names the inputs and, as ``gold_NAME`` and ``gate_NAME``, the outputs of the
    specification and of the design. Raises :class:`UsageError` for designs with state, or with
    undefined values, which the solver would be free to choose in favour of equality.
    """
    limit = "" if timeout is None else f"-timeout {timeout} "
    prepare = ["hierarchy -check -top {0}", "proc", "flatten", "opt_clean",
               # state, undefined bits, undriven wires
               "select -assert-none t:$*ff* t:$*dlatch* t:$mem*", "check -assert"]
    commands: list[str] = []
    for file, name, new in (("design.v", top, "gate"), ("spec.v", spec_top, "gold")):
        commands += [f"read_verilog {file}", *(line.format(name) for line in prepare),
                     f"rename {name} {new}", f"design -stash {new}"]
    commands += ["design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate",
                 "miter -equiv -flatten -make_outputs gold gate miter",
                 "hierarchy -top miter", "opt -full",
                 f"sat {limit}-prove trigger 0 -show-ports miter"]
    if re.search(r"'[sS]?[bBoOdDhH][0-9a-fA-F_]*[xXzZ?]", verilog):
        raise UsageError(f"{top} has undefined values: equality would mean nothing")
    try:
        return _verdict(commands, verilog, spec)
    except YosysError as error:
        if error.command.startswith("select -assert"):
            raise UsageError(f"{top} has registers: only combinational designs are "
                             "proved") from None
        raise


def prove_same_steps(verilog: str, other: str, top: str, *,
                     timeout: int | None = None) -> Verdict:
    """Do two designs with the same registers step alike: from every state, with all inputs, the
    same outputs and the same next state?

    That is enough for equality, not necessary: two designs may differ only in states that neither
    reaches. A counterexample names the inputs.
    """
    commands: list[str] = []
    for file, name in (("spec.v", "gold"), ("design.v", "gate")):
        commands += [f"read_verilog {file}", f"hierarchy -check -top {top}", "proc",
                     # only registers keep names: one must not hide behind that of an alias
                     "memory", "select -set state t:$*ff* %co1:+[Q]",
                     "rename -hide w:* @state %d", "flatten", "async2sync", "dffunmap",
                     "opt_clean", f"rename {top} {name}",
                     # the registers become ports: next state out, state in
                     f"expose -dff -evert-dff {name}", f"design -stash {name}"]
    limit = "" if timeout is None else f"-timeout {timeout} "
    commands += ["design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate",
                 "miter -equiv -flatten gold gate miter", "hierarchy -top miter", "opt -full",
                 f"sat {limit}-prove trigger 0 -show-ports miter"]
    return _verdict(commands, other, verilog)


def prove_always(verilog: str, harness: str, *, top: str = "harness", steps: int = 8,
                 refute: bool = False, free: Sequence[str] = ()) -> Verdict:
    """Do the assertions of ``harness``, a module ``top`` with an instance of the design, hold in
    every cycle (k-induction, k up to ``steps``)?

    ``harness`` is SystemVerilog as Yosys reads it: ``assert`` and ``assume`` in ``always @*``, and
    registers whose start values count. A wire ``(* hierconn *) wire [7:0] \\dut.name ;`` is the
    signal ``name`` in the instance ``dut``. With ``refute`` only a counterexample of up to
    ``steps`` cycles is looked for. Modules of ``free`` are left out: their outputs are taken to be
    anything in every cycle, which makes a proof shorter and no weaker.
    """
    how = "-tempinduct-baseonly" if refute else "-tempinduct"
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lowbit-prove-") as folder:
        (Path(folder) / "design.v").write_text(verilog)
        (Path(folder) / "harness.v").write_text(harness)
        log = run_yosys(["read_verilog design.v", *(f"blackbox {module}" for module in free),
                         "read_verilog -formal -sv harness.v", f"prep -top {top} -flatten",
                         "async2sync", "memory_map", "opt -full", "chformal -lower",
                         f"sat {how} -prove-asserts -set-assumes -ignore_unknown_cells "
                         f"-seq 1 -maxsteps {steps}"], Path(folder))
    answer = "proved" if "Induction step proven: SUCCESS!" in log else \
        "refuted" if "model found for base case: FAIL!" in log else "open"
    return Verdict(answer, time.monotonic() - start)


def prove_netlist(verilog: str, netlist: str, top: str) -> Verdict:
    """Does a mapped ``netlist`` (with its cells' models) equal the RTL for all inputs?

    Nets of the same name are taken to be equal and proved so together, by induction over the
    clock: registers must have kept their names. ``open`` where a net could not be proved equal.
    """
    commands: list[str] = []
    for file, name in (("design.v", "gold"), ("netlist.v", "gate")):
        commands += [f"read_verilog {file}", f"hierarchy -check -top {top}", "proc", "flatten",
                     "memory", "opt_clean", "async2sync", "opt_clean", f"rename {top} {name}",
                     f"design -stash {name}"]
    commands += ["design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate",
                 "equiv_make gold gate equal", "hierarchy -top equal", "opt -full",
                 "equiv_simple -undef", "equiv_induct -undef", "equiv_status"]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lowbit-prove-") as folder:
        (Path(folder) / "design.v").write_text(verilog)
        (Path(folder) / "netlist.v").write_text(netlist)
        log = run_yosys(commands, Path(folder))
    proved = "Equivalence successfully proven!" in log
    return Verdict("proved" if proved else "open", time.monotonic() - start)


def _verdict(commands: list[str], design: str, spec: str) -> Verdict:
    """What Yosys' ``sat``, the last of the commands, says about design.v and spec.v."""
    with tempfile.TemporaryDirectory(prefix="lowbit-prove-") as folder:
        (Path(folder) / "design.v").write_text(design)
        (Path(folder) / "spec.v").write_text(spec)
        start = time.monotonic()
        log = run_yosys(commands, Path(folder))
        seconds = time.monotonic() - start
    if "no model found: SUCCESS!" in log:
        return Verdict("proved", seconds)
    if "model found: FAIL!" in log:
        return Verdict("refuted", seconds, _counterexample(log))
    if "TIMEOUT" in log.upper():
        return Verdict("timeout", seconds)
    raise YosysError("sat", "no verdict", log)
