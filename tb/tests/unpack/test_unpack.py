"""Packed ternary weights: the codes against their definition, the decoders for all words."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit
from lowbit.golden.digits import FORMATS
from lowbit.golden.parameters import ParameterError
from lowbit.golden.trit_codes import TRIT_CODES
from lowbit.golden.unpack.parameters import UnpackParameters
from lowbit.tb.support.lut_run import run_bench


def trits5_word(trits):
    """The table of the contract, in words of Python."""
    u = [trit + 1 for trit in trits]
    a, b, e = u[0] + 3 * u[1], u[2] + 3 * u[3], u[4]
    if a < 8 and b < 8:
        return e * 64 + 8 * a + b
    if b < 8:
        return 192 + 8 * e + b
    if a < 8:
        return 192 + 8 * (3 + e) + a
    return 240 + e


def sherry_word(trits):
    """None where the four do not have exactly one zero."""
    others = [trit for trit in trits if trit]
    if len(others) != 3:
        return None
    return ((others[0] < 0) << 4 | trits.index(0) << 2 | (others[2] != others[0]) << 1
            | (others[1] != others[0]))


@pytest.mark.parametrize(("name", "word_of"), [("trits5", trits5_word), ("sherry", sherry_word)])
def test_every_word(name, word_of):
    """All words that a packer makes, and that it makes no others."""
    code = TRIT_CODES[name]
    words = {word_of(trits): trits for trits in itertools.product((-1, 0, 1), repeat=code.trits)}
    words.pop(None, None)
    assert sorted(words) == np.flatnonzero(code.used).tolist()
    for word, trits in words.items():
        assert int(code.encode(np.array(trits))) == word
        assert tuple(code.decode(np.array(word)).tolist()) == trits


def test_what_is_refused():
    with pytest.raises(ParameterError, match="must be -1, 0 or 1; got 2"):
        TRIT_CODES["trits2"].encode(np.array([[0], [2]]))
    with pytest.raises(ParameterError, match=r"exactly one is 0; got \[0, 0, 1, 1\]"):
        TRIT_CODES["sherry"].encode(np.array([0, 0, 1, 1]))
    with pytest.raises(ParameterError, match=r"--lanes must be 1..1024; got 0"):
        UnpackParameters(lanes=0)


def spec(code, flaw=False):
    """All words of a code as a table; zeros without a sign."""
    form = FORMATS["ternary"]
    table = 0
    for word in range(1 << code.bits):
        ports = [int(port) for port in form.pack(code.decode(np.array(word)))]
        if flaw and word == 7:
            ports[0] = form.codes[1] if ports[0] != form.codes[1] else form.codes[0]
        for i, port in enumerate(ports):
            table |= port << 2 * (code.trits * word + i)
    size = 2 * code.trits << code.bits
    return "\n".join(["module spec (", f"  input  [{code.bits - 1}:0] words,",
                      f"  output [{2 * code.trits - 1}:0] trits", ");",
                      f"  wire [{size - 1}:0] table_of_all = {size}'h{table:x};",
                      f"  assign trits = table_of_all >> ({{16'd0, words}} * {2 * code.trits});",
                      "endmodule", ""])


def without_signs_of_zeros(verilog, code):
    """The design inside one that clears what means nothing."""
    inner = verilog.replace("module weight_unpack", "module unpack_inner")
    clear = ", ".join(f"raw[{2 * i + 1}], raw[{2 * i}] & raw[{2 * i + 1}]"
                      for i in reversed(range(code.trits)))
    return inner + "\n".join(["", "module weight_unpack (", f"  input  [{code.bits - 1}:0] words,",
                              f"  output [{2 * code.trits - 1}:0] trits", ");",
                              f"  wire [{2 * code.trits - 1}:0] raw;",
                              "  unpack_inner inner (.words(words), .trits(raw));",
                              f"  assign trits = {{{clear}}};", "endmodule", ""])


@pytest.mark.parametrize("name", TRIT_CODES)
def test_decoder_for_all_words(name):
    """By SAT, those words included that a packer does not make."""
    code = TRIT_CODES[name]
    verilog = without_signs_of_zeros(emit(UnpackParameters(code=name)).verilog, code)
    assert prove_equal(verilog, "weight_unpack", spec(code)).proved
    if name != "trits2":
        assert prove_equal(verilog, "weight_unpack", spec(code, flaw=True)).answer == "refuted"


def test_bench():
    """Words and trits lie at the ports as the contract says; a broken line is noticed."""
    p = UnpackParameters(code="sherry", lanes=3)
    outcome = run_bench(p)
    assert outcome.passed and outcome.stats["mismatches"] == 0
    mutant, count = re.subn(r"word\[4\] \^ word\[0\]", "word[4] & word[0]", emit(p).verilog)
    assert count == 1
    assert not run_bench(p, verilog=mutant).passed
