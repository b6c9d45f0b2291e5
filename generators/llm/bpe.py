"""Byte-level BPE: how text is cut into words, the characters that stand for bytes, the merges.

Cutting and merging is done by the library ``tokenizers``, loaded on use.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..weights.messages import line

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["BYTES", "CHARACTERS", "WORDS", "Words", "merger"]

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+"
          r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


@dataclass(frozen=True)
class Words:
    """How text is cut into words before the merges."""

    digits: bool = False            #: each digit is a word of its own
    pattern: str | None = None      #: of words; None for GPT-2's
    whole: bool = False             #: a word of the vocabulary is not merged from its parts
    begin: bool = False             #: text begins with the token of beginning, unless said


#: names that GGUF gives to ways of cutting, under ``tokenizer.ggml.pre``
WORDS = {"default": Words(), "gpt-2": Words(), "smollm": Words(digits=True),
         "llama-bpe": Words(pattern=LLAMA3, whole=True, begin=True)}


def byte_characters() -> dict[int, str]:
    """GPT-2's table: the printable characters of Latin-1 stand for their bytes, the characters
    from 256 on for the other bytes, in order."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {
        byte: chr(256 + i) for i, byte in enumerate(hidden)}


CHARACTERS = byte_characters()
BYTES = {character: byte for byte, character in CHARACTERS.items()}


def merger(path: Path, numbers: dict[str, int], merges: list[str], words: Words) -> Tokenizer:
    """The library's tokenizer: words, then merges (``left right``, most important first).

    :class:`UsageError` without the library, and for merges whose tokens are not there.
    """
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    except ImportError:
        raise UsageError("gen llm needs the library tokenizers; get it with: "
                         f"{sys.executable} -m pip install tokenizers") from None
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    try:
        library = Tokenizer(models.BPE(numbers, pairs, ignore_merges=words.whole))
    except Exception as error:      # the library has no class of its own
        raise UsageError(f"{path} has merges that do not fit its tokens: "
                         f"{line(error)}") from None
    steps: list[pre_tokenizers.PreTokenizer] = []
    if words.digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if words.pattern is not None:
        steps.append(pre_tokenizers.Split(Regex(words.pattern), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words.pattern is None))
    library.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return library
