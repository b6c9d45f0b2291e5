"""The linear layers of BERT encoders (all-MiniLM-L6-v2, say) from safetensors.

A layer is query, key and value, attention, its output, an addition and a norm, then the two
matrices of the feed-forward part with a GELU between them, an addition and a norm. Biases,
additions and norms stay with the host: a norm with a mean is not one that a precompute joins.
"""

from __future__ import annotations

from ..errors import UsageError
from .dialect import activations
from .model import Builder, Model
from .sources import Source

__all__ = ["bert", "is_bert"]

BLOCK = "encoder.layer.{}.{}.weight"
PARTS = ("attention.self.query", "attention.self.key", "attention.self.value",
         "attention.output.dense", "intermediate.dense", "output.dense")


def _prefix(source: Source) -> str | None:
    name = BLOCK.format(0, PARTS[0])
    return next((prefix for prefix in ("", "bert.") if prefix + name in source.names), None)


def is_bert(source: Source) -> bool:
    """Does a file name its tensors as BERT does?"""
    return _prefix(source) is not None


def bert(source: Source) -> Model:
    """:class:`UsageError` for a matrix that is missing or does not fit."""
    prefix = _prefix(source)
    if prefix is None:
        raise UsageError(f"{source.path} has no tensor {BLOCK.format(0, PARTS[0])}")
    first = source.shape(prefix + BLOCK.format(0, PARTS[0]))
    build = Builder([activations(first.k)])
    x, layer = build.arguments[0], 0
    while prefix + BLOCK.format(layer, PARTS[0]) in source.names:
        names = [prefix + BLOCK.format(layer, part) for part in PARTS]
        shapes = [source.shape(name) for name in names]
        qkv = [build.linear(name, x, shape)
               for name, shape in zip(names[:3], shapes, strict=False)]
        mixed = build.host("attention", qkv, shapes[3].k)
        o = build.linear(names[3], mixed, shapes[3])
        x = build.host("add, norm", [x, o], shapes[3].n)
        wide = build.linear(names[4], x, shapes[4])
        y = build.linear(names[5], build.host("gelu", [wide], shapes[4].n), shapes[5])
        x = build.host("add, norm", [x, y], shapes[5].n)
        layer += 1
    return Model(source.path.name, "bert", build.module("bert", [x]), source.load)
