"""How well a model foretells a text: likelihoods of its tokens, each after those before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .llama import Cache, Llama

__all__ = ["divergence", "likelihood", "text_likelihoods"]

Array = NDArray[Any]


def text_likelihoods(model: Llama, tokens: Sequence[int],
                     progress: Callable[[int, int], None] = lambda done, total: None) -> Array:
    """Logarithms of the likelihood of every token of the vocabulary after each of ``tokens``,
    float64 (tokens, vocabulary).

    :class:`UsageError` for a text of fewer than two tokens, or one longer than the model's context.
    """
    if not 2 <= len(tokens) <= model.config.context:
        raise UsageError(f"a text to be scored must have 2..{model.config.context} tokens; got "
                         f"{len(tokens)}")
    scores = model.forward(tokens, Cache(model.config, len(tokens)), progress, every=True)
    lead = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    return lead - np.log(np.exp(lead).sum(axis=1, keepdims=True))


def likelihood(logs: Array, tokens: Sequence[int]) -> float:
    """Mean negative logarithm of the likelihoods of ``tokens`` but the first, in nats: the
    logarithm of the perplexity. ``logs`` as of :func:`text_likelihoods`."""
    return float(-logs[np.arange(len(tokens) - 1), np.asarray(tokens[1:])].mean())


def divergence(logs: Array, reference: Array) -> float:
    """Mean Kullback-Leibler divergence of the likelihoods from those of a reference, in nats."""
    return float((np.exp(reference) * (reference - logs)).sum(axis=1).mean())
