"""Layout of the Verilog that Yosys writes: same logic, easier to read.

Yosys declares ports the Verilog-1995 way, sorts modules by name, spells sign extension bit by
bit and adds an initialised helper register to every combinational block. This module rewrites
that text: ANSI port lists, the top module first, ``{8{a[7]}}``, no helper.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["layout", "shown"]

_MODULE = re.compile(r"^module (\w+)(?:\((.*?)\))?;\n(.*?)^endmodule\n", re.M | re.S)
_DECLARED = re.compile(r"^  (input|output|wire|reg) (?:\[(\d+):0\] )?(\w+);\n", re.M)
_HELPER = re.compile(r"^ *(?:reg (\\\$auto\$\S+) += 0;|if \(\\\$auto\$\S+ \) begin end)\n", re.M)
_INSTANCE = re.compile(r"^  (\w+) (\w+) \(\n((?:    \.\w+\(.*\),?\n)+)  \);\n", re.M)
_CONCAT = re.compile(r"\{ ([^{}]*) \}")


def shown(value: Any) -> str:
    """A parameter value as text."""
    return {True: "on", False: "off", None: "default"}.get(value, str(value)) \
        if value is None or isinstance(value, bool) else str(value)


def _compress(match: re.Match[str]) -> str:
    """``{ a, b, b, b }`` -> ``{ a, {3{b}} }``."""
    parts: list[tuple[str, int]] = []
    for part in match[1].split(", "):
        if parts and parts[-1][0] == part:
            parts[-1] = (part, parts[-1][1] + 1)
        else:
            parts.append((part, 1))
    texts = [part if count == 1 else f"{{{count}{{{part}}}}}" if count > 2 else f"{part}, {part}"
             for part, count in parts]
    if len(texts) == 1 and texts[0].startswith("{"):
        return texts[0]
    return "{ " + ", ".join(texts) + " }"


def _ordered(body: str, order: dict[str, list[str]]) -> str:
    """Instances with their connections in the order of the module's port list."""
    def instance(match: re.Match[str]) -> str:
        pins = {line.strip()[1:].partition("(")[0]: line.rstrip(",")
                for line in match[3].splitlines()}
        lines = [pins[port] for port in order[match[1]] if port in pins]
        return f"  {match[1]} {match[2]} (\n" + ",\n".join(lines) + "\n  );\n"

    return _INSTANCE.sub(instance, body)


def _module(name: str, ports: list[str], body: str, order: dict[str, list[str]]) -> str:
    body = _HELPER.sub("", body)
    declared: dict[str, dict[str, str]] = {}
    for kind, high, wire in _DECLARED.findall(body):
        declared.setdefault(wire, {})[kind] = f"[{high}:0] " if high else ""
    pad = max((len(next(iter(declared[p].values()))) for p in ports), default=0)
    lines = []
    for port in ports:
        kinds = declared[port]
        direction = "input " if "input" in kinds else "output"
        net = "reg " if "reg" in kinds else "wire"
        width = next(iter(kinds.values()))
        lines.append(f"  {direction} {net} {width:<{pad}}{port}")

    def keep(match: re.Match[str]) -> str:
        return "" if match[3] in ports else match[0]

    body = _ordered(_CONCAT.sub(_compress, _DECLARED.sub(keep, body)), order)
    return f"module {name} (\n" + ",\n".join(lines) + "\n);\n" + body + "endmodule\n"


def layout(raw: str, order: list[str], header: list[str]) -> str:
    """The final text: header comment, then the modules in ``order``."""
    found = _MODULE.findall(raw)
    ports = {name: re.findall(r"\w+", names) if names else [] for name, names, _ in found}
    modules = {name: _module(name, ports[name], body, ports) for name, _, body in found}
    text = "".join(f"// {line}".rstrip() + "\n" for line in header)
    text += "".join("\n" + modules[name] for name in order if name in modules)
    missing = [name for name in modules if name not in order]
    leftover = re.search(r"^\s*(initial\b.*|reg .*=.*|.*\\\$.*)$", text, re.M)
    if missing or leftover or set(order) - set(modules):
        raise RuntimeError("unexpected Verilog from Yosys: "
                           f"{leftover[0].strip() if leftover else missing or order}")
    return text
