"""Layout of the Verilog that Yosys writes: same logic, easier to read.

Yosys declares ports the Verilog-1995 way, sorts modules by name, spells sign extension bit by
bit, computes every register's next value in a separate combinational block and adds an
initialised helper register to such blocks. This module rewrites that text: ANSI port lists, the
top module first, ``{8{a[7]}}``, one clocked block per register, no helper.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from .rtlil import MEMORY_ATTRIBUTES
from .shape import comment, natural, wrap

__all__ = ["layout", "shown"]

_MODULE = re.compile(r"^module (\w+)(?:\((.*?)\))?;\n(.*?)^endmodule\n", re.M | re.S)
_DECLARED = re.compile(r"^  (input|output|wire|reg) (?:\[(\d+):0\] )?(\w+);\n", re.M)
_HELPER = re.compile(r"^ *(?:reg (\\\$auto\$\S+) += 0;|if \(\\\$auto\$\S+ \) begin end)\n", re.M)
_INSTANCE = re.compile(r"^  (\w+) (\w+) \(\n((?:    \.\w+\(.*\),?\n)+)  \);\n", re.M)
_COMB = re.compile(r"^  always @\* begin\n(.*?)^  end\n", re.M | re.S)
_SYNC = re.compile(r"^  always @\((posedge clk)\)\n    (\w+) <= (\w+);\n", re.M)
_ASYNC = re.compile(r"^  always @\((posedge clk, negedge rst_n)\)\n    if \(!rst_n\) (\w+ <= .*;)\n"
                    r"    else (\w+) <= (\w+);\n", re.M)
_ATTRIBUTE = re.compile(r"^( *)\(\* (\w+) = 32'd1 \*\)\n", re.M)
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


def _named_reads(body: str) -> str:
    """The register of a memory's read port, nameless from Yosys, is named for what it drives."""
    for register in re.findall(r"^  reg (?:\[\d+:0\] )?(_\d+_);$", body, re.M):
        if target := re.search(rf"^  assign (\w+) = {register};$", body, re.M):
            body = re.sub(rf"\b{register}\b", f"{target[1]}_held", body)
    return body


def _clocked(body: str) -> str:
    """Registers whose next value has a combinational block of its own: one clocked block."""
    words = Counter(re.findall(r"\w+", body))
    blocks: dict[str, tuple[str, str]] = {}
    for match in _COMB.finditer(body):
        targets = re.findall(r"^ +(\w+)(?:\[[\d:]+\])? = ", match[1], re.M)
        name = targets[0] if targets else ""
        # declared, assigned here and loaded into the register: read nowhere else
        if targets.count(name) == len(targets) == words[name] - 2:
            blocks[name] = (match[0], match[1])

    def statements(register: str, name: str) -> str | None:
        if name not in blocks:
            return None
        text = blocks[name][1].replace(f"    {name} = {register};\n", "", 1)
        return re.sub(rf"^( +){name}((?:\[[\d:]+\])?) = ", rf"\1{register}\2 <= ", text, flags=re.M)

    gone = set()

    def sync(match: re.Match[str]) -> str:
        text = statements(match[2], match[3])
        if text is None:
            return match[0]
        gone.add(match[3])
        return f"  always @({match[1]}) begin\n{text}  end\n"

    def asynchronous(match: re.Match[str]) -> str:
        text = statements(match[3], match[4])
        if text is None:
            return match[0]
        gone.add(match[4])
        inner = re.sub("^", "  ", text, flags=re.M).rstrip(" ")
        return (f"  always @({match[1]}) begin\n    if (!rst_n) begin\n      {match[2]}\n"
                f"    end else begin\n{inner}    end\n  end\n")

    body = _ASYNC.sub(asynchronous, _SYNC.sub(sync, body))
    merged = {blocks[name][0] for name in gone}
    body = _COMB.sub(lambda match: "" if match[0] in merged else match[0], body)
    return _DECLARED.sub(lambda match: "" if match[3] in gone else match[0], body)


def _ordered(body: str, order: dict[str, list[str]]) -> str:
    """Declarations and instances by name, numbers in their order, and the connections of an
    instance in the order of its module's port list."""
    for pattern, name in ((_DECLARED, 3), (_INSTANCE, 2)):
        found = iter(sorted((match for match in pattern.finditer(body)),
                            key=lambda match: natural(match[name])))
        body = pattern.sub(lambda _: next(found)[0], body)     # noqa: B023

    def instance(match: re.Match[str]) -> str:
        pins = {line.strip()[1:].partition("(")[0]: line.rstrip(",")
                for line in match[3].splitlines()}
        lines = [pins.get(port, f"    .{port}()") for port in order[match[1]]]
        return f"  {match[1]} {match[2]} (\n" + ",\n".join(lines) + "\n  );\n"

    return _INSTANCE.sub(instance, body)


def _attribute(match: re.Match[str]) -> str:
    """An attribute that a design asks for, as people write it; Yosys' own remarks go."""
    return f"{match[1]}(* {match[2]} *)\n" if match[2] in MEMORY_ATTRIBUTES else ""


def _module(name: str, ports: list[str], body: str, order: dict[str, list[str]],
            purpose: str, groups: dict[str, str]) -> str:
    body = _ATTRIBUTE.sub(_attribute, body)
    body = _named_reads(_clocked(_HELPER.sub("", body)))
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
        # a comment before the first port of a group; no ");" but that of the port list
        group = groups.get(port, "").replace(";", ",")
        lines.append(f"{comment(group, '  ') if group else ''}"
                     f"  {direction} {net} {width:<{pad}}{port}")

    def keep(match: re.Match[str]) -> str:
        return "" if match[3] in ports else match[0]

    # Yosys writes 32-bit constants in decimal
    body = re.sub(r"\b32'd(\d+)", lambda match: f"32'h{int(match[1]):08x}", body)
    body = _ordered(_CONCAT.sub(_compress, _DECLARED.sub(keep, body)), order)
    return (comment(purpose) if purpose else "") + \
        f"module {name} (\n" + ",\n".join(lines) + "\n);\n" + wrap(body) + "endmodule\n"


def layout(raw: str, purposes: dict[str, str], header: list[str],
           groups: dict[str, str]) -> str:
    """The final text: header comment, then the modules in the order of ``purposes``, each after
    what it is for. ``groups``: comments before ports of the first module, the top."""
    order = list(purposes)
    found = _MODULE.findall(raw)
    ports = {name: re.findall(r"\w+", names) if names else [] for name, names, _ in found}
    modules = {name: _module(name, ports[name], body, ports, purposes.get(name, ""),
                             groups if name == order[0] else {}) for name, _, body in found}
    text = "".join(f"// {line}".rstrip() + "\n" for line in header)
    text += "".join("\n" + modules[name] for name in order if name in modules)
    missing = [name for name in modules if name not in order]
    leftover = re.search(r"^\s*(initial\b.*|reg .*=.*|.*\\\$.*)$", text, re.M)
    if missing or leftover or set(order) - set(modules):
        raise RuntimeError("unexpected Verilog from Yosys: "
                           f"{leftover[0].strip() if leftover else missing or order}")
    return text
