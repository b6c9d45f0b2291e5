"""Shapes of models: the table of the package, and files in its form.

A file is an object of JSON (or the list of the package, ``models.json``) with the fields of
:class:`ModelShape`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lowbit.golden.group_scale import Codes

from ..compiler.importers import open_model
from ..compiler.model import Shape
from ..compiler.sources import Quantizer
from ..errors import UsageError
from ..files import read_json
from .workload import Attention, Call, Workload, of_model

__all__ = ["GROUPS", "ModelShape", "known", "open_workload"]

#: weights of a group, where nothing is said: the first that every k of the model takes
GROUPS = (128, 64, 32)


@dataclass(frozen=True)
class ModelShape:
    """A decoder: ``d`` columns of a position, ``ff`` of the layer inside, ``gated``: with a gate
    (silu(gate) * up) beside it."""

    name: str
    source: str
    layers: int
    d: int
    heads: int
    kv_heads: int
    ff: int
    vocabulary: int
    gated: bool

    def group(self) -> int:
        """Weights of a group; 0: none of the usual ones fits."""
        return next((g for g in GROUPS if self.d % g == self.ff % g == 0), 0)

    def workload(self, bits: int, group: int | None = None) -> Workload:
        """All matrices at ``bits`` bits in groups of ``group``, symmetric; the head as well."""
        group = group or self.group()
        if not group or self.d % group or self.ff % group:
            raise UsageError(f"{self.name}: d = {self.d} and ff = {self.ff} must be whole "
                             f"groups; --group {group or GROUPS[-1]} divides one at most")
        keys = self.d // self.heads * self.kv_heads

        def matrix(n: int, k: int) -> Shape:
            return Shape(n, k, bits, group, Codes.ODD, False)

        d, ff, layers = self.d, self.ff, self.layers
        inner = ("gate", "up") if self.gated else ("up",)
        return Workload(self.name, self.source, (
            Call("q, k, v", layers, (matrix(d, d), matrix(keys, d), matrix(keys, d))),
            Call("o", layers, (matrix(d, d),)),
            Call(", ".join(inner), layers, (matrix(ff, d),) * len(inner)),
            Call("down", layers, (matrix(d, ff),)),
            Call("head", 1, (matrix(self.vocabulary, d),), last=True)),
            (Attention(layers, d, keys),))


def known() -> dict[str, ModelShape]:
    """The models of the package by name."""
    text = resources.files(__package__).joinpath("models.json").read_text(encoding="utf-8")
    return {entry["name"]: _shape(entry, "models.json") for entry in json.loads(text)}


def _shape(entry: Any, where: str) -> ModelShape:
    """:class:`UsageError` names the field that is missing, unknown or of no use."""
    if not isinstance(entry, dict):
        raise UsageError(f"{where} must be an object with the shapes of a model")
    fields = {field.name: field.type for field in dataclasses.fields(ModelShape)}
    entry = {"name": Path(where).stem, "source": where} | entry
    for name, kind in fields.items():
        value = entry.get(name)
        if value is None:
            raise UsageError(f"{where} has no {name}")
        if type(value).__name__ != kind or (kind == "int" and value < 1):
            words = {"int": "an integer of at least 1", "bool": "true or false", "str": "a text"}
            raise UsageError(f"{where}: {name} must be {words[str(kind)]}; got {value!r}")
    if unknown := sorted(set(entry) - set(fields)):
        raise UsageError(f"{where} has {unknown[0]}, which no shapes have ({', '.join(fields)})")
    shape = ModelShape(**entry)
    if shape.d % shape.heads or shape.heads % shape.kv_heads:
        raise UsageError(f"{where}: heads must divide d, and kv_heads divide heads; got "
                         f"{shape.heads}, {shape.d} and {shape.kv_heads}")
    return shape


def open_workload(model: str, bits: int, group: int | None) -> Workload:
    """A model of the package, a file of shapes, or a model's file, of which floats are quantised.

    :class:`UsageError` says what is known where ``model`` is nothing of these.
    """
    table = {name.lower(): shape for name, shape in known().items()}
    if model.lower() in table:
        return table[model.lower()].workload(bits, group)
    path = Path(model)
    if path.suffix == ".json" and not model.endswith(".index.json"):
        found = read_json(path)
        return _shape(found, str(path)).workload(bits, group)
    if not path.suffix and not path.exists():
        raise UsageError(f"{model} is no file, and no model of the package: "
                         f"{', '.join(known())}")
    return of_model(open_model(path, Quantizer(bits, group or 32)))
