"""The list of families: one line each. A new family is its own files and its name here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable

from .errors import UsageError
from .family import Family, Generator

__all__ = ["FAMILIES", "GENERATORS", "families", "find"]

#: folders in ``generators/families``
FAMILIES = (
    "lut",
    "unpack",
    "baselines",
    "bitmod",
    "systolic",
    "accelerator",
)


def families() -> list[Family]:
    """Their descriptors."""
    return [importlib.import_module(f"lowbit.generators.families.{name}").FAMILY
            for name in FAMILIES]


#: all generators by name
GENERATORS: dict[str, Generator] = {generator.name: generator for family in families()
                                    for generator in family.generators}


def find(name: str, others: Iterable[str] = ()) -> Generator:
    """Generator by name; :class:`UsageError` names near ones and near ``others`` (verbs)."""
    if name in GENERATORS:
        return GENERATORS[name]
    what = "generator or verb" if others else "generator"
    near = difflib.get_close_matches(name, [*GENERATORS, *others], n=3)
    raise UsageError(f"unknown {what} '{name}'" +
                     (f"; did you mean {' or '.join(near)}?" if near else "") +
                     f" ({'gen --help' if others else 'gen list'} shows all)")
