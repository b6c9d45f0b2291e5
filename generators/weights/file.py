"""The tensor file: quantised weights of any format, from ``gen quantize`` to ``gen run``.

A NumPy .npz archive (no pickles, not compressed), written tensor by tensor; equal contents give
equal bytes. Scalars have shape (). Tensor i has the entries ``i.NAME``.

================== ========================== ===================================================
entry              type, shape                meaning
================== ========================== ===================================================
generated_by       bytes                      the program and its version
format, version    str, int                   ``lowbit-weights``, 2
names              str (T,)                   tensor names (last entry of the archive)
i.format           str                        weight format, one of ``gen quantize --dtype``
i.shape            int64 (2,)                 output channels n, inputs k
i.group_size       int64                      inputs that share a scale; the last group of a
                                              channel may be shorter; g = ceil(k / group_size)
i.codes            uint8 (n, ceil(k*bits/8))  codes, a dense bit stream (golden.code_stream)
i.NAME                                        what the format adds: the ``FIELDS`` of its class
================== ========================== ===================================================
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..files import MARK, check_source, first_bytes
from ..version import version

__all__ = ["FORMAT", "VERSION", "Entries", "TensorFile", "is_tensor_file", "write_tensors"]

Array = NDArray[Any]

FORMAT = "lowbit-weights"
VERSION = 2
#: formats of versions before this one, and the command that makes new files
OLD_FORMATS = {"lowbit-lut-weights": "gen pack", "lowbit-bitmod-weights": "gen quantize"}


def write_tensors(path: Path, tensors: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Write tensors (name, entries) in the order given; only one at a time is held in memory."""
    names = []
    with zipfile.ZipFile(path, "w") as archive:
        # first, so that the mark of our files stands near the start
        _put(archive, "generated_by", np.bytes_(f"{MARK} {version()} (gen quantize)"))
        _put(archive, "format", FORMAT)
        _put(archive, "version", VERSION)
        for number, (name, entries) in enumerate(tensors):
            for entry, value in entries.items():
                _put(archive, f"{number}.{entry}", value)
            names.append(name)
        _put(archive, "names", np.array(names, dtype=np.str_))


def _put(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    # a ZipInfo without a date: the bytes do not depend on the time
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)


def is_tensor_file(path: Path, option: str) -> bool:
    """Whether a file is an archive (.npz) and not an array (.npy)."""
    magic = first_bytes(path, 6, option)
    if magic.startswith(b"PK"):
        return True
    if magic != b"\x93NUMPY":
        raise UsageError(f"{option} {path} is neither a tensor file of gen quantize (.npz) nor "
                         "an array (.npy)")
    return False


class Entries:
    """The entries of one tensor: each is checked when it is taken."""

    def __init__(self, file: TensorFile, number: int) -> None:
        self.file, self.number = file, number

    def __contains__(self, name: str) -> bool:
        return f"{self.number}.{name}" in self.file.entries

    def array(self, name: str, dtype: str | tuple[str, ...], shape: tuple[int, ...]) -> Array:
        """An array of exactly this type (or one of these) and shape."""
        types = (dtype,) if isinstance(dtype, str) else dtype
        array = self.file.entry(f"{self.number}.{name}")
        if array.dtype.name not in types or array.shape != shape:
            self.refuse(f"'{name}' must be {' or '.join(types)} {shape}; it is {array.dtype} "
                        f"{array.shape}")
        return array

    def integer(self, name: str, low: int, high: int) -> int:
        """An integer in a range."""
        array = self.file.entry(f"{self.number}.{name}")
        if array.dtype.kind not in "iu" or array.shape != () or not low <= int(array) <= high:
            self.refuse(f"'{name}' must be an integer {low}..{high}")
        return int(array)

    def text(self, name: str) -> str:
        array = self.file.entry(f"{self.number}.{name}")
        if array.dtype.kind != "U" or array.shape != ():
            self.refuse(f"'{name}' must be a text")
        return str(array)

    def finite(self, name: str, dtype: str, shape: tuple[int, ...]) -> Array:
        """:meth:`array`, of finite numbers."""
        array = self.array(name, dtype, shape)
        if not np.isfinite(array).all():
            self.refuse(f"'{name}' holds a number that is not finite")
        return array

    def floats(self, name: str) -> tuple[float, ...]:
        """A row of floats."""
        array = self.file.entry(f"{self.number}.{name}")
        if array.dtype.kind != "f" or array.ndim != 1:
            self.refuse(f"'{name}' must be a row of floats")
        return tuple(array.tolist())

    def shape(self) -> tuple[int, int]:
        n, k = self.array("shape", "int64", (2,)).tolist()
        if n < 1 or k < 1:
            self.refuse(f"shape {n}, {k}")
        return n, k

    def refuse(self, why: str) -> NoReturn:
        self.file.refuse(f"tensor '{self.file.names[self.number]}': {why}")


class TensorFile:
    """An open tensor file; tensors are read one at a time.

    :class:`UsageError` where the file is none of ours, of another version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_source(path)
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        try:
            if self._file.read(4) != b"PK\x03\x04":
                self.refuse("it is not an .npz archive")
            self._file.seek(0)
            try:
                self._archive = np.load(self._file, allow_pickle=False)
            except Exception as error:
                self._damaged(error)
            self.entries = frozenset(self._archive.files)
            self._check_header()
        except BaseException:
            self._file.close()
            raise

    def _check_header(self) -> None:
        if not {"format", "version"} <= self.entries:
            self.refuse("it names no format and version")
        found, number = str(self.entry("format")), str(self.entry("version"))
        if found in OLD_FORMATS:
            raise UsageError(f"{self.path} was written by an older version ({found}); make it "
                             f"again with {OLD_FORMATS[found]}")
        if found != FORMAT:
            self.refuse(f"its format is '{found}', not '{FORMAT}'")
        if number != str(VERSION):
            raise UsageError(f"{self.path} has version {number} of the tensor file, this program "
                             f"reads {VERSION}; make it again with gen quantize")
        names = self.entry("names")
        if names.dtype.kind != "U" or names.ndim != 1 or not names.size:
            self.refuse("it names no tensors")
        self.names = names.tolist()

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._archive.close()
        self._file.close()

    def tensor(self, name: str | None = None) -> Entries:
        """The entries of the tensor ``name``, or of the only one; :class:`UsageError` otherwise."""
        if name is None:
            if len(self.names) != 1:
                raise UsageError(f"--tensor must name one of the {len(self.names)} tensors of "
                                 f"{self.path}; there is {', '.join(self.names[:5])}")
            name = self.names[0]
        if name not in self.names:
            raise UsageError(f"no tensor '{name}' in {self.path}; "
                             f"there is {', '.join(self.names[:5])}")
        return Entries(self, self.names.index(name))

    def entry(self, name: str) -> Array:
        """An entry of the archive."""
        if name not in self.entries:
            self.refuse(f"entry '{name}' is missing")
        try:
            array: Array = self._archive[name]
        except Exception as error:
            self._damaged(error)
        return array

    def refuse(self, why: str) -> NoReturn:
        raise UsageError(f"{self.path} is not a tensor file of gen quantize: {why}")

    def _damaged(self, error: Exception) -> NoReturn:
        # a damaged archive shows in many ways: BadZipFile, zlib.error, ValueError, ...
        self.refuse(f"truncated or damaged ({' '.join(str(error).split())})")
