"""Lists of values for a generator's parameters, and the designs that they span.

A list is values with commas between them, each a single one or a range of integers: ``2..6``,
``2..8..2`` (in steps of 2), ``16:256:x2`` (times 2), ``8:32:+8`` (plus 8), both ends included. A
switch takes ``on,off``, a choice names or ``all``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any

from lowbit.golden.parameters import ParameterError, Parameters, default_text, flag_name

from ..errors import UsageError

__all__ = ["LARGEST", "Grid", "Refused", "add_axes", "span", "take_axes", "values_of"]

#: designs of a sweep at most
LARGEST = 100_000

_RANGE = re.compile(r"(\d+)(?:\.\.(\d+)(?:\.\.(\d+))?|:(\d+):([x+])(\d+))")
_SWITCH = {"on": True, "off": False}


def _integers(word: str) -> list[int] | None:
    """Those of one item of a list; None where it is none."""
    if re.fullmatch(r"-?\d+", word):
        return [int(word)]
    if (found := _RANGE.fullmatch(word)) is None:
        return None
    low, high, step = int(found[1]), int(found[2] or found[4]), int(found[3] or found[6] or 1)
    if found[5] != "x":
        return list(range(low, high + 1, step)) if step else None
    if low < 1 or step < 2:
        return None
    return [low * step**i for i in range(64) if low * step**i <= high]


def values_of(field: Field[Any], text: str) -> tuple[Any, ...]:
    """The values that ``text`` lists for a parameter, each once, in the order of the list."""
    meta, flag = field.metadata, flag_name(field.name)
    found: list[Any] = []
    for word in text.split(","):
        if isinstance(field.default, bool):
            items: Sequence[Any] | None = [_SWITCH[word]] if word in _SWITCH else None
            form = "on, off or on,off"
        elif meta["choices"] is not None:
            items = list(meta["choices"]) if word == "all" else \
                [word] if word in meta["choices"] else None
            form = f"a list of {', '.join(meta['choices'])}, or all"
        else:
            items = _integers(word)
            form = "a list of integers such as 1,2,4 or 2..6 or 16:256:x2"
        if not items:
            raise UsageError(f"{flag} must be {form}; got {text}")
        found += items
    return tuple(dict.fromkeys(found))


def add_axes(parser: argparse.ArgumentParser, cls: type[Parameters]) -> None:
    """An option for each parameter of ``cls``, which takes a list."""
    group = parser.add_argument_group(
        "design parameters, each a list", "values with commas; ranges of integers as 2..6, "
        "2..8..2, 16:256:x2, 8:32:+8; on,off for switches; all for every choice")
    for field in cls.declared():
        meta = field.metadata
        choices = f": {', '.join(meta['choices'])}" if meta["choices"] is not None else ""
        text = f"{meta['help']}{choices}; default {default_text(field)}"
        group.add_argument(flag_name(field.name), dest=field.name, default=argparse.SUPPRESS,
                           metavar="LIST", help=text.replace("%", "%%"))


def take_axes(args: argparse.Namespace, cls: type[Parameters]) -> dict[str, tuple[Any, ...]]:
    """The lists that were given, by parameter, in the order of declaration; of a manifest the
    values that a design has."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    return {field.name: values_of(field, value) if isinstance(value, str) else (value,)
            for field in cls.declared() if (value := given.get(field.name)) is not None}


@dataclass(frozen=True)
class Refused:
    """Combinations that a rule forbids."""

    flag: str
    count: int
    example: str        #: what the rule says of the first


@dataclass(frozen=True)
class Grid:
    """The legal designs that some lists span."""

    axes: Mapping[str, tuple[Any, ...]]
    points: tuple[Parameters, ...]
    refused: tuple[Refused, ...] = ()
    same: int = 0       #: combinations that are a design which was there already

    @property
    def combinations(self) -> int:
        return math.prod(len(values) for values in self.axes.values())

    @property
    def swept(self) -> tuple[str, ...]:
        """Parameters of which there is more than one value."""
        return tuple(name for name, values in self.axes.items() if len(values) > 1)


def span(cls: type[Parameters], axes: Mapping[str, tuple[Any, ...]]) -> Grid:
    """All combinations in the order of the lists, the last one fastest; those that break a rule
    are counted. :class:`UsageError` for more than :data:`LARGEST`, or where none is legal."""
    count = math.prod(len(values) for values in axes.values())
    if count > LARGEST:
        raise UsageError(f"a sweep has at most {LARGEST} combinations; these lists have {count}; "
                         "shorten one")
    points: dict[Parameters, None] = {}
    refusals: Counter[str] = Counter()
    examples: dict[str, str] = {}
    same = 0
    for values in itertools.product(*axes.values()):
        try:
            point = cls(**dict(zip(axes, values, strict=True)))
        except ParameterError as error:
            flag = str(error).split(" ", 1)[0]
            refusals[flag] += 1
            examples.setdefault(flag, str(error))
            continue
        same += point in points
        points[point] = None
    if not points:
        raise UsageError(f"none of {count} combinations is legal; the first: "
                         f"{next(iter(examples.values()))}")
    refused = tuple(Refused(flag, number, examples[flag])
                    for flag, number in refusals.most_common())
    return Grid(axes, tuple(points), refused, same)
