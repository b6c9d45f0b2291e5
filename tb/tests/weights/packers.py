"""Quantised layers written and read from the published layouts, weight by weight.

Nothing here shares code with the importers: bits are set and read one at a time, in Python's
integers.
"""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

#: column of a word of eight that AWQ's nibble i holds
AWQ_NIBBLES = [0, 2, 4, 6, 1, 3, 5, 7]


def write_safetensors(path: Path, tensors: dict[str, tuple[str, Any]]) -> None:
    """The file format written out by hand: NumPy's writer does not know every type."""
    header, data = {}, b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": array.shape,
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def int32(words):
    """Rows of Python integers of 32 bits as int32."""
    return np.array(words, np.uint32).view(np.int32)


def bit_string(values, bits):
    """Words of a string of fields: field i at bits i*bits, lowest first; the last word padded."""
    string = sum(int(v) << i * bits for i, v in enumerate(values))
    return [string >> 32 * w & 0xFFFFFFFF for w in range(-(-len(values) * bits // 32))]


def field(words, index, bits):
    """Field ``index`` of a string over words, bit by bit."""
    value = 0
    for b in range(bits):
        at = index * bits + b
        value |= (int(words[at // 32]) >> at % 32 & 1) << b
    return value


def gptq(q, z, scale, g_idx, bits, version):
    """Tensors of a layer with codes (k, n), z (groups, n): transposed strings of bits."""
    stored = z - 1 if version == 1 else z
    return {"qweight": int32([bit_string(column, bits) for column in q.T]).T,
            "qzeros": int32([bit_string(row, bits) for row in stored]),
            "scales": scale, "g_idx": g_idx.astype(np.int32)}


def gptq_dequantized(tensors, bits, version):
    """Weights (n, k) by loops over inputs and columns."""
    words, zeros = tensors["qweight"].view(np.uint32), tensors["qzeros"].view(np.uint32)
    k, n = len(tensors["g_idx"]), tensors["scales"].shape[1]
    out = np.empty((n, k))
    for i in range(k):
        g = tensors["g_idx"][i]
        for j in range(n):
            z = field(zeros[g], j, bits) + (1 if version == 1 else 0)
            out[j, i] = float(tensors["scales"][g, j]) * (field(words[:, j], i, bits) - z)
    return out


def awq(q, z, scale):
    """Tensors of a layer with codes (k, n), z (groups, n), n a multiple of 8."""
    def words(rows):
        return int32([[sum(int(row[c + AWQ_NIBBLES[i]]) << 4 * i for i in range(8))
                       for c in range(0, len(row), 8)] for row in rows])
    return {"qweight": words(q), "qzeros": words(z), "scales": scale}


def awq_dequantized(tensors, group):
    words, zeros = tensors["qweight"].view(np.uint32), tensors["qzeros"].view(np.uint32)
    k, n = len(words), words.shape[1] * 8
    out = np.empty((n, k))
    for i in range(k):
        for word in range(n // 8):
            for nibble in range(8):
                j = word * 8 + AWQ_NIBBLES[nibble]
                q = int(words[i, word]) >> 4 * nibble & 15
                z = int(zeros[i // group, word]) >> 4 * nibble & 15
                out[j, i] = float(tensors["scales"][i // group, j]) * (q - z)
    return out


def compressed(q, scale, bits, zero=None):
    """Tensors of a layer with signed integers (n, k) and, if given, zero points (n, groups)."""
    middle = 1 << bits - 1
    out = {"weight_packed": int32([bit_string(row + middle, bits) for row in q]),
           "weight_shape": np.array(q.shape, np.int64), "weight_scale": scale}
    if zero is not None:
        out["weight_zero_point"] = np.ascontiguousarray(
            int32([bit_string(column + middle, bits) for column in zero.T]).T)
    return out


def compressed_dequantized(tensors, bits, group_of):
    """Weights (n, k); ``group_of`` is the group of each input."""
    n, k = tensors["weight_shape"]
    words, middle = tensors["weight_packed"].view(np.uint32), 1 << bits - 1
    out = np.empty((n, k))
    for i in range(n):
        for j in range(k):
            g, z = group_of[j], 0
            if "weight_zero_point" in tensors:
                column = tensors["weight_zero_point"][:, g]
                z = int(column[i]) if column.dtype == np.int8 else \
                    field(column.view(np.uint32), i, bits) - middle
            out[i, j] = float(tensors["weight_scale"][i, g]) * (field(words[i], j, bits) - middle
                                                                - z)
    return out


def e8m0(byte):
    """A power of two, bias 127, no sign."""
    return Fraction(2) ** (int(byte) - 127)


def e4m3(byte):
    """Sign, four bits of exponent, three of fraction; bias 7, subnormals, no infinity."""
    sign, exponent, fraction = int(byte) >> 7, int(byte) >> 3 & 15, int(byte) & 7
    value = Fraction(fraction, 8) * Fraction(2) ** -6 if exponent == 0 else \
        (1 + Fraction(fraction, 8)) * Fraction(2) ** (exponent - 7)
    return -value if sign else value


def e2m1(code):
    """Sign, two bits of exponent, one of fraction; bias 1, a subnormal 1/2."""
    sign, exponent, fraction = code >> 3, code >> 1 & 3, code & 1
    value = Fraction(fraction, 2) if exponent == 0 else \
        (1 + Fraction(fraction, 2)) * Fraction(2) ** (exponent - 1)
    return -value if sign else value


def fp4_dequantized(tensors, block):
    """Weights (n, k) of a compressed-tensors layer of E2M1 codes, exact fractions: the lower of
    two inputs in a byte's low half; NVFP4's (blocks of 16) divided by the global scale."""
    packed, scales = tensors["weight_packed"], tensors["weight_scale"]
    scale_of, divisor = e8m0, Fraction(1)
    if block == 16:
        scale_of, divisor = e4m3, Fraction(float(tensors["weight_global_scale"][0]))
    n, k = len(packed), 2 * packed.shape[1]
    return [[e2m1(int(packed[i, j // 2]) >> 4 * (j % 2) & 15) * scale_of(scales[i, j // block])
             / divisor for j in range(k)] for i in range(n)]
