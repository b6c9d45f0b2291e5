"""Weight matrices of floats from .safetensors, .gguf and .npy files, a few rows at a time.

Nothing is ever unpickled: .npy files with Python objects, and PyTorch's own files, are refused.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..files import check_source, first_bytes
from .gguf_blocks import BLOCK_FORMATS
from .gguf_file import GGUF_MAGIC, GgufFile, GgufTensor
from .messages import line, listed, near
from .safetensors_file import DTYPES, SafetensorsFile
from .tensor import FLOATS, Tensor

__all__ = ["Tensor", "kind_of", "load_npy", "open_matrices", "open_tensor"]

Array = NDArray[Any]

NPY_DTYPES = ("float16", "float32", "float64")
#: GGUF name -> our name of a float
GGUF_FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def kind_of(path: Path) -> str:
    """``npy``, ``gguf`` or ``safetensors`` (an index of shards too), by a file's first bytes.

    :class:`UsageError` for what can be unpickled only.
    """
    magic = first_bytes(path, 9)
    if magic.startswith(b"\x93NUMPY"):
        return "npy"
    if magic.startswith(GGUF_MAGIC):
        return "gguf"
    if magic.startswith((b"PK\x03\x04", b"\x80")) and magic[8:] != b"{":
        # a safetensors header may be 128 bytes long, but then its text starts in byte 8
        raise UsageError(f"{path} is a zip archive or a pickle (a PyTorch or .npz file?), which is "
                         "not read; save the weights as .safetensors or .npy")
    return "safetensors"


class _Floats:
    """The float tensors of a safetensors or GGUF file."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.file = SafetensorsFile(path) if kind == "safetensors" else GgufFile(path)
        if isinstance(self.file, SafetensorsFile):
            self.types = DTYPES
            self.shapes = {name: (entry["dtype"], tuple(entry["shape"]))
                           for name, entry in self.file.entries.items()}
        else:
            self.types = GGUF_FLOATS
            self.shapes = {name: (t.type, t.shape) for name, t in self.file.tensors.items()}

    def matrices(self) -> list[str]:
        return sorted(name for name, (dtype, shape) in self.shapes.items()
                      if dtype in self.types and len(shape) == 2 and 0 not in shape)

    def tensor(self, name: str) -> Tensor:
        if isinstance(self.file, SafetensorsFile):
            return _matrix(self.file.tensor(name))
        if name not in self.file.tensors:
            raise UsageError(f"no tensor '{name}' in {self.path}"
                             f"{listed(near(name, list(self.file.tensors)))}")
        return _matrix(_gguf_floats(self.file, self.file.tensors[name]))


def _gguf_floats(file: GgufFile, tensor: GgufTensor) -> Tensor:
    if tensor.type not in GGUF_FLOATS:
        hint = " already; --keep takes its own codes" if tensor.type in BLOCK_FORMATS else ""
        raise UsageError(f"weights must be one of {', '.join(GGUF_FLOATS)}; {tensor.name} is "
                         f"{tensor.type}{hint}")
    dtype = GGUF_FLOATS[tensor.type]
    return Tensor(tensor.name, dtype, file.rows(tensor).view(FLOATS[dtype]).reshape(tensor.shape))


def open_tensor(path: Path, name: str | None = None) -> Tensor:
    """The matrix ``name`` of a safetensors or GGUF file (needless where it has one tensor), or a
    .npy file's.

    :class:`UsageError` where there is none: file unreadable, truncated or of another kind,
    name unknown, type not a float, shape not two-dimensional.
    """
    kind = kind_of(path)
    if kind == "npy":
        return _npy_matrix(path, named=name is not None)
    file = _Floats(path, kind)
    if name is None:
        if len(file.shapes) != 1:
            raise UsageError(f"--tensor must name one of the {len(file.shapes)} tensors of {path}"
                             f"{listed(list(file.shapes)[:5])}")
        name = next(iter(file.shapes))
    return file.tensor(name)


def open_matrices(path: Path, patterns: Sequence[str] | None = None) -> list[Tensor]:
    """The matrices that names and patterns (``*``, ``?``) ask for; by default all of floats.

    A pattern finds matrices of floats only; a name says what is meant, and is refused if it is
    none. Errors as of :func:`open_tensor`.
    """
    kind = kind_of(path)
    if kind == "npy":
        return [_npy_matrix(path, named=bool(patterns))]
    file = _Floats(path, kind)
    found = file.matrices()
    if not found and patterns is None:
        raise UsageError(f"{path} has no matrix of {', '.join(file.types)}")
    chosen = found if patterns is None else []
    for pattern in patterns or ():
        hits = [] if pattern in file.shapes else fnmatch.filter(found, pattern)
        chosen += hits or [pattern]
    return [file.tensor(name) for name in dict.fromkeys(chosen)]


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
        raise UsageError(f"{where} is not a readable .npy array: {line(error)}") from None
    return array


def _npy_matrix(path: Path, *, named: bool) -> Tensor:
    if named:
        raise UsageError(f"--tensor names a tensor of a safetensors or GGUF file; {path} is a .npy "
                         "file, which holds one array: leave --tensor out")
    data = load_npy(path, mapped=True)
    dtype = data.dtype.newbyteorder("=").name
    if dtype not in NPY_DTYPES:
        raise UsageError(f"weights must be {', '.join(NPY_DTYPES)} in a .npy file; "
                         f"{path} holds {dtype}")
    return _matrix(Tensor(path.name, dtype, data))
