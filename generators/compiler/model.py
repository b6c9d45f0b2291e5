"""A model as the compiler gets it: a module of the dialect, and its weights by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xdsl.dialects.builtin import BoolAttr, ModuleOp, StringAttr, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from lowbit.golden.group_scale import Codes
from lowbit.golden.grouped import GroupedWeights

from ..errors import UsageError
from .dialect import Host, Linear, RmsNorm, SiluMul, activations, integer, results

__all__ = ["Builder", "Model", "Shape", "operations"]

T = TypeVar("T")


@dataclass(frozen=True)
class Shape:
    """What a matrix is, without its numbers."""

    n: int
    k: int
    bits: int
    group: int | None       #: inputs that share a scale; None: all
    codes: Codes
    offsets: bool


@dataclass(frozen=True)
class Model:
    """A model: ``load`` gives the weights of a name, nothing rounded that need not be."""

    source: str
    architecture: str
    module: ModuleOp
    load: Callable[[str], GroupedWeights]
    notes: tuple[str, ...] = ()


def operations(module: ModuleOp, kind: type[T]) -> list[T]:
    """The operations of a kind, in order."""
    return [op for op in module.walk() if isinstance(op, kind)]


class Builder:
    """Appends operations to the one function of a module."""

    def __init__(self, arguments: Sequence[TensorType]) -> None:
        self.block = Block(arg_types=arguments)

    @property
    def arguments(self) -> Sequence[SSAValue]:
        return self.block.args

    def linear(self, name: str, x: SSAValue, shape: Shape) -> SSAValue:
        """:class:`UsageError` where the sizes do not fit."""
        assert isinstance(x.type, TensorType)
        if (k := x.type.get_shape()[1]) != shape.k:
            raise UsageError(f"{name} must have {k} inputs; got {shape.k}")
        op = Linear(operands=[x], result_types=[results(shape.n)], properties=dict(
            weight=StringAttr(name), bits=integer(shape.bits),
            group=integer(shape.group or shape.k),
            codes=StringAttr(shape.codes.name.lower()),
            offsets=BoolAttr.from_bool(shape.offsets)))
        self.block.add_op(op)
        return op.y

    def host(self, what: str, inputs: Sequence[SSAValue], width: int, *,
             activation: bool = True) -> SSAValue:
        op = Host(inputs, (activations if activation else results)(width), what=StringAttr(what))
        self.block.add_op(op)
        return op.y

    def rmsnorm(self, x: SSAValue, gain: str, width: int) -> SSAValue:
        op = RmsNorm([x], activations(width), gain=StringAttr(gain))
        self.block.add_op(op)
        return op.y

    def silu_mul(self, gate: SSAValue, up: SSAValue, width: int) -> SSAValue:
        op = SiluMul([gate, up], activations(width))
        self.block.add_op(op)
        return op.y

    def module(self, name: str, outputs: Sequence[SSAValue]) -> ModuleOp:
        self.block.add_op(ReturnOp(*outputs))
        kinds = [value.type for value in self.block.args], [value.type for value in outputs]
        module = ModuleOp([FuncOp(name, kinds, Region(self.block))])
        module.verify()
        return module
