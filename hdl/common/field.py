"""The shape of a port: what its bits mean, and in what order they lie.

The one place that says it: the hardware indexes by it (``payload.entries[row][group][entry]``),
and notes, manifest and documentation are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Const, Format, Shape, ShapeCastable, Value, signed, unsigned
from amaranth.lib import data

from lowbit.golden.formats import ExponentFormat, FloatFormat, IntFormat

__all__ = ["Field", "flag"]


class Field(ShapeCastable):
    """Elements of one format along named axes, packed without gaps, element 0 lowest.

    A shape like any other: ``Signal(field)``, a member of a signature or of a ``StructLayout``.
    With axes its value is a view of nested arrays, indexed outermost axis first; without, a plain
    value (signed where the format is).

    Parameters
    ----------
    element:
        a number format, or the bits of an element that has none.
    note:
        what the field means, a phrase.
    name:
        of the elements' format, for people and manifest; default that of ``element``, "bits" for
        a number of bits.
    signed:
        elements are two's complement; default as ``element``.
    axes:
        name and length of each axis, outermost first: the last one varies fastest.
    """

    def __init__(self, element: IntFormat | FloatFormat | ExponentFormat | int, note: str, *,
                 name: str = "", signed: bool = False,
                 axes: Mapping[str, int] | None = None) -> None:
        self.note = note
        if isinstance(element, int):
            self.element_bits, self.name, self.signed = element, name or "bits", signed
        else:
            self.element_bits, self.name = element.bits, name or element.name
            self.signed = isinstance(element, IntFormat) and not element.unsigned
        self.axes: dict[str, int] = dict(axes or {})

    @property
    def count(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.axes.values():
            count *= length
        return count

    @property
    def order(self) -> str:
        """The order of the elements, a phrase; empty for a single one."""
        *outer, last = [f"{name} (of {length})" for name, length in self.axes.items()] or [""]
        if not last:
            return ""
        return f"{', '.join([*outer, last])}" + (f"; {list(self.axes)[-1]} fastest"
                                                 if outer else "") + "; element 0 lowest"

    def description(self) -> str:
        """Meaning, format and order in a line, for people."""
        if not self.axes:
            return self.note
        return f"{self.note}: {self.count} x {self.name}, {self.element_bits} bits each, " \
               f"{self.order}"

    def as_dict(self) -> dict[str, Any]:
        """For the manifest (JSON-ready)."""
        return dict(format=self.name, signed=self.signed, element_width=self.element_bits,
                    count=self.count, axes=list(self.axes), shape=list(self.axes.values()))

    # -- as a shape ---------------------------------------------------------------------------
    def _layout(self) -> Any:
        element = signed(self.element_bits) if self.signed else unsigned(self.element_bits)
        for length in reversed(self.axes.values()):
            element = data.ArrayLayout(element, length)
        return element

    def as_shape(self) -> Shape:
        return Shape.cast(self._layout())

    def __call__(self, target: Any) -> Any:
        layout = self._layout()
        if self.axes:
            return layout(target)
        value = Value.cast(target)
        return value.as_signed() if layout.signed and not value.shape().signed else value

    def const(self, init: Any) -> Any:
        layout = self._layout()
        return layout.const(init) if self.axes else Const(init or 0, layout)

    def from_bits(self, raw: int) -> Any:
        layout = self._layout()
        return layout.from_bits(raw) if self.axes else Const(raw, layout).value

    def format(self, value: Any, spec: str) -> Any:
        layout = self._layout()
        return layout.format(layout(value), spec) if self.axes else Format(f"{{:{spec}}}", value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and (self.as_dict(), self.note) == (other.as_dict(),
                                                                            other.note)

    def __hash__(self) -> int:
        return hash((self.element_bits, self.name, tuple(self.axes.items())))

    def __repr__(self) -> str:
        return f"Field({self.description()!r})"


def flag(note: str) -> Field:
    """One bit that says something about its beat or cycle."""
    return Field(1, note, name="flag")

