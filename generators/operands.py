"""Operands of ``gen run`` from a user's .npy files, or from a packed file of ``gen pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16
from lowbit.golden.lut.gemm import Operands

from .errors import UsageError
from .weights.checkpoint import load_npy
from .weights.packed import load_packed

__all__ = ["activation_codes", "fp16_codes", "packed_operands", "read_array", "read_operands"]

Array = NDArray[Any]

#: activation format -> NumPy types of an array that holds it
ACTIVATION_TYPES = {"int8": ("int8",), "int16": ("int16",), "fp16": ("float16", "uint16"),
                    "bf16": ("uint16",), "fp8_e4m3": ("uint8",), "fp8_e5m2": ("uint8",)}


def read_array(path: Path, option: str) -> Array:
    """The array of a .npy file, in this machine's byte order."""
    array = load_npy(path, option)
    return np.asarray(array, array.dtype.newbyteorder("="))


def activation_codes(array: Array, a_format: str) -> Array:
    """Activations (rows, k) as the golden model takes them: integers, or raw floating codes."""
    types = ACTIVATION_TYPES[a_format]
    if array.dtype.name not in types:
        raw = "" if a_format.startswith("int") else f" (raw codes where it is {types[-1]})"
        fitting = [name for name, held in ACTIVATION_TYPES.items() if array.dtype.name in held]
        hint = f"; for {array.dtype} give --a-format {' or '.join(fitting)}" if fitting else ""
        raise UsageError(f"--a must be {' or '.join(types)} for --a-format {a_format}{raw}; "
                         f"got {array.dtype}{hint}")
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"--a must have shape (rows, k), both at least 1; got {array.shape}")
    return FP16.from_array(array) if array.dtype == np.float16 else array.astype(np.int64)


def fp16_codes(path: Path, option: str, shape: str) -> Array:
    """FP16 codes of a .npy file for a design that takes no other activations: float16, or uint16
    as they are. ``shape`` is that of the array, two names in parentheses."""
    array = read_array(path, option)
    if array.dtype.name not in ("float16", "uint16"):
        hint = "; convert it: array.astype(numpy.float16)" if array.dtype.kind in "fi" else ""
        raise UsageError(f"{option} must be float16, or uint16 as raw FP16 codes; "
                         f"got {array.dtype}{hint}")
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"{option} must have shape {shape}, both at least 1; got {array.shape}")
    return FP16.from_array(array) if array.dtype == np.float16 else array.astype(np.int64)


def _check_weights(q: Array) -> Array:
    if q.dtype != np.uint8:
        raise UsageError(f"--w must be uint8 codes; got {q.dtype}")
    if q.ndim != 2 or 0 in q.shape:
        raise UsageError(f"--w must have shape (cols, k), both at least 1; got {q.shape}")
    return q


def read_operands(a_format: str, a: Path, w: Path, bits: int, zero: Path | None = None,
                  scale: Path | None = None, group_size: int | None = None) -> Operands:
    """Operands from .npy files; what concerns several of them is left to :class:`Gemm`."""
    codes = activation_codes(read_array(a, "--a"), a_format)
    q = _check_weights(read_array(w, "--w"))
    per_group = {option: None if path is None else read_array(path, option)
                 for option, path in (("--zero-point", zero), ("--scale", scale))}
    for option, array in per_group.items():
        if array is not None and group_size is None and array.ndim == 2 and array.shape[1] > 1:
            raise UsageError(f"{option} with {array.shape[1]} groups a column needs --group-size")
    if group_size is not None and zero is None and scale is None:
        raise UsageError("--group-size says how many weights share a zero point or scale; "
                         "give --zero-point or --scale, or leave it out")
    return Operands(codes, q, bits, per_group["--zero-point"], per_group["--scale"], group_size)


def packed_operands(a_format: str, a: Path, packed: Path) -> Operands:
    """Operands with the weights, zero points and scales of a packed file."""
    codes = activation_codes(read_array(a, "--a"), a_format)
    weights = load_packed(packed).quantized
    return Operands(codes, weights.codes, weights.bits, weights.zero, weights.scale,
                    weights.group_size)
