"""Mutations of emitted Verilog: small wrong changes of one line, which a bench should notice.

:func:`mutants` lists what can go wrong where. A :class:`Mutant` can be put in the text alone
(:func:`mutated`), or many of them together behind a switch (:func:`switched`): the simulation
then turns number n on by the plusarg ``+mutant=n``, so that one build serves a whole survey.
:func:`with_flaws` does the same with changes that a test writes itself.
The text is that of ``generators/verilog/emit.py``: one statement a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lowbit.generators.verilog.shape import unwrap

__all__ = ["Mutant", "mutants", "mutated", "switched", "with_flaws", "KINDS"]

#: kinds of change, in the order of reports
KINDS = ("operator", "operands swapped", "constant", "stuck", "condition negated",
         "reset removed", "assignment lost", "connection inverted")

_SWAPS = {"&": "|", "|": "&", "^": "&", "+": "-", "-": "+", "==": "!=", "!=": "==", "<<": ">>",
          ">>": "<<", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "&&": "||", "||": "&&"}
_BINARY = re.compile(r"(?<= )(?:&&|\|\||==|!=|<<|>>|<=|>=|[&|^+<>-])(?= )")
_LITERAL = re.compile(r"(\d+)'h([0-9a-f]+)")
_ASSIGN = re.compile(r"  assign (?P<target>\w+)(?P<part>\[[\d:]+\])? = (?P<value>.*);")
_STORE = re.compile(r" +(?P<target>\w+)(?P<part>\[[\d:]+\])? (?P<how><?=) (?P<value>[^;]*);")
_IF = re.compile(r"(?P<head> +if )\((?P<condition>.*)\) begin")
_PORT = re.compile(r"    \.(?P<port>\w+)\((?P<value>.*)\)(?P<comma>,?)")
_DECLARED = re.compile(r"  (?:(?P<way>input|output) +)?(?:wire|reg) +(?:signed +)?"
                       r"(?:\[(?P<high>\d+):0\] +)?(?P<name>\w+)[;,]?$")
_INSTANCE = re.compile(r"  (?P<module>\w+) \w+ \($")


@dataclass(frozen=True)
class Mutant:
    """One change: ``line`` (from 0) of the text reads ``after`` in place of ``before``."""

    kind: str
    module: str
    line: int
    before: str
    after: str
    bits: int       #: width of what is assigned or connected; 1 for a condition

    def __str__(self) -> str:
        return (f"{self.module}, line {self.line + 1}, {self.kind}: {self.before.strip()}  ->  "
                f"{self.after.strip()}")


def _widths(lines: Sequence[str]) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], str]]:
    """Bits of each declared name of each module, and the direction of each port."""
    bits: dict[tuple[str, str], int] = {}
    ways: dict[tuple[str, str], str] = {}
    module = ""
    for line in lines:
        if line.startswith("module "):
            module = line.split()[1]
        elif found := _DECLARED.match(line):
            key = module, found["name"]
            bits[key] = int(found["high"] or 0) + 1
            if found["way"]:
                ways[key] = found["way"]
    return bits, ways


def _part_bits(part: str) -> int:
    high, _, low = part.strip("[]").partition(":")
    return int(high) - int(low or high) + 1


def _wrong_values(value: str, bits: int) -> Iterator[tuple[str, str]]:
    """(kind, text) of wrong versions of an expression."""
    if unary := re.match(r"([~&|]) ", value):
        rest = value[unary.end():]
        wrong = {"~": rest, "&": f"| {rest}", "|": f"& {rest}"}[unary[1]]
        yield "operator", wrong
    for found in _BINARY.finditer(value):
        wrong = value[:found.start()] + _SWAPS[found[0]] + value[found.end():]
        yield "operator", wrong
    mux = re.fullmatch(r"([^?:]+) \? ([^?]+) : ([^?]+)", value)
    if mux and mux[2] != mux[3]:
        yield "operands swapped", f"{mux[1]} ? {mux[3]} : {mux[2]}"
    for found in _LITERAL.finditer(value):
        width = int(found[1])
        number = (int(found[2], 16) + 1) % (1 << width)
        yield ("constant", value[:found.start()] + f"{width}'h{number:0{len(found[2])}x}"
               + value[found.end():])
    for stuck in (f"{bits}'h0", f"{{{bits}{{1'h1}}}}"):
        if not re.fullmatch(r"\d+'h[0-9a-f]+", value):
            yield "stuck", stuck


def mutants(verilog: str) -> list[Mutant]:
    """All mutants of the text, in the order of its lines."""
    lines = unwrap(verilog).splitlines()
    bits, ways = _widths(lines)
    found: list[Mutant] = []
    module = instance = ""
    for number, line in enumerate(lines):
        if line.startswith("module "):
            module = line.split()[1]
        elif match := _INSTANCE.match(line):
            instance = match["module"]
        elif match := _PORT.fullmatch(line):
            key = instance, match["port"]
            if ways.get(key) == "input" and match["port"] != "clk":
                after = (f"    .{match['port']}(({match['value']}) ^ {{{bits[key]}{{1'h1}}}})"
                         f"{match['comma']}")
                found.append(Mutant("connection inverted", module, number, line, after, bits[key]))
        elif match := _IF.fullmatch(line):
            condition, head = match["condition"], match["head"]
            if condition in ("rst", "!rst_n", "! rst_n", "~rst_n"):
                change = "reset removed", "1'h0"
            else:
                change = "condition negated", f"!({condition})"
            found.append(Mutant(change[0], module, number, line,
                                f"{head}({change[1]}) begin", 1))
        elif match := _ASSIGN.fullmatch(line) or _STORE.fullmatch(line):
            target, part = match["target"], match["part"] or ""
            if (module, target) not in bits:
                continue
            width = _part_bits(part) if part else bits[module, target]
            start, value = line[:match.start("value")], match["value"]
            changes = list(_wrong_values(value, width))
            if match.re is _STORE and match["how"] == "<=":
                changes.append(("assignment lost", target + part))
            found += [Mutant(kind, module, number, line, f"{start}{wrong};", width)
                      for kind, wrong in changes]
    return found


def mutated(verilog: str, mutant: Mutant) -> str:
    """The text with one change."""
    lines = unwrap(verilog).splitlines()
    assert lines[mutant.line] == mutant.before
    lines[mutant.line] = mutant.after
    return "\n".join(lines) + "\n"


def _both(mutant: Mutant, number: int) -> list[str]:
    """Lines that do what the line did, or while switch ``number`` is on what the mutant does."""
    on = f"mutant == {number}"
    before, after = mutant.before, mutant.after
    if right := _IF.fullmatch(before):
        wrong = _IF.fullmatch(after)
        assert wrong is not None
        return [f"{right['head']}({on} ? {wrong['condition']} : {right['condition']}) begin"]
    if right := _PORT.fullmatch(before):
        wrong = _PORT.fullmatch(after)
        assert wrong is not None
        return [f"    .{right['port']}({on} ? {wrong['value']} : {right['value']}){right['comma']}"]
    if right := _ASSIGN.fullmatch(before):
        # wires of their own: the width and sign of an expression depend on where it stands
        wrong = _ASSIGN.fullmatch(after)
        assert wrong is not None
        net = f"mutant_{number}_{mutant.line}"
        shape = f"[{mutant.bits - 1}:0]"
        return [f"  wire {shape} {net}_right, {net}_wrong;",
                f"  assign {net}_right = {right['value']};",
                f"  assign {net}_wrong = {wrong['value']};",
                f"  assign {right['target']}{right['part'] or ''} = "
                f"{on} ? {net}_wrong : {net}_right;"]
    indent = before[:len(before) - len(before.lstrip())]
    return [f"{indent}if ({on}) {after.strip()} else {before.strip()}"]


def switched(verilog: str, chosen: Sequence[Mutant]) -> str:
    """The text with all ``chosen`` mutants (of different lines), each behind ``+mutant=n``.

    Number n, from 1, is ``chosen[n - 1]``; without the plusarg the design is as it was.
    """
    lines: list[list[str]] = [[line] for line in unwrap(verilog).splitlines()]
    assert len({mutant.line for mutant in chosen}) == len(chosen), "one mutant a line"
    for number, mutant in enumerate(chosen, 1):
        assert lines[mutant.line] == [mutant.before]
        lines[mutant.line] = _both(mutant, number)
    return _with_switch(lines)


def with_flaws(verilog: str, flaws: Sequence[tuple[str, str]]) -> str:
    """The text with all ``flaws`` (pattern and replacement, as of ``re.sub``), each behind
    ``+mutant=n``: number n, from 1, is ``flaws[n - 1]``. Each changes inside of lines, none a line
    of another's.
    """
    right = unwrap(verilog)
    lines = right.splitlines()
    bits, _ = _widths(lines)
    parts: list[list[str]] = [[line] for line in lines]
    for number, flaw in enumerate(flaws, 1):
        wrong = re.sub(*flaw, right, flags=re.M).splitlines()
        assert len(wrong) == len(lines), f"{flaw[0]} changes more than the inside of lines"
        changed = [n for n, line in enumerate(lines) if line != wrong[n]]
        assert changed, f"{flaw[0]} changes nothing"
        for n in changed:
            assert parts[n] == [lines[n]], f"{flaw[0]} changes a line of another flaw"
            module = next(line.split()[1] for line in lines[n::-1] if line.startswith("module "))
            put = _ASSIGN.fullmatch(lines[n])
            width = 1 if put is None else (_part_bits(put["part"]) if put["part"] else
                                           bits[module, put["target"]])
            parts[n] = _both(Mutant("flaw", module, n, lines[n], wrong[n], width), number)
    return _with_switch(parts)


def _with_switch(lines: Sequence[list[str]]) -> str:
    """The lines, in each module a number ``mutant`` that the plusarg gives."""
    switch = ["  integer mutant;",
              "  initial if (!$value$plusargs(\"mutant=%d\", mutant)) mutant = 0;"]
    text: list[str] = []
    for part in lines:
        text += part
        if part == [");"]:      # the end of a module's ports
            text += switch
    return "\n".join(text) + "\n"
