"""Functions of library cells: the Boolean expressions of liberty files as truth tables."""

from __future__ import annotations

import re

__all__ = ["truth_table"]

_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01]|[()!'&*|+^])")


class _Reader:
    """Recursive descent over one expression; precedence: ' and !, then ^, then &, then |."""

    def __init__(self, text: str, values: dict[str, bool]):
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != re.sub(r"\s", "", text):
            raise ValueError(f"not a Boolean function: {text}")
        self.at = 0
        self.values = values

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def disjunction(self) -> bool:
        value = self.conjunction()
        while self.peek() in ("|", "+") and self.peek():
            self.take()
            right = self.conjunction()
            value = value or right
        return value

    def conjunction(self) -> bool:
        value = self.parity()
        # two operands side by side mean AND
        while self.peek() and self.peek() not in ("|", "+", ")"):
            if self.peek() in ("&", "*"):
                self.take()
            right = self.parity()
            value = value and right
        return value

    def parity(self) -> bool:
        value = self.literal()
        while self.peek() == "^":
            self.take()
            value ^= self.literal()
        return value

    def literal(self) -> bool:
        token = self.take()
        if token == "!":
            return not self.literal()
        if token == "(":
            value = self.disjunction()
            if self.take() != ")":
                raise ValueError("missing )")
        elif token in ("0", "1"):
            value = token == "1"
        elif token in self.values:
            value = self.values[token]
        else:
            raise ValueError(f"unknown operand {token!r}")
        while self.peek() == "'":
            self.take()
            value = not value
        return value


def truth_table(function: str, inputs: list[str]) -> tuple[bool, ...]:
    """Value of ``function`` for every input pattern; ``inputs[0]`` is bit 0 of the index.

    Raises ``ValueError`` where the text is not a function of ``inputs`` alone.
    """
    table = []
    for pattern in range(1 << len(inputs)):
        values = {name: bool(pattern >> bit & 1) for bit, name in enumerate(inputs)}
        reader = _Reader(function, values)
        table.append(reader.disjunction())
        if reader.peek():
            raise ValueError(f"not a Boolean function: {function}")
    return tuple(table)
