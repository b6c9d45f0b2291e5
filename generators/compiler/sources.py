"""Matrices of a model's file: what each is, and its numbers when they are needed.

Quantised matrices are taken as they are. Floats are quantised here, with odd levels symmetric
about 0, and their scales rounded to FP16, which every design takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lowbit.golden.accelerator.lut_layout import codes_of
from lowbit.golden.group_scale import Codes
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.lut.quantizer import quantize
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..weights.checkpoint import GGUF_FLOATS
from ..weights.gguf_blocks import BLOCK_FORMATS, decode_rows
from ..weights.gguf_file import GgufFile
from ..weights.layers import Layers
from ..weights.safetensors_file import DTYPES, SafetensorsFile
from ..weights.tensor import FLOATS, Tensor
from .model import Shape

__all__ = ["GgufSource", "Quantizer", "SafetensorsSource", "Source"]


@dataclass(frozen=True)
class Quantizer:
    """How matrices of floats are quantised: ``bits`` None for not at all."""

    bits: int | None = None
    group: int = 32

    def shape(self, name: str, n: int, k: int, kind: str) -> Shape:
        if self.bits is None:
            raise UsageError(f"{name} is {kind} and has no codes; --w-bits says how many bits its "
                             "weights are to have")
        return Shape(n, k, self.bits, self.group, Codes.ODD, False)

    def weights(self, tensor: Tensor) -> GroupedWeights:
        assert self.bits is not None
        found = quantize(tensor, self.bits, self.group, symmetric=True)
        with np.errstate(over="ignore"):
            scale = found.scale.astype(np.float16).astype(np.float32)
        return replace(found, scale=scale)


class Source(ABC):
    """The matrices of a file."""

    path: Path
    names: Collection[str]

    @abstractmethod
    def dims(self, name: str) -> tuple[int, ...]:
        """Its shape, (outputs, inputs) of a matrix."""

    @abstractmethod
    def shape(self, name: str) -> Shape:
        """What a matrix is; :class:`UsageError` for what the accelerator has no form for."""

    @abstractmethod
    def load(self, name: str) -> GroupedWeights:
        """Its numbers; :class:`UsageError` where they cannot be taken."""

    def matrix(self, name: str) -> tuple[int, int]:
        """Shape of a matrix that has to be there."""
        if name not in self.names:
            raise UsageError(f"{self.path} has no tensor {name}")
        dims = self.dims(name)
        if len(dims) != 2 or 0 in dims:
            raise UsageError(f"{self.path}: {name} must be a matrix; it has shape {dims}")
        return dims[0], dims[1]


class GgufSource(Source):
    """Blocks of codes, or floats."""

    def __init__(self, path: Path, quantizer: Quantizer) -> None:
        self.path, self.file, self.quantizer = path, GgufFile(path), quantizer
        self.names = self.file.tensors.keys()

    def dims(self, name: str) -> tuple[int, ...]:
        return self.file.tensors[name].shape

    def shape(self, name: str) -> Shape:
        n, k = self.matrix(name)
        kind = self.file.tensors[name].type
        if kind in GGUF_FLOATS:
            return self.quantizer.shape(name, n, k, kind)
        form = BLOCK_FORMATS.get(kind)
        if form is None or form.kind is not None:
            able = [name for name, form in BLOCK_FORMATS.items() if form.kind is None]
            raise UsageError(f"{name} is {kind}, which the accelerator does not take; it takes "
                             f"{', '.join(able)}")
        signed = form.zero == 1 << form.bits - 1
        return Shape(n, k, form.bits, form.group, Codes.SIGNED if signed else Codes.UNSIGNED,
                     not signed)

    def load(self, name: str) -> GroupedWeights:
        tensor = self.file.tensors[name]
        raw = self.file.rows(tensor)
        if tensor.type in GGUF_FLOATS:
            dtype = GGUF_FLOATS[tensor.type]
            return self.quantizer.weights(Tensor(name, dtype, raw.view(FLOATS[dtype])))
        return decode_rows(tensor.type, raw)


class SafetensorsSource(Source):
    """Layers of GPTQ, AWQ and compressed-tensors, or floats; a layer is known as NAME.weight."""

    def __init__(self, path: Path, quantizer: Quantizer) -> None:
        self.path, self.file, self.quantizer = path, SafetensorsFile(path), quantizer
        self.layers = Layers(self.file)
        self.names = {*self.file.entries, *(f"{base}.weight" for base in self.layers.layers)}
        self._shapes: dict[str, Shape] = {}

    def _base(self, name: str) -> str | None:
        base = name.removesuffix(".weight")
        return base if base in self.layers.layers else None

    def dims(self, name: str) -> tuple[int, ...]:
        base = self._base(name)
        if base is None:
            return self.layers.shape(name)
        return next(listing.shape for listing in self.layers.listings() if listing.name == base)

    def shape(self, name: str) -> Shape:
        if self._base(name) is None:
            n, k = self.matrix(name)
            kind = self.file.entries[name]["dtype"]
            if kind not in DTYPES:
                raise UsageError(f"{name} is {kind}, which is neither floats nor a quantised layer")
            return self.quantizer.shape(name, n, k, kind)
        if name not in self._shapes:        # what its zero points are decides
            weights = self.load(name)
            try:
                codes, offsets = codes_of(weights)
            except ParameterError as error:
                raise UsageError(f"{name}: {error}") from None
            n, k = weights.codes.shape
            self._shapes[name] = Shape(n, k, weights.bits, weights.group_size, codes, offsets)
        return self._shapes[name]

    def load(self, name: str) -> GroupedWeights:
        base = self._base(name)
        if base is None:
            return self.quantizer.weights(self.file.tensor(name))
        return self.layers.load(base, None).weights
