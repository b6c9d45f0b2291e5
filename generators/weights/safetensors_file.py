"""Safetensors files, single or in shards that an ``.index.json`` names.

The safetensors library checks each file (header, offsets, length); elements are mapped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ..errors import UsageError
from ..files import check_source
from .messages import line, listed, near
from .tensor import FLOATS, Tensor

__all__ = ["DTYPES", "SafetensorsFile", "quantization_config"]

Array = NDArray[Any]

#: safetensors name -> our name of a float
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
          "F8_E4M3": "fp8_e4m3", "F8_E5M2": "fp8_e5m2"}
#: elements of a byte whose meaning another tensor, or the reader, knows
BYTES = ("U8", "F8_E4M3", "F8_E8M0")
INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


class SafetensorsFile:
    """The checked headers of one file, or of all shards of an index; ``entries`` by name.

    An entry has ``dtype`` and ``shape`` as the file says. :class:`UsageError` for a file that is
    truncated, damaged or of another kind, and for an index whose shards do not hold what it says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        self._where: dict[str, tuple[Path, int]] = {}
        if path.suffix != ".json":
            self._add(path)
            return
        for shard, names in _index(path).items():
            self._add(path.parent / shard, names)

    def _add(self, path: Path, wanted: list[str] | None = None) -> None:
        check_source(path)
        try:
            with safe_open(path, framework="np") as checked:
                names = list(checked.keys())
                with path.open("rb") as file:
                    length = int.from_bytes(file.read(8), "little")
                    header = json.loads(file.read(length))
        except FileNotFoundError:
            raise UsageError(f"cannot read {path}: No such file or directory" +
                             (f", a shard that {self.path} names" if wanted else "")) from None
        except (SafetensorError, OSError, ValueError) as error:
            raise UsageError(f"{path} is not a readable safetensors file (truncated, or of another "
                             f"kind): {line(error)}") from None
        for name in names if wanted is None else wanted:
            if name not in header:
                raise UsageError(f"{self.path} says that {name} is in {path.name}, which does not "
                                 "hold it")
            self.entries[name] = header[name]
            self._where[name] = path, 8 + length + header[name]["data_offsets"][0]

    def tensor(self, name: str) -> Tensor:
        """A tensor of floats; :class:`UsageError` where there is none of the name or type."""
        entry = self._entry(name)
        if entry["dtype"] not in DTYPES:
            raise UsageError(f"weights must be one of {', '.join(DTYPES)}; "
                             f"{name} is {entry['dtype']}")
        dtype = DTYPES[entry["dtype"]]
        return Tensor(name, dtype, self._map(name, FLOATS[dtype]))

    def integers(self, name: str) -> Array:
        """A tensor of integers, in this machine's byte order."""
        entry = self._entry(name)
        if entry["dtype"] not in INTEGERS:
            raise UsageError(f"{name} must be one of {', '.join(INTEGERS)}; it is {entry['dtype']}")
        data = self._map(name, INTEGERS[entry["dtype"]])
        return np.asarray(data, data.dtype.newbyteorder("="))

    def bytes_of(self, name: str) -> Array:
        """A tensor of elements of one byte, as they are stored: uint8."""
        entry = self._entry(name)
        if entry["dtype"] not in BYTES:
            raise UsageError(f"{name} must be one of {', '.join(BYTES)}; it is {entry['dtype']}")
        return np.asarray(self._map(name, "u1"))

    def _entry(self, name: str) -> dict[str, Any]:
        if name not in self.entries:
            raise UsageError(f"no tensor '{name}' in {self.path}"
                             f"{listed(near(name, list(self.entries)))}")
        return self.entries[name]

    def _map(self, name: str, storage: str) -> Array:
        shape = tuple(self.entries[name]["shape"])
        if 0 in shape:      # nothing to map
            return np.empty(shape, storage)
        path, start = self._where[name]
        return np.memmap(path, storage, "r", start, shape)


def _index(path: Path) -> dict[str, list[str]]:
    """The names of tensors in each shard of an index file."""
    check_source(path)
    try:
        weight_map = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards: dict[str, list[str]] = {}
        for name, shard in weight_map.items():
            if Path(shard).name != shard:
                raise ValueError(f"the shard {shard} is not in its folder")
            shards.setdefault(shard, []).append(name)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, ValueError) else "it has no weight_map of names"
        raise UsageError(f"{path} is not an index of safetensors shards: {line(why)}") from None
    return shards


def quantization_config(path: Path) -> dict[str, Any]:
    """What the model's configuration beside a file says of its quantisation; empty without one."""
    for name, key in (("quantize_config.json", None), ("config.json", "quantization_config")):
        try:
            found = json.loads((path.parent / name).read_text(encoding="utf-8"))
            found = found if key is None else found.get(key)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(found, dict):
            return found
    return {}
