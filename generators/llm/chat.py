"""A user's prompt in the form that an instruct model was trained on.

The form that is known is ChatML: each message is ``<|im_start|>role``, its text, ``<|im_end|>``.
A file says by its chat template (a Jinja program, which is not run) that it wants it, and which
words of the system come first when the user gives none.
"""

from __future__ import annotations

import re

from ..errors import UsageError
from ..weights.gguf_file import GgufFile
from .tokenizer import Tokenizer

__all__ = ["encode_prompt", "form"]

START, END = "<|im_start|>", "<|im_end|>"
#: in a template, the words that stand for a missing message of the system
SYSTEM = re.compile(r"<\|im_start\|>system(?:\n|\\n)([^'\"{}|]*)<\|im_end\|>")


def form(file: GgufFile, tokenizer: Tokenizer) -> str:
    """``chatml``, or ``raw`` for a file without a chat template or with another one."""
    template = file.value("tokenizer.chat_template")
    known = isinstance(template, str) and START in template and END in template and \
        {START, END} <= tokenizer.numbers.keys()
    return "chatml" if known else "raw"


def encode_prompt(file: GgufFile, tokenizer: Tokenizer, prompt: str, *,
                  raw: bool = False) -> list[int]:
    """Tokens of a prompt in the model's :func:`form`, the user's words as ordinary text.

    ``raw``: the prompt as it is, in which control tokens may be named. :class:`UsageError` for an
    empty prompt.
    """
    if not prompt:
        raise UsageError("--prompt must not be empty")
    if raw or form(file, tokenizer) == "raw":
        tokens = tokenizer.encode(prompt, control=raw)
    else:
        first = SYSTEM.search(file.value("tokenizer.chat_template"))
        tokens = _message(tokenizer, "system", first[1].replace("\\n", "\n")) if first else []
        tokens += _message(tokenizer, "user", prompt)
        tokens += tokenizer.encode(f"{START}assistant\n", control=True)
    if tokenizer.begin is not None and tokens[:1] != [tokenizer.begin]:
        tokens.insert(0, tokenizer.begin)
    return tokens


def _message(tokenizer: Tokenizer, role: str, text: str) -> list[int]:
    # the new line after the role belongs to the text's words, as in one string
    return [tokenizer.numbers[START], *tokenizer.encode(f"{role}\n{text}"),
            *tokenizer.encode(f"{END}\n", control=True)]
