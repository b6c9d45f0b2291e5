"""Components to RTLIL, module by module: what stands between Amaranth's netlist and ours.

Every component is a module with the ports of its source; a
:class:`lowbit.hdl.common.shared.Shared` is converted once however often it occurs.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from amaranth.back import rtlil as amaranth_rtlil
from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
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

from lowbit.hdl.common.shared import Cleared, Shared, emitting

from ..errors import UsageError
from . import rtlil
from .ports import Port, check_identifier, component_ports

__all__ = ["AXI_CLOCK", "AXI_RESET", "Collector", "Converted", "RESETS", "axi_pins"]

#: reset styles: the reset port of each, and what it is
RESETS = {"sync": ("rst", "synchronous, active high"),
          "async_low": ("rst_n", "asynchronous, active low")}
#: names of clock and reset at AXI interfaces; the reset is active low
AXI_CLOCK, AXI_RESET = "aclk", "aresetn"
_Concat = type(Cat())
#: bits of the widest signal that Amaranth's netlist can hold
WIDEST = 1 << 16


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
class Converted:
    """A shared module that is known: its key, its modules (its own first) and its used ports."""

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


class Collector:
    """The emission under way: converts each shared module once, hands out instances."""

    def __init__(self, prefix: str, reset: str) -> None:
        self.prefix, self.reset = prefix, reset
        self.shared: dict[str, Converted] = {}
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
            # what is below this design is dropped on purpose: no warning from Amaranth
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

    def instance(self, shared: Shared) -> Instance:
        ports = component_ports(shared.component)
        known = self.shared.get(shared.name)
        if known is None:
            check_identifier("module name", shared.name)
            known = Converted(shared.key, ports, [])
            modules = self.convert(shared.component, shared.name, ports)
            if shared.name in self.shared:
                raise ValueError(f"shared module '{shared.name}' contains another one of its name")
            known.modules = modules
            self.shared[shared.name] = known
        elif (known.key != shared.key
              or [port.shape() for port in known.ports] != [port.shape() for port in ports]):
            raise ValueError(f"two different shared modules are named '{shared.name}': "
                             f"{known.key} and {shared.key}")
        return self._instance(shared.name, ports, known.modules[0],
                              shared.clear if isinstance(shared, Cleared) else None)

    def _instance(self, name: str, ports: list[Port], module: rtlil.Module,
                  clear: Signal | None = None) -> Instance:
        connections: list[tuple[str, str, Any]] = []
        wires = module.wires
        if "\\clk" in wires:
            connections.append(("i", "clk", ClockSignal("sync")))
        reset = RESETS[self.reset][0]
        if "\\" + reset in wires:
            own = ResetSignal("sync")
            if clear is not None:
                own = own | clear if reset == "rst" else own & ~clear
            connections.append(("i", reset, own))
        for port in ports:
            # a net at a pin has the name of a signal outside, if there is one
            for signal in port.whole.parts if isinstance(port.whole, _Concat) else [port.value]:
                if isinstance(signal, Signal) and not signal.name.startswith(rtlil.PIN):
                    signal.name = rtlil.PIN + signal.name
        connections += [("i" if port.direction == "input" else "o", port.name, port.value)
                        for port in ports]
        return Instance(name, *connections)


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


def axi_pins(module: rtlil.Module, reset: str) -> None:
    """Call a top module's clock ``aclk``, and its reset ``aresetn``, active low whatever the style
    of the reset inside."""
    clock, inner, outer = f"\\{AXI_CLOCK}", "\\" + RESETS[reset][0], f"\\{AXI_RESET}"
    rtlil.rename(module, {"\\clk": clock} | ({inner: outer} if reset == "async_low" else {}))
    if reset == "sync" and inner in module.wires:
        wire = module.wires[inner]
        module.wires[outer] = rtlil.Wire(outer, 1, wire.direction, wire.port)
        wire.direction = None
        module.cells.append(rtlil.Cell("$not", "$axi_reset", [
            "parameter \\A_SIGNED 0", "parameter \\A_WIDTH 1", "parameter \\Y_WIDTH 1"],
            {"\\A": outer, "\\Y": inner}))
