"""ONNX graphs whose weights are in ``MatMulNBits`` (domain com.microsoft).

Each such node is a linear layer; its weights are named as its second input. A norm by root mean
squares is one that a precompute can join; every other node stays with the host, but for control
flow, which is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.ir import SSAValue

from lowbit.golden.accelerator.lut_layout import codes_of
from lowbit.golden.bits import unpack_bits
from lowbit.golden.grouped import GroupedWeights
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..files import check_source
from ..weights.messages import line
from .dialect import activations
from .model import Builder, Model, Shape

__all__ = ["onnx_model"]

LINEAR = "MatMulNBits"
NORMS = ("SimplifiedLayerNormalization", "RMSNormalization")
REFUSED = ("If", "Loop", "Scan")


def onnx_model(path: Path) -> Model:
    """:class:`UsageError` without the library, and for what is not taken, naming the node."""
    try:
        import onnx
    except ImportError:
        raise UsageError("ONNX graphs need the library onnx; get it with: "
                         f"{sys.executable} -m pip install onnx") from None
    check_source(path)
    try:
        graph = onnx.load(path).graph
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:      # the library's parser has errors of its own
        raise UsageError(f"{path} is not a readable ONNX graph: {line(error)}") from None
    return _Graph(path, graph, onnx).model()


class _Graph:
    def __init__(self, path: Path, graph: Any, onnx: Any) -> None:
        self.path, self.graph, self.onnx = path, graph, onnx
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.linears: dict[str, Any] = {}
        #: inputs of linear layers have a known width
        self.widths: dict[str, int] = {}

    def model(self) -> Model:
        inputs = [value.name for value in self.graph.input if value.name not in self.constants]
        for node in self.graph.node:
            if node.op_type == LINEAR:
                self.linears[node.input[1]] = node
                self.widths[node.input[0]] = self._attributes(node)["K"]
        if not self.linears:
            raise UsageError(f"{self.path} has no node {LINEAR}: it has no weights of a few bits")
        build = Builder([activations(self._width(name)) for name in inputs])
        values: dict[str, SSAValue] = dict(zip(inputs, build.arguments, strict=True))
        for node in self.graph.node:
            self._node(build, node, values)
        outputs = [values[value.name] for value in self.graph.output]
        return Model(self.path.name, "onnx", build.module("graph", outputs), self._load)

    def _width(self, name: str) -> int:
        return self.widths.get(name, DYNAMIC_INDEX)

    def _node(self, build: Builder, node: Any, values: dict[str, SSAValue]) -> None:
        where = f"{self.path}: node {node.name or node.output[0]}"
        if node.op_type in REFUSED:
            raise UsageError(f"{where} is {node.op_type}, which gen compile does not take: no "
                             "control flow")
        known = [values[name] for name in node.input if name in values]
        if unknown := [name for name in node.input
                       if name and name not in values and name not in self.constants]:
            raise UsageError(f"{where} reads {unknown[0]}, which nothing before it makes")
        if node.op_type == LINEAR:
            weights = node.input[1]
            self._check(node, where)
            values[node.output[0]] = build.linear(weights, values[node.input[0]],
                                                  self._shape(weights))
        elif node.op_type in NORMS and len(known) == 1:
            values[node.output[0]] = build.rmsnorm(known[0], node.input[1],
                                                   self._width(node.output[0]))
        else:
            for name in filter(None, node.output):
                values[name] = build.host(node.op_type, known, self._width(name))

    def _attributes(self, node: Any) -> Mapping[str, int]:
        found = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        where = f"{self.path}: node {node.name or node.output[0]} ({LINEAR})"
        for name in ("K", "N", "block_size"):
            if not isinstance(found.get(name), int) or found[name] < 1:
                raise UsageError(f"{where} must say {name}, 1 or more; got {found.get(name)}")
        if found.setdefault("bits", 4) not in (2, 4, 8):
            raise UsageError(f"{where} bits must be 2, 4 or 8; got {found['bits']}")
        return found

    def _check(self, node: Any, where: str) -> None:
        names = [*node.input, *[""] * 6]
        for number, what in ((1, "weights"), (2, "scales"), (3, "zero points")):
            if names[number] and names[number] not in self.constants:
                raise UsageError(f"{where} must have constant {what}; got {names[number]}")
        for number, what in ((4, "an order of inputs (g_idx)"), (5, "a bias")):
            if names[number]:
                raise UsageError(f"{where} has {what}, {names[number]}, which gen compile does not "
                                 "take")

    def _constant(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = self.onnx.numpy_helper.to_array(self.constants[name])
        return found

    def _shape(self, name: str) -> Shape:
        weights = self._load(name)
        codes, offsets = codes_of(weights)
        n, k = weights.codes.shape
        return Shape(n, k, weights.bits, weights.group_size, codes, offsets)

    def _load(self, name: str) -> GroupedWeights:
        node = self.linears[name]
        a, where = self._attributes(node), f"{self.path}: {name}"
        n, k, bits, size = a["N"], a["K"], a["bits"], a["block_size"]
        groups = -(-k // size)
        packed, scale = (self._constant(i) for i in node.input[1:3])
        zero = self._constant(node.input[3]) if len(node.input) > 3 and node.input[3] else None
        if k % size or packed.size * 8 != n * k * bits or scale.size != n * groups:
            raise UsageError(f"{where} must hold {n} x {k} codes of {bits} bits in whole groups of "
                             f"{size}; got shapes {packed.shape} and {scale.shape}")
        codes = unpack_bits(packed.reshape(n, -1), bits, k)
        z = np.full((n, groups), 1 << bits - 1)
        if zero is not None:
            if zero.dtype != np.uint8 or zero.size != n * -(-groups * bits // 8):
                raise UsageError(f"{where} must have zero points in {bits} bits; got "
                                 f"{zero.dtype} of shape {zero.shape}")
            z = unpack_bits(zero.reshape(n, -1), bits, groups)
        try:
            return GroupedWeights(codes, scale.reshape(n, groups).astype(np.float32), z, bits,
                                  size).check()
        except ParameterError as error:
            raise UsageError(f"{where}: {error}") from None
