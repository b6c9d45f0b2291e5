"""Quantised weights as files have them: what there is, and the codes of one matrix.

:func:`list_tensors` tells for every tensor of a file what a core can take; :func:`load_kept` gives
a matrix's own codes, in the form that all share. A layer that several tensors make (GPTQ, AWQ,
compressed-tensors) is one line under the layer's name.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from .checkpoint import GGUF_FLOATS, NPY_DTYPES, kind_of, load_npy
from .gguf_blocks import BLOCK_FORMATS, decode_rows
from .gguf_file import TYPES, GgufFile
from .layers import Layers
from .listing import FLOAT, NO_MATRIX, STACK, Kept, Listing, core_takes, only
from .messages import listed, near
from .safetensors_file import SafetensorsFile

__all__ = ["NPY_CODES", "Kept", "Listing", "kept_names", "list_tensors", "load_kept"]

Array = NDArray[Any]

#: names of packed codes whose file does not say what they are: ml_dtypes arrays in a .npy file
NPY_CODES = {"int4": (4, 8), "uint4": (4, 0), "int2": (2, 2), "uint2": (2, 0)}   # bits, z


def list_tensors(path: Path) -> list[Listing]:
    """Every tensor of a .safetensors, .index.json, .gguf or .npy file, in the file's order.

    :class:`UsageError` for a file that cannot be read.
    """
    kind = kind_of(path)
    if kind == "npy":
        return [_list_npy(path)]
    if kind == "gguf":
        return [_list_gguf(t.name, t.type, t.shape) for t in GgufFile(path).tensors.values()]
    return Layers(SafetensorsFile(path)).listings()


def kept_names(path: Path, patterns: Sequence[str] | None) -> list[str | None]:
    """Names of the matrices of a file whose codes can be kept: those that match a pattern (``*``,
    ``?``), or all. [None] for a .npy file, whose array has no name.

    A name that is no pattern is taken as it is: :func:`load_kept` says why it is refused.
    """
    if kind_of(path) == "npy":
        return list(patterns) if patterns else [None]
    able = [tensor.name for tensor in list_tensors(path) if tensor.keep]
    if patterns is None:
        if not able:
            raise UsageError(f"{path} has no matrix with codes to keep; gen inspect lists what it "
                             "has")
        return list(able)
    names: list[str | None] = []
    for pattern in patterns:
        found = [name for name in able if fnmatch.fnmatchcase(name, pattern)]
        if not found and not set("*?[") & set(pattern):
            found = [pattern]
        if not found:
            raise UsageError(f"no matrix of {path} with codes to keep matches --tensor {pattern}; "
                             "gen inspect lists what it has")
        names += [name for name in found if name not in names]
    return names


def load_kept(path: Path, name: str | None = None, *, npy_type: str | None = None,
              gptq_zeros: str | None = None) -> Kept:
    """The codes of the matrix ``name`` (needless where a file has one such), nothing rounded.

    ``npy_type``: what the bytes of a .npy file are (:data:`NPY_CODES`); ``gptq_zeros``: ``v1`` or
    ``v2``, where a GPTQ file does not say. :class:`UsageError` says why a tensor is not taken.
    """
    kind = kind_of(path)
    if kind == "npy":
        if name is not None:
            raise UsageError(f"--tensor names a tensor of a safetensors or GGUF file; {path} is a "
                             ".npy file, which holds one array: leave --tensor out")
        return _keep_npy(path, npy_type)
    try:
        if kind == "gguf":
            return _keep_gguf(GgufFile(path), name)
        return Layers(SafetensorsFile(path)).load(name, gptq_zeros)
    except ParameterError as error:
        raise UsageError(f"{path}: {error}") from None


# -- GGUF -------------------------------------------------------------------------------------
def _list_gguf(name: str, form: str, shape: tuple[int, ...]) -> Listing:
    _, block, size = next(t for t in TYPES.values() if t[0] == form)
    block_format, group, takes, keep = BLOCK_FORMATS.get(form), None, "", False
    matrix = len(shape) == 2 and 0 not in shape
    if block_format is not None:
        group, keep = block_format.group, matrix
        takes = core_takes(block_format.bits, block=block_format.kind,
                           minimum=block_format.zero is None,
                           ternary=block_format.zero == 1)
    elif form in GGUF_FLOATS:
        takes = FLOAT
    else:
        takes = "not taken: " + ("integers without a scale" if form.startswith("I") and block == 1
                                 else "no importer of this format")
    if not matrix:
        takes = STACK if len(shape) > 2 and form not in GGUF_FLOATS else NO_MATRIX
    return Listing(name, form, shape, size * 8 / block, group, takes, keep)


def _keep_gguf(file: GgufFile, name: str | None) -> Kept:
    if name is None:
        name = only([t.name for t in file.tensors.values()
                      if _list_gguf(t.name, t.type, t.shape).keep], file.path)
    if name not in file.tensors:
        raise UsageError(f"no tensor '{name}' in {file.path}"
                         f"{listed(near(name, list(file.tensors)))}")
    tensor = file.tensors[name]
    if tensor.type in GGUF_FLOATS:
        raise UsageError(f"{name} is {tensor.type} and has no codes to keep; leave --keep out")
    if tensor.type not in BLOCK_FORMATS:
        raise UsageError(f"{name} is {tensor.type}, which is not taken; --keep takes "
                         f"{', '.join(BLOCK_FORMATS)}: convert the model to one of these")
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise UsageError(f"--keep takes a matrix (output channels, inputs), not empty; {name} has "
                         f"shape {tensor.shape}")
    factor, notes = 1.0, list[str]()
    if BLOCK_FORMATS[tensor.type].kind == "nvfp4":
        factor, notes = _tensor_scale(file, name)
    try:
        return Kept(name, tensor.type, decode_rows(tensor.type, file.rows(tensor), factor), notes)
    except ParameterError as error:
        raise UsageError(f"{name}: {error}") from None


def _tensor_scale(file: GgufFile, name: str) -> tuple[float, list[str]]:
    """NVFP4's scale of a whole tensor, which is one of its own: ``x.scale`` of ``x.weight``."""
    scale = name.removesuffix("weight").rstrip(".") + ".scale"
    if scale not in file.tensors:
        return 1.0, [f"no tensor {scale}: the scale of the tensor is 1"]
    found = file.tensors[scale]
    if found.type != "F32" or found.shape != (1,):
        raise UsageError(f"{scale} must be one F32 number, the scale of {name}; it is {found.type} "
                         f"of shape {found.shape}")
    value = float(file.rows(found).view("<f4")[0, 0])
    return value, [f"scale of the tensor: {scale}, {value:.6g}"]


# -- .npy -------------------------------------------------------------------------------------
def _list_npy(path: Path) -> Listing:
    data = load_npy(path, mapped=True)
    dtype, matrix = data.dtype.newbyteorder("=").name, data.ndim == 2 and data.size > 0
    keep = data.dtype.itemsize == 1 and data.dtype.kind == "V" and matrix
    takes = FLOAT if dtype in NPY_DTYPES else "codes of ml_dtypes: --keep --npy-type " \
        f"{'|'.join(NPY_CODES)}" if keep else "not taken: no floats, and no codes of ml_dtypes"
    return Listing(path.name, "codes" if keep else dtype, data.shape, data.dtype.itemsize * 8.0,
                   None, takes if matrix else NO_MATRIX, keep)


def _keep_npy(path: Path, npy_type: str | None) -> Kept:
    """Codes of an ml_dtypes array: NumPy saves such elements as bytes of an unknown type."""
    data = load_npy(path)
    if data.dtype.itemsize != 1 or data.dtype.kind != "V":
        hint = "; leave --keep out to quantise it" if data.dtype.name in NPY_DTYPES else ""
        raise UsageError(f"--keep takes a .npy file of {', '.join(NPY_CODES)} from ml_dtypes; "
                         f"{path} holds {data.dtype.name}{hint}")
    if npy_type not in NPY_CODES:
        raise UsageError(f"{path} does not say what its bytes are; give --npy-type "
                         f"{'|'.join(NPY_CODES)}")
    if data.ndim != 2 or data.size == 0:
        raise UsageError(f"--keep takes a matrix (output channels, inputs), not empty; {path} has "
                         f"shape {data.shape}")
    (bits, zero), raw = NPY_CODES[npy_type], np.ascontiguousarray(data).view(np.uint8)
    mask = (1 << bits) - 1
    # the bits above are the sign's copies or zeros, as the library made them
    extended = raw | ~np.uint8(mask) if zero else raw
    allowed = (raw <= mask) | ((raw == extended) & (raw & (mask ^ mask >> 1) != 0)) \
        if zero else raw <= mask
    if not allowed.all():
        raise UsageError(f"{path} holds a byte {raw[~allowed][0]}, which is no {npy_type}")
    codes = (raw & np.uint8(mask)) ^ np.uint8(zero)
    n = len(codes)
    return Kept(path.name, npy_type, GroupedWeights(
        codes, np.ones((n, 1), np.float32), np.full((n, 1), zero, np.uint8), bits, None).check(),
        ["codes as integers: the file has no scales"])
