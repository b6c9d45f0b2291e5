"""Text to token numbers and back, by the tokenizer that a GGUF file carries: byte-level BPE.

A byte stands as a printable character (GPT-2's table), so that vocabulary and merges are text.
Text is cut into words, each word's bytes are merged in the order of the merges: that is done by
the library ``tokenizers``. Tokens that stand for themselves (``<|im_end|>``) are found here; in
text of the user they are ordinary text, unless asked for.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import UsageError
from ..weights.gguf_file import GgufFile
from .bpe import BYTES, CHARACTERS, WORDS, merger

__all__ = ["Decoder", "Tokenizer"]

#: token types of GGUF
CONTROL, USER_DEFINED = 3, 4
#: control tokens that end an answer, whatever the file says of its end
ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>")


class Tokenizer:
    """The tokenizer of a file; :class:`UsageError` for a kind that this program does not have."""

    def __init__(self, file: GgufFile) -> None:
        self.file = file
        if (model := str(self._get("model", None))) != "gpt2":
            raise UsageError(f"{file.path} has a tokenizer of the kind {model!r}; gen llm has "
                             "byte-level BPE (gpt2)")
        if (cut := str(self._get("pre", "default"))) not in WORDS:
            raise UsageError(f"{file.path} cuts text into words as {cut!r} (tokenizer.ggml.pre); "
                             f"gen llm knows {', '.join(WORDS)}")
        #: text of each token, bytes as characters
        self.tokens = self._strings("tokens")
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        types = self._get("token_type", np.ones(len(self.tokens), np.int32))
        if not self.tokens or np.shape(types) != (len(self.tokens),):
            raise UsageError(f"{file.path} must have tokens, and as many numbers of their types; "
                             f"it has {len(self.tokens)} tokens")
        #: tokens without a text, and all that stand for themselves
        self.control = set(np.flatnonzero(types == CONTROL).tolist())
        self.named = self.control | set(np.flatnonzero(types == USER_DEFINED).tolist())
        #: the token that text begins with, if any; those that end an answer
        begins = self._get("add_bos_token", WORDS[cut].begin) is True
        self.begin = self._number("bos_token_id") if begins else None
        self.ends = {self.numbers[t] for t in ENDS if self.numbers.get(t) in self.control}
        self.ends |= {number for key in ("eos_token_id", "eot_token_id")
                      if (number := self._number(key)) is not None}
        self._merger = merger(file.path, self.numbers, self._strings("merges"), WORDS[cut])

    def _get(self, key: str, default: Any) -> Any:
        value = self.file.value(f"tokenizer.ggml.{key}")
        return default if value is None else value

    def _strings(self, key: str) -> list[str]:
        values = self._get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise UsageError(f"{self.file.path}: tokenizer.ggml.{key} must be strings")
        return values

    def _number(self, key: str) -> int | None:
        value = self._get(key, None)
        if value is None or (isinstance(value, int) and 0 <= value < len(self.tokens)):
            return value
        raise UsageError(f"{self.file.path}: tokenizer.ggml.{key} must be a token's number, below "
                         f"{len(self.tokens)}; got {value}")

    def encode(self, text: str, *, control: bool = False) -> list[int]:
        """Numbers of the tokens of a text, without one of beginning.

        ``control``: names of control tokens in the text are these tokens. :class:`UsageError` for
        a character with bytes that the vocabulary does not have.
        """
        among = self.named if control else self.named - self.control
        names = sorted(filter(None, (self.tokens[i] for i in among)), key=len, reverse=True)
        found = f"({'|'.join(map(re.escape, names))})" if names else "(?!)"
        out: list[int] = []
        for i, part in enumerate(re.split(found, text)):
            if names and i % 2:
                out.append(self.numbers[part])
            elif part:
                self._check(part)
                out += self._merger.encode(part).ids
        return out

    def _check(self, text: str) -> None:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise UsageError("the prompt is not UTF-8") from None
        if any(CHARACTERS[byte] not in self.numbers for byte in set(data)):
            bad = next(c for c in text if any(CHARACTERS[b] not in self.numbers
                                              for b in c.encode()))
            raise UsageError(f"the prompt has {bad!r} (U+{ord(bad):04X}), which the vocabulary of "
                             f"{self.file.path} does not have")

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens; control tokens have none. What is no UTF-8 becomes U+FFFD."""
        decoder = Decoder(self)
        return "".join(map(decoder.push, tokens)) + decoder.finish()

    def data(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        text = self.tokens[token]
        if token in self.named:
            return b"" if token in self.control else text.encode()
        return b"".join(bytes([BYTES[c]]) if c in BYTES else c.encode() for c in text)


class Decoder:
    """Text of tokens as they come: a character whose bytes are not all there is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that is complete with this token; may be empty."""
        return self._decoder.decode(self._tokenizer.data(token))

    def finish(self) -> str:
        """What was held back, U+FFFD for it."""
        return self._decoder.decode(b"", final=True)
