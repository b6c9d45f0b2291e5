"""Boolean functions as liberty files write them: ``(A&!B) | C'``, ``A B + !C``.

From high to low: ``'`` after and ``!`` before an operand, ``^``, ``&`` ``*`` or nothing between two
operands, ``|`` or ``+``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Function", "FunctionError", "parse", "prime_sum", "truth_table"]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\].]*)|([01])|([!'^&*|+()]))")


class FunctionError(ValueError):
    """The text is no function; the message says why."""


@dataclass(frozen=True)
class Function:
    """A node: a pin (``name``), a constant (``0``, ``1``), or an operator over ``parts``."""

    name: str
    parts: tuple[Function, ...] = ()

    @property
    def pins(self) -> frozenset[str]:
        if self.parts:
            return frozenset().union(*(part.pins for part in self.parts))
        return frozenset() if self.name in "01" else frozenset((self.name,))

    def value(self, pins: Mapping[str, int], ones: int = 1) -> int:
        """The value for values of the pins; with words of bits, ``ones`` is the word of ones."""
        if not self.parts:
            return {"0": 0, "1": ones}[self.name] if self.name in "01" else pins[self.name]
        first, *rest = (part.value(pins, ones) for part in self.parts)
        if self.name == "!":
            return first ^ ones
        for other in rest:
            first = first & other if self.name == "&" else \
                first | other if self.name == "|" else first ^ other
        return first

    def verilog(self, names: Mapping[str, str]) -> str:
        """As a Verilog expression; ``names``: pin -> what it is called there."""
        if not self.parts:
            return f"1'b{self.name}" if self.name in "01" else names[self.name]
        texts = [part.verilog(names) for part in self.parts]
        return f"(~{texts[0]})" if self.name == "!" else f"({f' {self.name} '.join(texts)})"


def parse(text: str) -> Function:
    """The function of a text. Raises :class:`FunctionError`."""
    tokens, at = [], 0
    text = text.replace("\\\n", " ").rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FunctionError(f"'{text}' is no function: '{text[at:].strip()[:10]}'")
        tokens.append(match[0].strip())
        at = match.end()
    tokens.append("")
    function, end = _either(tokens, 0, text)
    if tokens[end]:
        raise FunctionError(f"'{text}' is no function: '{tokens[end]}' is too much")
    return function


def _joined(name: str, parts: list[Function]) -> Function:
    return parts[0] if len(parts) == 1 else Function(name, tuple(parts))


def _either(tokens: Sequence[str], at: int, text: str) -> tuple[Function, int]:
    part, at = _both(tokens, at, text)
    parts = [part]
    while tokens[at] and tokens[at] in "|+":
        part, at = _both(tokens, at + 1, text)
        parts.append(part)
    return _joined("|", parts), at


def _both(tokens: Sequence[str], at: int, text: str) -> tuple[Function, int]:
    part, at = _unequal(tokens, at, text)
    parts = [part]
    while tokens[at] and tokens[at] not in "|+)":
        part, at = _unequal(tokens, at + (tokens[at] in "&*"), text)
        parts.append(part)
    return _joined("&", parts), at


def _unequal(tokens: Sequence[str], at: int, text: str) -> tuple[Function, int]:
    part, at = _operand(tokens, at, text)
    parts = [part]
    while tokens[at] == "^":
        part, at = _operand(tokens, at + 1, text)
        parts.append(part)
    return _joined("^", parts), at


def _operand(tokens: Sequence[str], at: int, text: str) -> tuple[Function, int]:
    token = tokens[at]
    if token == "!":
        part, at = _operand(tokens, at + 1, text)
        return Function("!", (part,)), at
    if token == "(":
        part, at = _either(tokens, at + 1, text)
        if tokens[at] != ")":
            raise FunctionError(f"'{text}' is no function: a parenthesis is not closed")
    elif not token or token in "'^&*|+)":
        raise FunctionError(f"'{text}' is no function: an operand is missing")
    else:
        part = Function(token)
    at += 1
    while tokens[at] == "'":
        part, at = Function("!", (part,)), at + 1
    return part, at


def truth_table(function: Function, inputs: Sequence[str]) -> int:
    """Bit i: the value where input k has bit k of i."""
    rows = 1 << len(inputs)
    ones = (1 << rows) - 1
    # input k is 1 in every second run of 2**k rows
    words = {name: sum(((1 << (1 << k)) - 1) << at for at in range(1 << k, rows, 2 << k))
             for k, name in enumerate(inputs)}
    return function.value(words, ones)


def prime_sum(function: Function) -> Function:
    """The same function as a sum of all its prime implicants.

    So written it is X in a simulator only where it depends on what is X: with ``A & S | B & !S``
    two inputs of 1 give X while S is X, the third implicant ``A & B`` gives 1.
    """
    inputs = sorted(function.pins)
    if len(inputs) > 8:
        return function
    table = truth_table(function, inputs)
    # an implicant: inputs that must be 1, inputs that must be 0
    level = {(row, ~row & (1 << len(inputs)) - 1) for row in range(1 << len(inputs))
             if table >> row & 1}
    primes: set[tuple[int, int]] = set()
    while level:
        merged, used = set(), set()
        for one, zero in level:
            for bit in (1 << k for k in range(len(inputs)) if one >> k & 1):
                other = one ^ bit, zero ^ bit
                if other in level and not zero & bit:
                    merged.add((one ^ bit, zero))
                    used |= {(one, zero), other}
        primes |= level - used
        level = merged
    literals = [(Function(name), Function("!", (Function(name),))) for name in inputs]
    terms = [_joined("&", [pair[0] for k, pair in enumerate(literals) if one >> k & 1]
                     + [pair[1] for k, pair in enumerate(literals) if zero >> k & 1]
                     or [Function("1")]) for one, zero in sorted(primes)]
    return _joined("|", terms) if terms else Function("0")
