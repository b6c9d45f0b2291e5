"""What a model asks of an accelerator: calls of matrix products, and the attention between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from lowbit.golden.group_scale import Codes

from ..compiler.dialect import Host, Linear
from ..compiler.model import Model, Shape, operations
from ..compiler.report import kind_of_names

__all__ = ["Attention", "Call", "Step", "Workload", "of_model"]


@dataclass(frozen=True)
class Call:
    """Products that share their activations, ``count`` times in the model."""

    name: str
    count: int
    products: tuple[Shape, ...]
    last: bool = False          #: of the last position of each sequence only: the output head

    @property
    def k(self) -> int:
        """Inputs."""
        return self.products[0].k


@dataclass(frozen=True)
class Attention:
    """Of a layer: columns of the queries, and of the keys, which are as many as of the values."""

    count: int
    queries: int
    keys: int


@dataclass(frozen=True)
class Step:
    """What is computed at once: ``batch`` sequences by ``new`` positions, each of which attends to
    ``context`` positions (those before it, where several are new)."""

    name: str
    batch: int
    new: int
    context: int

    def rows(self, call: Call) -> int:
        """Rows of activations of a call."""
        return self.batch * (1 if call.last else self.new)

    @property
    def pairs(self) -> int:
        """Of a query and a key."""
        return self.batch * (self.new * (self.new + 1) // 2 if self.new > 1 else self.context)


@dataclass(frozen=True)
class Workload:
    """A model's products and attention."""

    name: str
    source: str
    calls: tuple[Call, ...]
    attention: tuple[Attention, ...]

    def shapes(self) -> Iterator[tuple[Call, Shape]]:
        """Every product with its call."""
        return ((call, shape) for call in self.calls for shape in call.products)

    @property
    def weights(self) -> int:
        """Weights of all linear layers."""
        return sum(call.count * shape.n * shape.k for call, shape in self.shapes())

    def attention_macs(self, step: Step) -> int:
        """Multiply-accumulates: a product with the keys and one with the values."""
        return sum(2 * a.count * step.pairs * a.queries for a in self.attention)

    def cache_bytes(self, step: Step) -> int:
        """Bytes of keys and values (FP16) that a step's attention reads."""
        held = step.batch * max(step.context, step.new)
        return sum(2 * a.count * held * a.keys * 2 for a in self.attention)


def of_model(model: Model) -> Workload:
    """The calls that ``gen compile`` makes of a model, those that are alike counted together."""
    by_input: dict[object, list[Linear]] = {}
    linears = operations(model.module, Linear)
    for op in linears:
        by_input.setdefault(op.x, []).append(op)
    counts: dict[Call, int] = {}
    for ops in by_input.values():
        shapes = tuple(_shape(op) for op in ops)
        last = model.architecture == "llama" and ops[-1] is linears[-1]
        call = Call(kind_of_names(tuple(op.label for op in ops)), 1, shapes, last)
        counts[call] = counts.get(call, 0) + 1
    heads: dict[tuple[int, int], int] = {}
    for host in operations(model.module, Host):
        if host.what.data == "attention" and len(host.inputs) == 3:
            queries, keys = map(_columns, host.inputs[:2])
            heads[queries, keys] = heads.get((queries, keys), 0) + 1
    return Workload(model.source, f"{model.architecture}, read from the file",
                    tuple(Call(c.name, n, c.products, c.last) for c, n in counts.items()),
                    tuple(Attention(n, *widths) for widths, n in heads.items()))


def _columns(value: SSAValue) -> int:
    """Of rows of activations or results."""
    assert isinstance(value.type, TensorType)
    return int(value.type.get_shape()[1])


def _shape(op: Linear) -> Shape:
    return Shape(op.n, _columns(op.x), op.bits.value.data, op.group.value.data,
                 Codes[op.codes.data.upper()], bool(op.offsets))
