"""The file that ``gen quantize`` writes: tensors of one BitMoD data type with their scales.

A NumPy .npz archive (no pickles, not compressed), written tensor by tensor; equal contents give
equal bytes. Scalars have shape (). T tensors; tensor i has the entries ``i.NAME``.

================== ============================ =================================================
entry              type, shape                  meaning
================== ============================ =================================================
generated_by       bytes                        the program and its version
format, version    str, int                     ``lowbit-bitmod-weights``, 1
dtype              str                          data type, one of ``gen quantize --dtype``
special_values     float64 (s,)                 special values in order of the selectors
group_size         int                          inputs that share a scale; the last group of a
                                                channel may be shorter
scale_bits         int                          8 (two levels) or 16
names              str (T,)                     tensor names (last entry of the archive)
i.shape            int64 (2,)                   output channels n, inputs k; g = ceil(k / group)
i.codes            uint8 (n, ceil(k*bits/8))    codes, a dense bit stream (golden.bitmod.packing)
i.selectors        uint8 (n, g)                 special value of each group (types with any)
i.scale_codes      uint8 (n, g)                 8-bit scales: scale = scale code * channel scale
i.channel_scale    float32 (n,)
i.scales           float16 (n, g)               16-bit scales instead of the two above
i.zero_points      int32 (n, g)                 asymmetric types: weight = (code - zero) * scale
================== ============================ =================================================
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import DataType, get_data_type
from lowbit.golden.bitmod.packing import pack_codes, packed_bytes, unpack_codes
from lowbit.golden.bitmod.quantizer import SCALE_BITS, QuantizedTensor
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..files import MARK, check_source
from ..version import version

__all__ = ["FORMAT", "VERSION", "BitmodFile", "write_tensors"]

Array = NDArray[Any]

FORMAT = "lowbit-bitmod-weights"
VERSION = 1


def write_tensors(path: Path, dtype: DataType, group_size: int, scale_bits: int,
                  tensors: Iterable[tuple[str, QuantizedTensor]]) -> None:
    """Write tensors as they come; only one at a time is held in memory."""
    names = []
    with zipfile.ZipFile(path, "w") as archive:
        # first, so that the mark of our files stands near the start
        _put(archive, "generated_by", np.bytes_(f"{MARK} {version()} (gen quantize)"))
        for name, value in (("format", FORMAT), ("version", VERSION), ("dtype", dtype.name),
                            ("special_values", np.array(dtype.special_values, np.float64)),
                            ("group_size", group_size), ("scale_bits", scale_bits)):
            _put(archive, name, value)
        for number, (name, tensor) in enumerate(tensors):
            entries = {"shape": np.array(tensor.shape, np.int64),
                       "codes": pack_codes(tensor.codes, dtype.bits),
                       "selectors": tensor.selectors if dtype.special_values else None,
                       "scale_codes": tensor.scale_codes, "channel_scale": tensor.channel_scale,
                       "scales": tensor.scales, "zero_points": tensor.zero_points}
            for entry, array in entries.items():
                if array is not None:
                    _put(archive, f"{number}.{entry}", array)
            names.append(name)
        _put(archive, "names", np.array(names, dtype=np.str_))


def _put(archive: zipfile.ZipFile, name: str, value: Any) -> None:
    # a ZipInfo without a date: the bytes do not depend on the time
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)


class BitmodFile:
    """An open packed file: header fields as attributes, tensors read one at a time.

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
                self._refuse("it is not an .npz archive")
            self._file.seek(0)
            try:
                self._archive = np.load(self._file, allow_pickle=False)
            except Exception as error:
                self._damaged(error)
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        missing = {"format", "version"} - set(self._archive.files)
        if missing:
            self._refuse("it names no format and version")
        found = str(self._entry("format", "U", ()))
        if found != FORMAT:
            self._refuse(f"its format is '{found}', not '{FORMAT}'")
        number = int(self._entry("version", "iu", ()))
        if number != VERSION:
            self._refuse(f"its version is {number}, this program reads {VERSION}: "
                         "quantize the weights again")
        values = tuple(float(v) for v in self._entry("special_values", "f", None).ravel())
        try:
            self.dtype = get_data_type(str(self._entry("dtype", "U", ())), values)
        except ParameterError as error:
            self._refuse(str(error))
        self.group_size = int(self._entry("group_size", "iu", ()))
        self.scale_bits = int(self._entry("scale_bits", "iu", ()))
        self.names = [str(name) for name in self._entry("names", "U", None).ravel()]
        if self.group_size < 1 or self.scale_bits not in SCALE_BITS or not self.names:
            self._refuse("its group size, scale bits or tensor names are out of range")

    def __enter__(self) -> BitmodFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._archive.close()
        self._file.close()

    def tensor(self, name: str | None = None) -> QuantizedTensor:
        """The tensor ``name``, or the only one; :class:`UsageError` otherwise."""
        if name is None:
            if len(self.names) != 1:
                raise UsageError(f"--tensor must name one of the {len(self.names)} tensors of "
                                 f"{self.path}; there is {', '.join(self.names[:5])}")
            name = self.names[0]
        if name not in self.names:
            raise UsageError(f"no tensor '{name}' in {self.path}; "
                             f"there is {', '.join(self.names[:5])}")
        i, dtype = self.names.index(name), self.dtype
        rows, columns = (int(n) for n in self._entry(f"{i}.shape", "iu", (2,)))
        if rows < 1 or columns < 1:
            self._refuse(f"tensor '{name}' has shape {rows}, {columns}")
        groups = -(-columns // self.group_size)
        packed = self._entry(f"{i}.codes", "u1", (rows, packed_bytes(columns, dtype.bits)))
        codes = unpack_codes(packed, columns, dtype.bits)
        selectors = np.zeros((rows, groups), np.uint8)
        if dtype.special_values:
            selectors = self._entry(f"{i}.selectors", "u1", (rows, groups))
            if selectors.max() >= len(dtype.special_values):
                self._refuse(f"tensor '{name}' selects special value {int(selectors.max())} of "
                             f"{len(dtype.special_values)}")
        two_level = self.scale_bits == 8
        scale_codes = self._entry(f"{i}.scale_codes", "u1", (rows, groups)) if two_level else None
        channel = self._entry(f"{i}.channel_scale", "f4", (rows,)) if two_level else None
        scales = None if two_level else self._entry(f"{i}.scales", "f2", (rows, groups))
        zeros = self._entry(f"{i}.zero_points", "i4", (rows, groups)) \
            if dtype.kind == "int_asym" else None
        for array in (channel, scales):
            if array is not None and not np.isfinite(array).all():
                self._refuse(f"tensor '{name}' has a scale that is not finite")
        return QuantizedTensor(dtype, self.group_size, codes, selectors, scale_codes, channel,
                               scales, zeros)

    def _entry(self, name: str, kind: str, shape: tuple[int, ...] | None) -> Array:
        """An entry of the archive, its type (kind or full code) and shape checked."""
        if name not in self._archive.files:
            self._refuse(f"entry '{name}' is missing")
        try:
            array: Array = self._archive[name]
        except Exception as error:
            self._damaged(error)
        found = array.dtype.str[1:] if kind[1:].isdigit() else array.dtype.kind
        if found != kind and not (len(kind) > 1 and found in kind):
            self._refuse(f"entry '{name}' has type {array.dtype}")
        if shape is not None and array.shape != shape:
            self._refuse(f"entry '{name}' has shape {array.shape}, not {shape}")
        return array

    def _refuse(self, why: str) -> NoReturn:
        raise UsageError(f"{self.path} is not a packed file of gen quantize: {why}")

    def _damaged(self, error: Exception) -> NoReturn:
        # a damaged archive shows in many ways: BadZipFile, zlib.error, ValueError, ...
        self._refuse(f"truncated or damaged ({' '.join(str(error).split())})")
