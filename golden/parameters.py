"""Parameter objects: one frozen, validated dataclass per generator.

Everything else about a design follows from its parameter object: the golden model, the
component, the testbench, the manifest and the command line. A field is declared with
:func:`parameter`, which carries its help text, its legal range and its source in the paper.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

__all__ = ["Parameters", "TARGETS", "TargetParameters", "parameter", "same_as", "ParameterError"]

#: what a design is built from: standard cells, or the LUTs and carry chains of an FPGA
TARGETS = ("asic", "fpga")

P = TypeVar("P", bound="Parameters")


class ParameterError(ValueError):
    """A parameter breaks a rule. The message is one line: parameter, rule, value."""


def parameter(default: Any, help: str, *, low: int | None = None, high: int | None = None,
              choices: tuple[str, ...] | None = None, source: str = "",
              metavar: str | None = None, asic: Any = None, fpga: Any = None,
              by: tuple[str, Mapping[Any, Any]] | None = None) -> Any:
    """Declare a field of a parameter object.

    ``default=None`` means that the value is derived from the other parameters unless given;
    the help text says how. ``by`` (with ``default=None``) says it by itself: the name of another
    field, and what this one holds, unless given, for each value of that; ``asic`` and ``fpga`` are
    those for the design's ``target``.
    Integers take ``low`` and ``high`` (inclusive), strings ``choices``.
    """
    if asic is not None:
        by = "target", dict(zip(TARGETS, (asic, fpga), strict=True))
    return dataclasses.field(default=default, metadata=dict(
        help=help, low=low, high=high, choices=choices, source=source, metavar=metavar,
        by=by))


def same_as(cls: type[Parameters], name: str, help: str) -> Any:
    """Declare a field as another parameter object does: the same default and rules, in words that
    fit here."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    return dataclasses.field(default=field.default, metadata={**field.metadata, "help": help})


def flag_name(field_name: str) -> str:
    """Command-line flag of a field: ``a_format`` -> ``--a-format``, ``M`` -> ``--M``."""
    return "--" + field_name.replace("_", "-")


def default_text(field: dataclasses.Field[Any]) -> str:
    """The default of a field as help and documentation say it."""
    if field.metadata["by"]:
        name, values = field.metadata["by"]
        first, *others = values
        return str(values[first]) + "".join(
            f", with {flag_name(name)} {other} {values[other]}" for other in others)
    if isinstance(field.default, bool):     # not by equality: 1 == True
        return "on" if field.default else "off"
    return "derived" if field.default is None else str(field.default)


#: the fields of a class, kept: searches make objects by the hundred thousand
_fields: Callable[[Any], tuple[dataclasses.Field[Any], ...]] = functools.cache(dataclasses.fields)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Base of all parameter objects.

    Construction checks every field against its declaration (wrong type: ``TypeError``; out of
    range: :class:`ParameterError`) and then calls :meth:`check` for rules between parameters.
    """

    #: name of the generator that the parameters belong to
    generator: ClassVar[str] = ""

    reset: str = parameter("sync", "reset: synchronous active high (rst) or asynchronous active "
                           "low (rst_n)", choices=("sync", "async_low"))

    @classmethod
    def declared(cls) -> list[dataclasses.Field[Any]]:
        """The fields in the order of their declaration, those of all generators last."""
        shared = {field.name for field in _fields(Parameters)}
        return sorted(_fields(cls), key=lambda field: field.name in shared)

    def __post_init__(self) -> None:
        for field in _fields(type(self)):
            self._check_field(field, getattr(self, field.name))
        for field in _fields(type(self)):
            if getattr(self, field.name) is None:
                # a frozen object has no other way to fill in a field
                object.__setattr__(self, field.name, self.default(field))
        self.check()

    def default(self, field: dataclasses.Field[Any]) -> Any:
        """What ``field`` holds unless given; None where the other parameters say more."""
        if not field.metadata["by"]:
            return field.default
        name, values = field.metadata["by"]
        return values[getattr(self, name)]

    def check(self) -> None:
        """Rules between parameters; raise :class:`ParameterError` through :meth:`refuse`."""

    def others(self, choice: str, options: Mapping[str, tuple[str, ...]]) -> set[str]:
        """Fields without a meaning here: those of ``options`` that belong to other values of the
        field ``choice`` alone."""
        mine = options[getattr(self, choice)]
        return {name for names in options.values() for name in names} - set(mine)

    def check_others(self, choice: str, options: Mapping[str, tuple[str, ...]]) -> None:
        """Refuse :meth:`others` that are given."""
        for field in self.declared():
            if field.name in self.others(choice, options) \
                    and getattr(self, field.name) != self.default(field):
                value = next(value for value, names in options.items() if field.name in names)
                self.refuse(field.name, f"must be left out unless {flag_name(choice)} is {value}")

    def refuse(self, name: str, rule: str, value: Any = None) -> None:
        """Raise the one-line error for parameter ``name``."""
        shown = getattr(self, name) if value is None else value
        raise ParameterError(f"{flag_name(name)} {rule}; got {shown}")

    def part(self, cls: type[P]) -> P:
        """The parameters of a part of the design, whose fields it has itself."""
        return cls(**{field.name: getattr(self, field.name) for field in cls.declared()})

    def _check_field(self, field: dataclasses.Field[Any], value: Any) -> None:
        meta = field.metadata
        if value is None and field.default is None:
            return
        if meta["choices"] is not None:
            if not isinstance(value, str):
                raise TypeError(f"{flag_name(field.name)} must be a string; got {value!r}")
            if value not in meta["choices"]:
                self.refuse(field.name, f"must be one of {', '.join(meta['choices'])}", value)
        elif isinstance(field.default, bool):
            if not isinstance(value, bool):
                raise TypeError(f"{flag_name(field.name)} must be true or false; got {value!r}")
        else:
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{flag_name(field.name)} must be an integer; got {value!r}")
            low, high = meta["low"], meta["high"]
            if (low is not None and value < low) or (high is not None and value > high):
                rule = f"must be {low}..{high}" if high is not None else f"must be at least {low}"
                self.refuse(field.name, rule, str(value))

    def as_dict(self) -> dict[str, Any]:
        """Field values in declaration order (JSON-ready), those of the target resolved."""
        return {field.name: getattr(self, field.name) for field in self.declared()}

    def derived_fields(self) -> dict[str, Any]:
        """Values of the fields that may be left to be derived (default ``None``), by name; those
        that have no meaning with the other parameters are absent."""
        return {}

    def resolved(self) -> dict[str, Any]:
        """Field values with derived ones filled in and meaningless ones left out."""
        derived = self.derived_fields()
        return {name: derived[name] if value is None else value
                for name, value in self.as_dict().items() if value is not None or name in derived}

    def derived(self) -> dict[str, Any]:
        """Widths and formats that follow from the fields (JSON-ready)."""
        return {}

    def flags(self) -> str:
        """The command-line flags that rebuild this object; fields at their default are left out."""
        words = []
        for field in self.declared():
            value = getattr(self, field.name)
            if value == self.default(field):
                continue
            if isinstance(value, bool):
                words.append(flag_name(field.name) if value else
                             "--no-" + flag_name(field.name)[2:])
            else:
                words += [flag_name(field.name), str(value)]
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class TargetParameters(Parameters):
    """Base of the designs whose structure depends on what they are built from.

    ``target`` chooses the defaults of ``adder`` and of every other field declared with ``asic``
    and ``fpga``. Results never depend on it. ``dataclasses.replace`` keeps the values that the
    object holds: for another target make a new object.
    """

    target: str = parameter("asic", "what the defaults of structure suit: standard cells, or an "
                            "FPGA", choices=TARGETS)
    adder: str = parameter(None, "adders: carry equations (small in standard cells), or the + "
                           "operator (the carry chain of an FPGA)",
                           choices=("ripple", "operator"), asic="ripple", fpga="operator")
