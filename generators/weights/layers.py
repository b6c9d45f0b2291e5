"""Quantised layers of safetensors files: the tensors that belong together, listed and loaded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.block_formats import BLOCK_KINDS

from ..errors import UsageError
from .compressed_fp4 import GLOBAL_SCALE, fp4_kind, fp4_weights
from .compressed_tensors import compressed_weights, packed_bits
from .gptq import awq_weights, gptq_bits, gptq_weights
from .listing import FLOAT, NO_MATRIX, Kept, Listing, core_takes, only
from .messages import listed, near
from .safetensors_file import DTYPES, SafetensorsFile, quantization_config

__all__ = ["Layers"]

Array = NDArray[Any]

#: suffixes of the tensors that make one layer, the one that names it first
QUARTET = ("qweight", "qzeros", "scales", "g_idx")
PACKED = ("weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx")
SUFFIXES = (*QUARTET, *PACKED, GLOBAL_SCALE)


class Layers:
    """The tensors of a safetensors file, those of a quantised layer together."""

    def __init__(self, file: SafetensorsFile) -> None:
        self.file = file
        self.config = quantization_config(file.path)
        self.parts: dict[str, set[str]] = {}
        for name in file.entries:
            base, _, suffix = name.rpartition(".")
            if suffix in SUFFIXES:
                self.parts.setdefault(base, set()).add(suffix)
        #: layers that are complete enough to be named as such
        self.layers = {base for base, parts in self.parts.items()
                       if parts & {"qweight", "weight_packed"}}

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.file.entries[name]["shape"])

    def _bits_stored(self, names: list[str]) -> int:
        size = {"I64": 64, "F64": 64, "I32": 32, "F32": 32, "U8": 8, "I8": 8,
                "F8_E4M3": 8, "F8_E8M0": 8}
        return sum(size.get(self.file.entries[name]["dtype"], 16) * math.prod(self.shape(name))
                   for name in names)

    def _is_fp4(self, base: str) -> bool:
        """A layer of compressed-tensors with codes of four bits in bytes, not in words."""
        return "weight_packed" in self.parts[base] and \
            self.file.entries[f"{base}.weight_packed"]["dtype"] == "U8"

    def missing(self, base: str) -> list[str]:
        needed: tuple[str, ...] = QUARTET[:3] if "qweight" in self.parts[base] else PACKED[:3]
        if self._is_fp4(base):
            needed = PACKED[:2]
            if needed[1] in self.parts[base] and fp4_kind(self.file, base) == "nvfp4":
                needed = *needed, GLOBAL_SCALE
        return [f"{base}.{part}" for part in needed if part not in self.parts[base]]

    def listings(self) -> list[Listing]:
        out, seen = [], set()
        for name, entry in self.file.entries.items():
            base, _, suffix = name.rpartition(".")
            if base in self.layers and suffix in SUFFIXES:
                if base not in seen:
                    out.append(self._layer(base))
                seen.add(base)
                continue
            shape, dtype = self.shape(name), entry["dtype"]
            takes = NO_MATRIX if len(shape) != 2 or 0 in shape else FLOAT if dtype in DTYPES else \
                "not taken: " + ("integers without companion tensors"
                                 if dtype[0] in "IU" else "no importer of this type")
            # the name of the type gives its width: F8_E4M3, BF16, I32
            bits = int("".join(c for c in dtype.split("_")[0] if c.isdigit()) or 8)
            out.append(Listing(name, dtype, shape, bits, None, takes, False))
        return out

    def _layer(self, base: str) -> Listing:
        names = [f"{base}.{part}" for part in self.parts[base]]
        if missing := self.missing(base):
            first = "qweight" if "qweight" in self.parts[base] else "weight_packed"
            return Listing(base, "incomplete", self.shape(f"{base}.{first}"), 32, None,
                           f"not taken: {', '.join(missing)} missing", False)
        if self._is_fp4(base):
            return self._fp4_layer(base, names)
        form, bits, n, k = self._form(base)
        if bits is None:
            return Listing(base, form, (n, k), 0, None, "not taken: shapes do not fit", False)
        groups = self.shape(f"{base}.scales")[0] if form != "compressed" else \
            self.shape(f"{base}.weight_scale")[-1]
        size = self.config.get("group_size")
        size = size if isinstance(size, int) and size > 0 else -(-k // groups)
        return Listing(base, f"{form} {bits}", (n, k), self._bits_stored(names) / (n * k), size,
                       core_takes(bits), True)

    def _fp4_layer(self, base: str, names: list[str]) -> Listing:
        name, shape = fp4_kind(self.file, base), self.shape(f"{base}.weight_packed")
        if name is None or len(shape) != 2 or 0 in shape:
            return Listing(base, "compressed", shape, 8, None, "not taken: no MXFP4 and no NVFP4",
                           False)
        n, k = shape[0], 2 * shape[1]
        return Listing(base, f"compressed {name.upper()}", (n, k),
                       self._bits_stored(names) / (n * k), BLOCK_KINDS[name].block,
                       core_takes(BLOCK_KINDS[name].bits, block=name), True)

    def _form(self, base: str) -> tuple[str, int | None, int, int]:
        """(format, bits, n, k) from the shapes; bits None where they do not fit."""
        if "weight_packed" in self.parts[base]:
            n, k = (int(v) for v in self.file.integers(f"{base}.weight_shape").ravel()[:2])
            return "compressed", packed_bits(self.shape(f"{base}.weight_packed")[-1], k), n, k
        qweight, qzeros, scales = (self.shape(f"{base}.{part}") for part in QUARTET[:3])
        if not len(qweight) == len(qzeros) == len(scales) == 2:
            return "qweight", None, 0, 0
        index = self.shape(f"{base}.g_idx")[0] if "g_idx" in self.parts[base] else None
        bits = gptq_bits(qweight, qzeros, scales, index)
        if bits is not None:
            return "GPTQ", bits, scales[1], qweight[0] * 32 // bits
        fits = qweight[1] * 8 == scales[1] == qzeros[1] * 8
        return "AWQ", 4 if fits else None, scales[1], qweight[0]

    def load(self, name: str | None, gptq_zeros: str | None) -> Kept:
        if name is None:
            name = only(sorted(self.layers), self.file.path)
        base = self._base(name)
        if missing := self.missing(base):
            raise UsageError(f"{base} needs {', '.join(missing)}, not in {self.file.path}; codes "
                             "without it mean nothing")
        integers, parts = self.file.integers, self.parts[base]
        if self._is_fp4(base):
            kind, weights, notes = fp4_weights(base, self.file)
            return Kept(base, f"compressed-tensors {kind.upper()}", weights, notes)
        if "weight_packed" in parts:
            scales = self._floats(f"{base}.weight_scale")
            weights, notes = compressed_weights(
                base, integers, scales, zero_point="weight_zero_point" in parts,
                g_idx="weight_g_idx" in parts)
            return Kept(base, "compressed-tensors", weights, notes)
        scales = self._floats(f"{base}.scales")
        form = self._form(base)[0]
        if form == "AWQ" and "g_idx" not in parts:
            weights, notes = awq_weights(base, integers, scales, self.config)
        else:
            form = "GPTQ"
            weights, notes = gptq_weights(base, integers, scales, self.config,
                                          g_idx="g_idx" in parts, zeros=gptq_zeros)
        return Kept(base, form, weights, notes)

    def _floats(self, name: str) -> Array:
        scales = self.file.tensor(name)[:]
        if scales.ndim != 2:
            raise UsageError(f"{name} must be a matrix; it has shape {scales.shape}")
        return scales.astype(np.float32)

    def _base(self, name: str) -> str:
        """The layer that a name means: its own, or that of one of its tensors."""
        base, _, suffix = name.rpartition(".")
        for candidate in (name, base):
            if candidate in self.layers and (candidate == name or suffix in (*SUFFIXES, "weight")):
                return candidate
        if name not in self.file.entries:
            raise UsageError(f"no tensor '{name}' in {self.file.path}"
                             f"{listed(near(name, [*self.layers, *self.file.entries]))}")
        dtype = self.file.entries[name]["dtype"]
        if dtype in DTYPES:
            raise UsageError(f"{name} is {dtype} and has no codes to keep; leave --keep out")
        raise UsageError(f"{name} is {dtype} without the tensors that say what it means; --keep "
                         "takes layers of GPTQ, AWQ (qweight, qzeros, scales) and "
                         "compressed-tensors (weight_packed, weight_scale, and weight_shape or, in "
                         f"NVFP4, {GLOBAL_SCALE})")
