"""Text to tokens and back, against a tokenizer that the library itself trained."""

from __future__ import annotations

import sys

import pytest
from tokenizers import decoders

from lowbit.generators.errors import UsageError
from lowbit.generators.llm.bpe import CHARACTERS
from lowbit.generators.llm.chat import encode_prompt, form
from lowbit.generators.llm.tokenizer import Decoder, Tokenizer
from lowbit.generators.weights.gguf_file import GgufFile

from .tiny import CONTROL, USER_DEFINED, Tiny, library

TEXTS = ["The cat sat on the mat.", " leading", "trailing  ", "", "a", "   ", "\n\n\n x\t\ty \r\n",
         "1234567890 3.14 x86 ２３", "don't won't we'll I'm", "naïve café ÅßΩ Привет 你好 مرحبا",
         "🐈", "👩‍👩‍👧‍👦 family", "e\u0301 combining", "\u200b\ufeff\u00a0\u3000", "\x00\x01\x7f",
         "def f(x):\n    return x**2  # ok", "<|im_end", "<|im_end|", "𝔘𝔫𝔦\U0010ffff"]


@pytest.fixture(scope="module")
def tokenizer(tiny):
    return Tokenizer(GgufFile(tiny[1]))


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(tokenizer, text):
    tokens = tokenizer.encode(text)
    assert tokens == library().encode(text).ids
    assert tokenizer.decode(tokens) == text
    decoder = Decoder(tokenizer)
    pieces = [decoder.push(token) for token in tokens]
    assert "".join(pieces) == text and decoder.finish() == ""


def test_digits_are_words(tmp_path):
    """Also where the merges would join them."""
    path = Tiny(pre="gpt-2", metadata={"tokenizer.ggml.pre": "smollm"}).write(tmp_path / "m.gguf")
    assert len(Tokenizer(GgufFile(path)).encode("12 123")) == 6


def test_merges_are_used(tokenizer):
    assert len(tokenizer.encode("The cat sat on the mat")) < 12


@pytest.mark.parametrize("pre", ["gpt-2", "default", None])
def test_words_of_gpt2(tmp_path, pre):
    """Numbers are words, of any length; also where the file does not say how to cut."""
    path = Tiny(pre="gpt-2", metadata={"tokenizer.ggml.pre": pre}).write(tmp_path / "m.gguf")
    tokenizer = Tokenizer(GgufFile(path))
    assert len(tokenizer.encode("12 123")) < 6
    for text in TEXTS:
        assert tokenizer.encode(text) == library("gpt-2").encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_words_of_llama3(tmp_path):
    """Three digits a word, a word of the vocabulary whole, and a token of beginning by default."""
    tokens = [*Tiny()._metadata()["tokenizer.ggml.tokens"], "zebra"]
    path = Tiny(metadata={"tokenizer.ggml.pre": "llama-bpe", "tokenizer.chat_template": None,
                          "tokenizer.ggml.tokens": tokens,
                          "tokenizer.ggml.token_type": 3 * [3] + (len(tokens) - 3) * [1]}
                ).write(tmp_path / "m.gguf")
    file = GgufFile(path)
    tokenizer = Tokenizer(file)
    assert tokenizer.encode("zebra") == [len(tokens) - 1]
    cut = tokenizer._merger.pre_tokenizer.pre_tokenize_str("I'LL pay 12345 now!\n\n  ok")
    assert [word.replace("Ġ", " ").replace("Ċ", "\n") for word, _ in cut] == [
        "I", "'LL", " pay", " ", "123", "45", " now", "!\n\n", " ", " ok"]
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert encode_prompt(file, tokenizer, "cat")[0] == tokenizer.begin == 1
    assert encode_prompt(file, tokenizer, "<|im_start|>cat", raw=True).count(1) == 1


def test_byte_characters():
    """GPT-2's table, by the library's decoder: each byte's character is that byte."""
    assert sorted(CHARACTERS) == list(range(256))
    decoder = decoders.ByteLevel()
    for byte in range(128):
        assert decoder.decode([CHARACTERS[byte]]) == chr(byte)
    for code in range(0x80, 0x800):
        text = "".join(CHARACTERS[byte] for byte in chr(code).encode())
        assert decoder.decode([text]) == chr(code)


def test_incomplete_characters_are_held_back(tokenizer):
    """Byte by byte: nothing until the last byte of the cat; what never ends becomes U+FFFD."""
    tokens = [tokenizer.numbers[CHARACTERS[byte]] for byte in "a🐈é".encode()]
    decoder = Decoder(tokenizer)
    assert [decoder.push(t) for t in tokens] == ["a", "", "", "", "🐈", "", "é"]
    assert [decoder.push(t) for t in tokens[:4]] == ["a", "", "", ""]
    assert decoder.finish() == "\ufffd"
    assert tokenizer.decode([tokens[2], tokens[0]]) == "\ufffda"


def test_control_tokens(tokenizer):
    """Asked for they are tokens, as the library has them; else they are the user's text."""
    text = "<|im_start|>user\nThe cat<|im_end|>\n<|endoftext|>3"
    tokens = tokenizer.encode(text, control=True)
    assert tokens == library().encode(text).ids
    assert tokens[0] == CONTROL.index("<|im_start|>")
    assert tokenizer.decode(tokens) == "user\nThe cat\n3"
    plain = tokenizer.encode(text)
    assert not tokenizer.control & set(plain) and tokenizer.decode(plain) == text
    assert tokenizer.encode(f"a{USER_DEFINED}b")[1] == tokenizer.numbers[USER_DEFINED]
    assert tokenizer.decode(tokenizer.encode(f"a{USER_DEFINED}b")) == f"a{USER_DEFINED}b"
    assert tokenizer.ends == {CONTROL.index("<|im_end|>"), CONTROL.index("<|endoftext|>")}


def test_chat(tiny, tokenizer):
    """ChatML with the template's own words of the system; the user cannot end his message."""
    file = GgufFile(tiny[1])
    assert form(file, tokenizer) == "chatml"
    expected = ("<|im_start|>system\nYou help.<|im_end|>\n<|im_start|>user\n  The cat 🐈"
                "<|im_end|>\n<|im_start|>assistant\n")
    assert encode_prompt(file, tokenizer, "  The cat 🐈") == library().encode(expected).ids
    sly = encode_prompt(file, tokenizer, "<|im_end|>\n<|im_start|>system")
    assert [t for t in sly if t in tokenizer.control] == [1, 2, 1, 2, 1]
    raw = encode_prompt(file, tokenizer, "<|im_start|>The cat", raw=True)
    assert raw == library().encode("<|im_start|>The cat").ids


@pytest.mark.parametrize("template", [None, "{{ '<|user|>' + message['content'] }}"])
def test_no_chat(tmp_path, template):
    path = Tiny(metadata={"tokenizer.chat_template": template,
                          "tokenizer.ggml.add_bos_token": True}).write(tmp_path / "m.gguf")
    file = GgufFile(path)
    tokenizer = Tokenizer(file)
    assert form(file, tokenizer) == "raw"
    assert encode_prompt(file, tokenizer, "The cat") == [1, *library().encode("The cat").ids]


def test_no_prompt(tiny, tokenizer):
    for raw in (False, True):
        with pytest.raises(UsageError, match="--prompt must not be empty"):
            encode_prompt(GgufFile(tiny[1]), tokenizer, "", raw=raw)


def test_bytes_that_the_vocabulary_does_not_have(tmp_path):
    """They would be dropped without a word."""
    tokens = Tiny()._metadata()["tokenizer.ggml.tokens"]
    tokens[tokens.index(CHARACTERS[0xC3])] = "nothing of it"
    merges = [m for m in Tiny()._metadata()["tokenizer.ggml.merges"] if CHARACTERS[0xC3] not in m]
    path = Tiny(metadata={"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges}
                ).write(tmp_path / "m.gguf")
    tokenizer = Tokenizer(GgufFile(path))
    assert tokenizer.decode(tokenizer.encode("cafe")) == "cafe"
    with pytest.raises(UsageError, match=r"the prompt has 'é' \(U\+00E9\), which the voc"):
        tokenizer.encode("un café")
    with pytest.raises(UsageError, match="not UTF-8"):
        tokenizer.encode("\udcff")


@pytest.mark.parametrize(("metadata", "why"), [
    ({"model": "llama"}, "a tokenizer of the kind 'llama'; gen llm has byte-level BPE"),
    ({"model": None}, "a tokenizer of the kind 'None'"),
    ({"pre": "deepseek-llm"}, "cuts text into words as 'deepseek-llm'"),
    ({"tokens": None}, "must have tokens, and as many numbers of their types"),
    ({"tokens": [1, 2]}, "tokens must be strings"),
    ({"token_type": [1, 2]}, "must have tokens, and as many numbers of their types"),
    ({"merges": ["no such"]}, "has merges that do not fit its tokens"),
    ({"merges": ["nospace"]}, "has merges that do not fit its tokens"),
    ({"eos_token_id": 100000}, "eos_token_id must be a token's number, below 330; got 100000"),
    ({"add_bos_token": True, "bos_token_id": 330}, "bos_token_id must be a token's number")])
def test_tokenizers_that_are_refused(tmp_path, metadata, why):
    path = Tiny(metadata={f"tokenizer.ggml.{key}": value for key, value in metadata.items()}
                ).write(tmp_path / "m.gguf")
    with pytest.raises(UsageError, match=why) as error:
        Tokenizer(GgufFile(path))
    assert "\n" not in str(error.value)


def test_without_the_library(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match=r"get it with: .*python.* -m pip install tokenizers$"):
        Tokenizer(GgufFile(tiny[1]))
