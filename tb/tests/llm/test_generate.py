"""Choice of tokens, the end of an answer, and its length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.llm.generate import Sampling, generate
from lowbit.generators.llm.llama import Cache

from .test_llama import opened
from .tiny import CONTEXT

PROMPT = [5, 301, 44]


def greedy(model, count):
    """The likeliest tokens, without keys and values that are kept."""
    tokens = list(PROMPT)
    for _ in range(count):
        tokens.append(int(model.forward(tokens, Cache(model.config, CONTEXT)).argmax()))
    return tokens[len(PROMPT):]


def test_greedy(tiny):
    model = opened(tiny[1])
    seen: list[int] = []
    shares: list[tuple[int, int]] = []
    done = generate(model, PROMPT, 6, ends=(), token=seen.append,
                    progress=lambda *share: shares.append(share))
    assert done.tokens == seen == greedy(model, 6)
    assert (done.prompt_tokens, done.stopped, done.decode_steps) == (3, "limit", 5)
    assert done.prefill_seconds > 0 and done.rate is not None and done.rate > 0
    assert shares == 6 * [(1, 2), (2, 2)]
    one = generate(model, PROMPT, 1, ends=())
    assert (one.tokens, one.decode_steps, one.rate) == (done.tokens[:1], 0, None)


def test_end(tiny):
    """The token of the end is not part of the answer, the first one already may be it."""
    model = opened(tiny[1])
    tokens = greedy(model, 6)
    last = next(i for i, token in enumerate(tokens) if i and token not in tokens[:i])
    done = generate(model, PROMPT, 6, ends={tokens[last]})
    assert (done.tokens, done.stopped, done.decode_steps) == (tokens[:last], "end", last)
    none = generate(model, PROMPT, 6, ends={tokens[0]})
    assert (none.tokens, none.stopped, none.decode_steps) == ([], "end", 0)


def test_context(tiny):
    """An answer ends with the context; a prompt that fills it is refused."""
    model = opened(tiny[1])
    model.config = replace(model.config, context=5)
    done = generate(model, PROMPT, 10, ends=())
    assert (len(done.tokens), done.stopped) == (2, "context")
    model.config = replace(model.config, context=3)
    with pytest.raises(UsageError, match="the prompt has 3 tokens; the model's context has 3"):
        generate(model, PROMPT, 10, ends=())


def test_equal_scores():
    assert Sampling().chooser()(np.array([0, 2, 1, 2], np.float32)) == 1


def test_a_seed_is_a_text(tiny):
    model = opened(tiny[1])

    def run(seed):
        return generate(model, PROMPT, 8, ends=(), sampling=Sampling(1.5, 0, seed)).tokens

    assert run(1) == run(1)
    assert len({tuple(run(seed)) for seed in range(4)}) == 4


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 3), (2.0, 2)])
def test_tokens_are_as_frequent_as_likely(temperature, top_k):
    scores = np.array([0.3, 2.0, -1.0, 1.5, 0.9], np.float32)
    choose = Sampling(temperature, top_k, seed=4).chooser()
    counts = np.bincount([choose(scores) for _ in range(4000)], minlength=5)
    expected = np.exp(scores.astype(float) / temperature)
    if top_k:
        expected[np.argsort(scores)[:-top_k]] = 0
    expected *= 4000 / expected.sum()
    assert (counts[expected == 0] == 0).all()
    some = expected > 0
    assert ((counts - expected)[some] ** 2 / expected[some]).sum() < 20     # chi squared of 4


def test_a_temperature_near_zero_is_greedy():
    scores = np.array([1, 3, 2, -50], np.float32)
    for temperature in (1e-3, 1e-320):
        choose = Sampling(temperature, 0).chooser()
        assert {choose(scores) for _ in range(50)} == {1}


@pytest.mark.parametrize(("sampling", "why"), [
    (Sampling(temperature=-1), "--temperature must be 0 or more; got -1"),
    (Sampling(temperature=float("nan")), "--temperature must be 0 or more; got nan"),
    (Sampling(temperature=float("inf")), "--temperature must be 0 or more; got inf"),
    (Sampling(top_k=-2), "--top-k must be 0 or more; got -2"),
    (Sampling(seed=-1), "--seed must be 0 or more; got -1")])
def test_refused(sampling, why):
    with pytest.raises(UsageError, match=why):
        sampling.chooser()
