"""Weight matrices from .safetensors and .npy files, decoded a few rows at a time.

Nothing is ever unpickled: .npy files with Python objects, and PyTorch's own files, are refused.
The safetensors library checks the file (header, offsets, length); the numbers are decoded here,
because NumPy has no bfloat16 and no 8-bit floats.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from lowbit.golden.formats import FP8_E4M3, FP8_E5M2

from ..errors import UsageError
from ..files import check_source, first_bytes

__all__ = ["Tensor", "load_npy", "open_matrices", "open_tensor"]

Array = NDArray[Any]

#: safetensors name -> (our name, storage type)
DTYPES = {"F64": ("float64", "<f8"), "F32": ("float32", "<f4"), "F16": ("float16", "<f2"),
          "BF16": ("bfloat16", "<u2"), "F8_E4M3": ("fp8_e4m3", "u1"), "F8_E5M2": ("fp8_e5m2", "u1")}
NPY_DTYPES = ("float16", "float32", "float64")
FP8 = {f.name: f.to_float64(np.arange(256)).astype(np.float32) for f in (FP8_E4M3, FP8_E5M2)}


@dataclass(frozen=True)
class Tensor:
    """A matrix in a file. Slicing rows reads and decodes them, exactly, to float32 or wider."""

    name: str
    dtype: str
    data: Array      #: memory map (n, k) of the stored elements

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __getitem__(self, rows: slice) -> Array:
        raw = np.asarray(self.data[rows])
        if self.dtype == "bfloat16":
            return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        if self.dtype in FP8:
            return np.take(FP8[self.dtype], raw)
        with np.errstate(invalid="ignore"):      # signalling NaN
            return raw.astype(np.float64 if self.dtype == "float64" else np.float32, copy=False)


def open_tensor(path: Path, name: str | None = None) -> Tensor:
    """The matrix ``name`` of a safetensors file (needless where it has one), or a .npy file's.

    :class:`UsageError` where there is none: file unreadable, truncated or of another kind,
    name unknown, type not a float, shape not two-dimensional.
    """
    if _is_npy(path, named=name is not None):
        return _matrix(_open_npy(path))
    file = _Safetensors(path)
    if name is None:
        if len(file.entries) != 1:
            raise UsageError(f"--tensor must name one of the {len(file.entries)} tensors of {path}"
                             f"{_list(list(file.entries)[:5])}")
        name = next(iter(file.entries))
    return _matrix(file.tensor(name))


def open_matrices(path: Path, patterns: Sequence[str] | None = None) -> list[Tensor]:
    """The matrices that names and patterns (``*``, ``?``) ask for; by default all of floats.

    A pattern finds matrices of floats only; a name says what is meant, and is refused if it is
    none. Errors as of :func:`open_tensor`.
    """
    if _is_npy(path, named=bool(patterns)):
        return [_matrix(_open_npy(path))]
    file = _Safetensors(path)
    found = sorted(name for name, entry in file.entries.items() if entry["dtype"] in DTYPES
                   and len(entry["shape"]) == 2 and 0 not in entry["shape"])
    if not found and patterns is None:
        raise UsageError(f"{path} has no matrix of {', '.join(DTYPES)}")
    chosen = found if patterns is None else []
    for pattern in patterns or ():
        hits = [] if pattern in file.entries else fnmatch.filter(found, pattern)
        chosen += hits or [pattern]
    return [_matrix(file.tensor(name)) for name in dict.fromkeys(chosen)]


def _is_npy(path: Path, *, named: bool) -> bool:
    """Whether the file is .npy; refuses a tensor's name with it, and files of other kinds."""
    magic = first_bytes(path, 9)
    if magic.startswith(b"\x93NUMPY"):
        if named:
            raise UsageError(f"--tensor names a tensor of a safetensors file; {path} is a .npy "
                             "file, which holds one array: leave --tensor out")
        return True
    if magic.startswith((b"PK\x03\x04", b"\x80")) and magic[8:] != b"{":
        # a safetensors header may be 128 bytes long, but then its text starts in byte 8
        raise UsageError(f"{path} is a zip archive or a pickle (a PyTorch or .npz file?), which is "
                         "not read; save the weights as .safetensors or .npy")
    return False


def _matrix(tensor: Tensor) -> Tensor:
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise UsageError("weights must be a matrix (output channels, inputs), not empty; "
                         f"{tensor.name} has shape {tuple(tensor.shape)}")
    return tensor


def load_npy(path: Path, what: str = "", *, mapped: bool = False) -> Array:
    """The array of a .npy file; :class:`UsageError` names it ``what`` (an option) and its path."""
    where = f"{what} {path}".strip()
    check_source(path, what)
    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise UsageError(f"{where} is not a .npy file")
        array: Array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {where}: {error.strerror or error}") from None
    except Exception as error:
        # Python objects in it, a short file; a damaged header shows in many ways
        raise UsageError(f"{where} is not a readable .npy array: {_line(error)}") from None
    return array


def _open_npy(path: Path) -> Tensor:
    data = load_npy(path, mapped=True)
    dtype = data.dtype.newbyteorder("=").name
    if dtype not in NPY_DTYPES:
        raise UsageError(f"weights must be {', '.join(NPY_DTYPES)} in a .npy file; "
                         f"{path} holds {dtype}")
    return Tensor(path.name, dtype, data)


class _Safetensors:
    """The checked header of a safetensors file; ``entries`` by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="np") as checked:
                names = list(checked.keys())
                with path.open("rb") as file:
                    length = int.from_bytes(file.read(8), "little")
                    header = json.loads(file.read(length))
        except (SafetensorError, OSError, ValueError) as error:
            raise UsageError(f"{path} is not a readable safetensors file (truncated, or of another "
                             f"kind): {_line(error)}") from None
        self.start = 8 + length
        self.entries = {name: header[name] for name in names}

    def tensor(self, name: str) -> Tensor:
        if name not in self.entries:
            raise UsageError(f"no tensor '{name}' in {self.path}"
                             f"{_list(_near(name, list(self.entries)))}")
        entry = self.entries[name]
        if entry["dtype"] not in DTYPES:
            raise UsageError(f"weights must be one of {', '.join(DTYPES)}; "
                             f"{name} is {entry['dtype']}")
        dtype, storage = DTYPES[entry["dtype"]]
        shape = tuple(entry["shape"])
        if 0 in shape:      # nothing to map
            return Tensor(name, dtype, np.empty(shape, storage))
        start = self.start + entry["data_offsets"][0]
        return Tensor(name, dtype, np.memmap(self.path, storage, "r", start, shape))


def _near(name: str, names: list[str]) -> list[str]:
    """Names like ``name``: those that contain it, then those spelled alike."""
    near = [n for n in names if name in n] + difflib.get_close_matches(name, names, n=5, cutoff=0.5)
    return list(dict.fromkeys(near))[:5] or names[:5]


def _list(names: list[str]) -> str:
    return f"; there is {', '.join(names)}" if names else ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
