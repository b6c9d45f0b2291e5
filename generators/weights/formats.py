"""Weight formats: how a matrix of floats becomes codes and scales, and stands in a tensor file.

A family brings its formats (``generators/families``), and :mod:`.block_formats` has those that
several families take; ``gen quantize --dtype`` and ``gen run`` find them here by name.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from lowbit.golden.code_stream import pack_codes, packed_bytes, unpack_codes
from lowbit.golden.error_report import ErrorReport

from .. import registry
from ..errors import UsageError
from .file import Entries, TensorFile

__all__ = ["QuantizeOptions", "Rows", "WeightFormat", "find_format", "format_names", "load_tensor"]


class Rows(Protocol):
    """A matrix that is read by rows: an array, or a tensor in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True)
class QuantizeOptions:
    """What ``gen quantize`` was asked for; None: not said."""

    group_size: int = 128                               #: 0: the whole channel
    special_values: tuple[float, ...] | None = None
    scale_bits: int | None = None


class WeightFormat(ABC):
    """One format, by its name in ``--dtype``. Subclasses say what a tensor of theirs is."""

    #: entries of a tensor file beside codes, shape and group size: name -> type, shape, meaning
    FIELDS: ClassVar[Mapping[str, str]] = {}

    #: weights that share a scale, where the format leaves no choice
    block: int | None = None

    def __init__(self, name: str, bits: int, summary: str) -> None:
        self.name, self.bits, self.summary = name, bits, summary

    @abstractmethod
    def check(self, options: QuantizeOptions) -> None:
        """Refuse options that the format does not take."""

    @abstractmethod
    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[Any, ErrorReport]:
        """A tensor of this format from a matrix of floats, and its error."""

    @abstractmethod
    def fields(self, tensor: Any) -> dict[str, Any]:
        """The entries ``FIELDS`` of a tensor."""

    @abstractmethod
    def read(self, entries: Entries, codes: Any, group_size: int) -> Any:
        """The tensor whose codes are uint8 (n, k); the inverse of :meth:`fields`."""

    # -- what all formats share in the file ----------------------------------------------------
    def entries(self, tensor: Any) -> dict[str, Any]:
        """All entries of a tensor."""
        return {"format": self.name, "shape": np.array(tensor.codes.shape, np.int64),
                "group_size": np.int64(tensor.group_size or 0),
                "codes": pack_codes(tensor.codes, self.bits), **self.fields(tensor)}

    def load(self, entries: Entries) -> Any:
        """The tensor of some entries; :class:`UsageError` where they do not fit each other."""
        n, k = entries.shape()
        packed = entries.array("codes", "uint8", (n, packed_bytes(k, self.bits)))
        group_size = entries.integer("group_size", 0, (1 << 31) - 1)
        return self.read(entries, unpack_codes(packed, k, self.bits), group_size)


def _all() -> dict[str, WeightFormat]:
    from .block_formats import FORMATS  # made of the class above
    from .olive_format import OliveFormat

    found: dict[str, WeightFormat] = {}
    for family in registry.families():
        found.update(family.load_formats())
    return found | FORMATS | {"olive4": OliveFormat()}


def format_names() -> list[str]:
    """Names of all formats."""
    return list(_all())


def find_format(name: str) -> WeightFormat:
    """Format by name; :class:`UsageError` names near ones."""
    formats = _all()
    if name in formats:
        return formats[name]
    near = difflib.get_close_matches(name, formats, n=3)
    raise UsageError(f"--dtype must be one of {', '.join(formats)}; got {name}"
                     + (f" (did you mean {' or '.join(near)}?)" if near else ""))


def load_tensor(path: Path, name: str | None = None) -> tuple[WeightFormat, Any]:
    """A tensor of a tensor file, and its format; the only one where no name is given."""
    with TensorFile(path) as file:
        entries = file.tensor(name)
        found = entries.text("format")
        formats = _all()
        if found not in formats:
            entries.refuse(f"its format '{found}' is not known to this version")
        return formats[found], formats[found].load(entries)
