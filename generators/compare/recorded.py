"""What weight formats do to models, as it was recorded: figures that the package carries.

The models are too large to bring along, so ``scripts/studies/bench_formats.py`` measured once
(docs/results/formats.json), and ``scripts/docs/accuracies.py`` made ``accuracies.json`` of it.
"""

from __future__ import annotations

import json
from importlib import resources

__all__ = ["MODELS", "RECORD", "losses"]

#: model -> what it is called, what a figure means
MODELS = {
    "minilm": ("MiniLM", "all-MiniLM-L6-v2: 1 − mean cosine of embeddings to those in FP32"),
    "smollm2": ("SmolLM2", "SmolLM2-135M: likelihood lost, nats a token of a text")}
#: what has to be run for a format that has no figure
RECORD = "scripts/studies/bench_formats.py"


def losses(form: str) -> dict[str, float]:
    """Model -> what a format loses on it; without models on which it was not measured."""
    text = resources.files(__package__).joinpath("accuracies.json").read_text(encoding="utf-8")
    return {model: figures[form] for model, figures in json.loads(text).items() if form in figures}
