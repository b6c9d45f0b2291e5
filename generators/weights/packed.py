"""The file that ``gen pack`` writes: quantised weights and the words that a core streams.

A NumPy .npz archive (no pickles), each entry an array; scalars have shape ().

=============== ================================ ==================================================
entry           type, shape                      meaning
=============== ================================ ==================================================
generated_by    bytes                            the program and its version
format, version str, int                         ``lowbit-lut-weights``, 1
name, source    str                              tensor, element type it had
bits            int                              planes: bits b of a code
group_size      int                              weights that share a scale; 0 the whole channel
symmetric       bool                             no zero point (z' = 0)
codes           uint8 (n, k)                     q: the represented weight is s(q - z)
scale           float32 (n, g)                   s; g = ceil(k / group_size)
zero            uint8 (n, g), (n, 0) symmetric   z
K, groups, N    int                              the core that the words are for
raw             bool                             the fields are patterns, not sign and index
plane           uint8 (T,)                       plane of each beat
first, last     bool (T,)                        the beat starts, ends a reduction (one a group)
group_last      bool (T,)                        the beat is the last that reads its tables
words           uint8 (tiles, T, bytes)          weight words, least significant byte first
=============== ================================ ==================================================

Tile t holds columns t*N .. t*N + N - 1, the last one filled up with columns of scale 0. All tiles
have the same beats. Order of beats, bits of a word: :mod:`lowbit.golden.packing`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.packing import group_count, weight_beats, zero_beats
from lowbit.golden.quantize import Quantized

from ..errors import UsageError
from ..files import MARK, check_source, write_whole
from ..version import version

__all__ = ["FORMAT", "VERSION", "Packed", "load_packed", "pack_weights", "save_packed"]

Array = NDArray[Any]

FORMAT = "lowbit-lut-weights"
VERSION = 1


@dataclass(frozen=True)
class Packed:
    """Contents of a packed file; arrays and scalars as the module's table says."""

    name: str
    source: str
    bits: int
    group_size: int
    symmetric: bool
    codes: Array
    scale: Array
    zero: Array
    K: int
    groups: int
    N: int
    raw: bool
    plane: Array
    first: Array
    last: Array
    group_last: Array
    words: Array

    @property
    def quantized(self) -> Quantized:
        return Quantized(self.codes, self.scale, None if self.symmetric else self.zero, self.bits,
                         self.group_size or None)


def pack_weights(quantized: Quantized, *, K: int, groups: int, N: int, raw: bool = False,
                 name: str = "", source: str = "") -> Packed:
    """The stream of a whole matrix for a core of N columns, tile by tile."""
    n = quantized.codes.shape[0]
    bits, zero = quantized.bits, quantized.zero
    counts = None if zero is None else zero_beats(zero, bits)
    words = None
    tiles = -(-n // N)
    for t in range(tiles):
        codes = _columns(quantized.codes, t, N, 1 << (bits - 1))
        zeros = None if zero is None else _columns(zero, t, N, 1 << (bits - 1))
        beats = weight_beats(codes, bits, K, groups, zeros, group_size=quantized.group_size,
                             per_group=True, counts=counts)
        rows = beats.words(raw=raw)
        if words is None:
            words = np.empty((tiles, *rows.shape), np.uint8)
        words[t] = rows
    assert words is not None
    return Packed(name, source, bits, quantized.group_size or 0, zero is None, quantized.codes,
                  quantized.scale, np.empty((n, 0), np.uint8) if zero is None else zero,
                  K, groups, N, raw, beats.plane, beats.first, beats.last, beats.group_last, words)


def _columns(x: Array, tile: int, N: int, fill: int) -> Array:
    """The N columns (rows of ``x``) of a tile; missing ones are two's-complement zeros."""
    part = x[tile * N:(tile + 1) * N]
    return np.pad(part, ((0, N - len(part)), (0, 0)), constant_values=fill)


def save_packed(path: Path, packed: Packed) -> None:
    """Write the file, whole. Equal contents give equal bytes."""
    entries: dict[str, Any] = {
        # first, so that the mark of our files stands near the start
        "generated_by": np.bytes_(f"{MARK} {version()} (gen pack)"),
        "format": FORMAT, "version": VERSION}
    entries |= {f.name: getattr(packed, f.name) for f in fields(packed)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **entries)
    write_whole(path, write)


def load_packed(path: Path) -> Packed:
    """Read a packed file. :class:`UsageError` where it is none, of another version, or damaged."""
    def refuse(why: str) -> UsageError:
        return UsageError(f"{path} is not a packed weight file of gen pack: {why}")

    check_source(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise refuse("it is not an .npz archive")
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
            if "format" not in archive.files or "version" not in archive.files:
                raise refuse("it names no format and version")
            if str(archive["format"]) != FORMAT:
                raise refuse(f"its format is '{archive['format']}', not '{FORMAT}'")
            if str(archive["version"]) != str(VERSION):
                raise refuse(f"its version is {archive['version']}, this program reads "
                             f"{VERSION}: pack the weights again")
            loaded = {f.name: archive[f.name] for f in fields(Packed)}
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:
        # any: of the archive, of its compression, of an array's header
        raise refuse(f"truncated or damaged ({' '.join(str(error).split())})") from None
    for f in fields(Packed):
        if f.type in ("int", "bool", "str"):
            kind = {"int": int, "bool": bool, "str": str}[f.type]
            if loaded[f.name].shape != () or loaded[f.name].dtype.kind not in \
                    {"int": "iu", "bool": "b", "str": "U"}[f.type]:
                raise refuse(f"'{f.name}' is not a single {kind.__name__}")
            loaded[f.name] = kind(loaded[f.name][()])
    packed = Packed(**loaded)
    _check(packed, refuse)
    return packed


def _check(p: Packed, refuse: Any) -> None:
    """Refuse contents that do not fit together."""
    if not (1 <= p.bits <= 8 and 1 <= p.K <= 8 and p.groups >= 1 and p.N >= 1 and p.group_size >= 0
            and p.codes.ndim == 2 and p.codes.size and p.plane.ndim == 1):
        raise refuse("its parameters are out of range")
    (n, k), beats = p.codes.shape, len(p.plane)
    g = group_count(k, p.group_size or None)
    shapes = {"codes": ("uint8", (n, k)), "scale": ("float32", (n, g)),
              "zero": ("uint8", (n, 0 if p.symmetric else g)), "plane": ("uint8", (beats,)),
              "first": ("bool", (beats,)), "last": ("bool", (beats,)),
              "group_last": ("bool", (beats,)),
              "words": ("uint8", (-(-n // p.N), beats, -(-p.N * p.groups * p.K // 8)))}
    for name, (dtype, shape) in shapes.items():
        array = getattr(p, name)
        if array.dtype != dtype or array.shape != shape:
            raise refuse(f"'{name}' must be {dtype} {shape}; it is {array.dtype} {array.shape}")
    for name, limit in (("codes", 1 << p.bits), ("zero", 1 << p.bits), ("plane", p.bits)):
        array = getattr(p, name)
        if array.size and int(array.max()) >= limit:
            raise refuse(f"'{name}' holds {int(array.max())}; it must be below {limit}")
