"""Operands of ``gen run bitmod_tile|bitmod_array``: a packed file, or the raw form from arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import DataType
from lowbit.golden.bitmod.gemm import Operands

from .errors import UsageError
from .files import first_bytes
from .operands import fp16_codes, read_array
from .weights.bitmod_file import BitmodFile

__all__ = ["is_packed", "packed_operands", "raw_operands"]

Array = NDArray[Any]


def is_packed(path: Path) -> bool:
    """Whether a file is an archive (.npz) and not an array (.npy)."""
    magic = first_bytes(path, 6, "--codes")
    if magic.startswith(b"PK"):
        return True
    if magic != b"\x93NUMPY":
        raise UsageError(f"--codes {path} is neither a packed file of gen quantize (.npz) nor "
                         "an array (.npy)")
    return False


def _activations(path: Path) -> Array:
    return fp16_codes(path, "--a", "(rows, k)")


def packed_operands(a: Path, packed: Path, tensor: str | None = None,
                    dtype: str | None = None) -> Operands:
    """Activations from .npy, weights from what ``gen quantize`` wrote; ``dtype``: of which type
    they have to be."""
    with BitmodFile(packed) as file:
        if dtype is not None and dtype != file.dtype.name:
            raise UsageError(f"--dtype must be {file.dtype.name}, the type that {packed} holds, "
                             f"or be left out; got {dtype}")
        weights = file.tensor(tensor)
    return Operands.of_tensor(_activations(a), weights)


def raw_operands(a: Path, codes: Path, dtype: DataType, group_size: int, scale_codes: Path,
                 special_values: Path | None = None,
                 channel_scale: Path | None = None) -> Operands:
    """Operands from .npy files; what concerns several of them is left to the golden model."""
    q = _codes(read_array(codes, "--codes"), "--codes", "(cols, k)")
    scales = _codes(read_array(scale_codes, "--scale-codes"), "--scale-codes", "(cols, groups)")
    return Operands(_activations(a), q, dtype, group_size, scales,
                    _special_values(special_values), _channel_scale(channel_scale))


def _codes(array: Array, option: str, shape: str) -> Array:
    if array.dtype != np.uint8:
        what = "uint8 codes" if option == "--codes" else "uint8 (0..255)"
        raise UsageError(f"{option} must be {what}; got {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"{option} must have shape {shape}, both at least 1; got {array.shape}")
    return array


def _special_values(path: Path | None) -> Array | None:
    if path is None:
        return None
    array = read_array(path, "--sv")
    if array.dtype.kind not in "fi":
        raise UsageError(f"--sv must be special values, floats or integers; got {array.dtype}")
    if array.ndim != 2:
        raise UsageError(f"--sv must have shape (cols, groups); got {array.shape}")
    return array.astype(np.float64)


def _channel_scale(path: Path | None) -> Array | None:
    if path is None:
        return None
    array = read_array(path, "--channel-scale")
    if array.dtype.name not in ("float16", "float32"):
        raise UsageError("--channel-scale must be float32 (or float16), as the design multiplies "
                         f"by it; got {array.dtype}")
    return array.astype(np.float32)
