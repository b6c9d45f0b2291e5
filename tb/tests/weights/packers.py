"""Quantised layers written and read from the published layouts, weight by weight.

Nothing here shares code with the importers: bits are set and read one at a time, in Python's
integers.
"""

from __future__ import annotations

import numpy as np

#: column of a word of eight that AWQ's nibble i holds
AWQ_NIBBLES = [0, 2, 4, 6, 1, 3, 5, 7]


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
