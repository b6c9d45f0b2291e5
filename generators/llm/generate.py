"""Token after token: the prompt through the model, then one row for each token chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .llama import Cache, Llama

__all__ = ["Generation", "Sampling", "generate"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen by its scores."""

    temperature: float = 0.0     #: 0: the largest score, always
    top_k: int = 40              #: among so many of the largest; 0: all
    seed: int = 0

    def chooser(self) -> Callable[[Array], int]:
        """Scores (vocabulary,) to a token. Of equal scores the lowest token comes first."""
        if self.temperature < 0 or not np.isfinite(self.temperature):
            raise UsageError(f"--temperature must be 0 or more; got {self.temperature:g}")
        for option, value in (("--top-k", self.top_k), ("--seed", self.seed)):
            if value < 0:
                raise UsageError(f"{option} must be 0 or more; got {value}")
        random = np.random.default_rng(self.seed)

        def choose(scores: Array) -> int:
            if self.temperature == 0:
                return int(np.argmax(scores))
            best = np.argsort(-scores, kind="stable")[:self.top_k or None]
            lead = scores[best].astype(np.float64) - float(scores[best[0]])
            with np.errstate(over="ignore"):        # a temperature near 0: minus infinity
                share = np.cumsum(np.exp(lead / self.temperature))
            # the first sum that is not below it: there is one, whatever the product rounds to
            return int(best[np.searchsorted(share, random.random() * share[-1])])

        return choose


@dataclass(frozen=True)
class Generation:
    """What was generated, and how fast."""

    tokens: list[int]            #: without that of the end
    prompt_tokens: int
    stopped: str                 #: by the model's ``end``, the ``limit``, the ``context``
    prefill_seconds: float       #: of the prompt, to the first token
    decode_seconds: float        #: of the other tokens
    decode_steps: int            #: rows that went through the model in them

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def rate(self) -> float | None:
        """Tokens a second after the first; None where there was none."""
        return self.decode_steps / self.decode_seconds if self.decode_steps else None


def generate(model: Llama, prompt: Sequence[int], limit: int, *, ends: Collection[int],
             sampling: Sampling = Sampling(),
             token: Callable[[int], None] = lambda token: None,
             progress: Callable[[int, int], None] = lambda done, total: None) -> Generation:
    """At most ``limit`` tokens after a prompt, until one of ``ends``.

    ``token`` is called with each as it comes, ``progress`` as by :meth:`Llama.forward`.
    :class:`UsageError` for a prompt that leaves no room in the model's context.
    """
    choose = sampling.chooser()
    room = check_length(model.config.context, len(prompt))
    cache = Cache(model.config, len(prompt) + min(limit, room))
    started = time.perf_counter()
    scores = model.forward(prompt, cache, progress)
    chosen = choose(scores)
    first = time.perf_counter()
    tokens: list[int] = []
    steps = 0
    while chosen not in ends:
        tokens.append(chosen)
        token(chosen)
        if len(tokens) == min(limit, room):
            break
        chosen = choose(model.forward([chosen], cache, progress))
        steps += 1
    stopped = "end" if chosen in ends else "limit" if len(tokens) == limit else "context"
    return Generation(tokens, len(prompt), stopped, first - started,
                      time.perf_counter() - first, steps)


def check_length(context: int, prompt: int) -> int:
    """Positions that a prompt leaves; :class:`UsageError` where there is none."""
    if prompt >= context:
        raise UsageError(f"the prompt has {prompt} tokens; the model's context has {context}, one "
                         "of them for the answer")
    return context - prompt
