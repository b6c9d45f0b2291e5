"""A model's file, whatever it is, as a module of the dialect."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import UsageError
from ..weights.checkpoint import kind_of
from .from_bert import bert, is_bert
from .from_llama import is_llama, llama
from .model import Model
from .sources import GgufSource, Quantizer, SafetensorsSource

__all__ = ["open_model"]


def open_model(path: Path, quantizer: Quantizer | None = None) -> Model:
    """:class:`UsageError` names what of a model is not taken."""
    quantizer = quantizer or Quantizer()
    if path.suffix == ".onnx":
        from .from_onnx import onnx_model
        return onnx_model(path)
    kind = kind_of(path)
    if kind == "gguf":
        return llama(GgufSource(path, quantizer))
    if kind == "npy":
        raise UsageError(f"{path} is a matrix, and no model; gen compile takes .gguf, .safetensors "
                         "and .onnx")
    source = SafetensorsSource(path, quantizer)
    said = _architecture(path)
    if is_bert(source) and said in (None, "bert"):
        return bert(source)
    if is_llama(source):
        return llama(source, said or "llama")
    raise UsageError(f"{path} is of an architecture that gen compile does not know"
                     f"{f' ({said})' if said else ''}; it takes llama and bert")


def _architecture(path: Path) -> str | None:
    """What the configuration beside the file says."""
    try:
        found = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        name = found.get("model_type")
    except (OSError, ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None
