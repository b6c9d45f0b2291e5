"""GPTQ and AWQ: a layer's ``qweight``, ``qzeros``, ``scales`` and, for GPTQ, ``g_idx``.

Both have weights s (q - z) and hold W as (k, n), inputs first.

=========== ============================================== =====================================
tensor      GPTQ, b bits (2, 3, 4, 8)                      AWQ, 4 bits
=========== ============================================== =====================================
qweight     int32 (k b / 32, n): the codes of a column     int32 (k, n / 8): the codes of eight
            are one string of bits down the words          columns, nibble i of column ORDER[i]
qzeros      int32 (groups, n b / 32): a string of bits     int32 (groups, n / 8), ORDER too
            along the columns
scales      float (groups, n)                              float (groups, n)
g_idx       int32 (k,): the group of each input            none
=========== ============================================== =====================================

A 3-bit code may lie across two words. A GPTQ file of version 1 stores z - 1, one of version 2 z;
its configuration says which (``checkpoint_format``; without that word it is 1), or the zero points
of symmetric weights do, all 2**(b-1). In version 1 z = 2**b is possible, and taken as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bits import unpack_bits
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.groups import group_count

from ..errors import UsageError

__all__ = ["AWQ_ORDER", "GPTQ_BITS", "awq_weights", "gptq_weights", "group_order",
           "gptq_bits"]

Array = NDArray[Any]
#: gives a companion tensor: the integers of a name
Integers = Callable[[str], Array]

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
GPTQ_BITS = (2, 3, 4, 8)


def gptq_bits(qweight: tuple[int, ...], qzeros: tuple[int, ...], scales: tuple[int, ...],
              inputs: int | None) -> int | None:
    """Bits of a GPTQ code, from the shapes of a layer; None where they are no such layer's."""
    if not len(qweight) == len(qzeros) == len(scales) == 2 or qzeros[0] != scales[0] \
            or qweight[1] != scales[1]:
        return None
    for bits in GPTQ_BITS:
        if qzeros[1] * 32 == scales[1] * bits and qweight[0] * 32 % bits == 0 \
                and inputs in (None, qweight[0] * 32 // bits):
            return bits
    return None


def _words(words: Array, bits: int, count: int) -> Array:
    """Fields of int32 words along the last axis, as one string of bits each row."""
    return unpack_bits(np.ascontiguousarray(words, "<i4").view(np.uint8), bits, count)


def group_order(g_idx: Array, groups: int, name: str) -> tuple[int, Array | None]:
    """(group size, order of inputs that makes every group a run; None if it is one already)."""
    if g_idx.min() < 0 or g_idx.max() >= groups:
        raise UsageError(f"{name} must hold groups 0..{groups - 1}; it holds "
                         f"{g_idx.min()}..{g_idx.max()}")
    sizes = np.bincount(g_idx, minlength=groups)
    size = int(sizes[0])
    if (sizes[:-1] != size).any() or not 0 < sizes[-1] <= size:
        raise UsageError(f"the groups of {name} must have one size, the last at most that; they "
                         f"have {', '.join(map(str, np.unique(sizes)[:5]))} inputs: quantise the "
                         "dequantised weights")
    order = np.argsort(g_idx, kind="stable")
    return size, None if (order == np.arange(len(order))).all() else order


def _version(stored: Array, bits: int, config: dict[str, Any], asked: str | None,
             name: str) -> tuple[int, str]:
    """(1 or 2, a sentence on how that is known)."""
    if asked is not None:
        return int(asked[1:]), f"zero points of version {asked[1:]}, as asked for"
    if config.get("quant_method", "gptq") == "gptq" and ("bits" in config or
                                                         "quant_method" in config):
        version = 2 if config.get("checkpoint_format") == "gptq_v2" else 1
        return version, f"zero points of version {version}, as its configuration says"
    middle = 1 << (bits - 1)
    for version, value in ((1, middle - 1), (2, middle)):
        if (stored == value).all():
            return version, (f"zero points of version {version}: all stored as {value}, symmetric "
                             "weights")
    raise UsageError(f"{name} may store z or z - 1, and no configuration beside the file says "
                     "which; give --gptq-zeros v1 (z - 1) or v2 (z)")


def gptq_weights(base: str, integers: Integers, scales: Array, config: dict[str, Any], *,
                 g_idx: bool, zeros: str | None = None) -> tuple[GroupedWeights, list[str]]:
    """Weights of the layer ``base`` and notes on how its file was understood.

    ``scales`` float32 (groups, n). :class:`UsageError` where the tensors do not fit each other.
    """
    qweight, qzeros = integers(f"{base}.qweight"), integers(f"{base}.qzeros")
    groups, n = scales.shape
    index = integers(f"{base}.g_idx") if g_idx else None
    bits = gptq_bits(qweight.shape, qzeros.shape, scales.shape,
                     None if index is None else len(index))
    if bits is None or bits != config.get("bits", bits):
        raise UsageError(f"{base} is no GPTQ layer of {', '.join(map(str, GPTQ_BITS))} bits: "
                         f"qweight {qweight.shape}, qzeros {qzeros.shape}, scales {scales.shape}"
                         + ("" if index is None else f", g_idx {index.shape}")
                         + ("" if "bits" not in config else f", {config['bits']} bits configured"))
    k = len(qweight) * 32 // bits
    notes, order = [], None
    if index is not None:
        size, order = group_order(index, groups, f"{base}.g_idx")
        if order is not None:
            notes.append("act-order: inputs are taken in the order of their groups")
    else:
        size = group_size_of(base, k, groups, config)
    codes = _words(qweight.T, bits, k)
    stored = _words(qzeros, bits, n).T
    version, how = _version(stored, bits, config, zeros, f"{base}.qzeros")
    notes.append(how)
    zero = stored.astype(np.int16) + (2 - version)
    return GroupedWeights(codes if order is None else codes[:, order], _columns(scales), zero,
                          bits, size, order=order).check(), notes


def awq_weights(base: str, integers: Integers, scales: Array,
                config: dict[str, Any]) -> tuple[GroupedWeights, list[str]]:
    """Weights of an AWQ layer; as :func:`gptq_weights`."""
    qweight, qzeros = integers(f"{base}.qweight"), integers(f"{base}.qzeros")
    groups, n = scales.shape
    k = len(qweight)
    if qweight.shape != (k, n // 8) or qzeros.shape != (groups, n // 8) or n % 8:
        raise UsageError(f"{base} is no AWQ layer: qweight {qweight.shape}, qzeros "
                         f"{qzeros.shape}, scales {scales.shape}")
    columns = np.argsort(AWQ_ORDER)      # nibble that holds each column of a word

    def plain(words: Array) -> Array:
        nibbles = _words(words, 4, n).reshape(len(words), -1, 8)
        return nibbles[..., columns].reshape(len(words), n).T
    return GroupedWeights(np.ascontiguousarray(plain(qweight)), _columns(scales),
                          np.ascontiguousarray(plain(qzeros)), 4,
                          group_size_of(base, k, groups, config)).check(), []


def group_size_of(base: str, k: int, groups: int, config: dict[str, Any]) -> int:
    """Inputs of a group: as configured, else k over their number."""
    size = config.get("group_size")
    if not isinstance(size, int) or size < 1:
        if k % groups:
            raise UsageError(f"{base} has {k} inputs in {groups} groups, and no configuration "
                             "beside the file gives the group_size")
        size = k // groups
    if group_count(k, size) != groups:
        raise UsageError(f"{base} has {k} inputs in {groups} groups, which groups of {size} do "
                         "not make")
    return size


def _columns(scales: Array) -> Array:
    return np.ascontiguousarray(scales.T, np.float32)
