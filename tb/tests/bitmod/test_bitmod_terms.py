"""Bit-serial terms: every code of every type, every magnitude that two terms can express."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type, is_two_term
from lowbit.golden.bitmod.terms import booth_terms, fixed_point_terms, terms_of
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.vectors import VECTORS


def value_of(terms, code):
    """Equation 4 of the paper, spelled out."""
    total = 0.0
    for t, bsig in enumerate(terms.bsig):
        total += (-1) ** int(terms.sign[code, t]) * 2.0 ** int(terms.exp[code, t]) \
            * int(terms.man[code, t]) * 2.0 ** int(bsig)
    return total


@pytest.mark.parametrize("name", [n for n in DATA_TYPE_NAMES if not n.endswith("_asym")])
def test_every_code(name):
    dtype = get_data_type(name)
    for special in dtype.special_values or (0.0,):
        terms = terms_of(dtype, special)
        values = dtype.values2x(special) / 2
        assert terms.sign.shape == (1 << dtype.bits, dtype.terms)
        assert [value_of(terms, c) for c in range(1 << dtype.bits)] == values.tolist()
        assert (terms.values2x() == 2 * values).all()
        assert set(np.unique(terms.man)) <= {0, 1}
        assert terms.exp.min() >= 0 and terms.exp.max() <= 3
        assert not (terms.sign & (1 - terms.man)).any()      # no negative zero


@pytest.mark.parametrize("bits", range(2, 10))
def test_booth(bits):
    values = np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
    terms = booth_terms(values, bits)
    assert terms.bsig.tolist() == list(range(0, bits, 2))
    assert terms.exp.max() <= 1
    assert (terms.values2x() == 2 * values).all()


def test_fixed_point_windows():
    legal = np.array([m for m in range(-31, 32) if is_two_term(abs(m))])
    terms = fixed_point_terms(legal)
    assert terms.bsig.tolist() == [0, -1]
    assert (terms.values2x() == legal).all()
    # up to two ones: the leading one, then the other; 0.5 is term 1 alone
    assert [list(x) for x in (terms.man[legal == 1][0], terms.exp[legal == 1][0])] \
        == [[0, 1], [0, 0]]
    plain = np.array([abs(m).bit_count() <= 2 for m in legal.tolist()])
    assert ((terms.sign[plain] == (legal[plain] < 0)[:, None]) | (terms.man[plain] == 0)).all()
    assert set(abs(legal[~plain]).tolist()) == {7, 14, 15}    # 3.5, 7, 7.5


def test_refusals():
    with pytest.raises(ParameterError, match="needs three"):
        fixed_point_terms(np.array([2, 11]))
    with pytest.raises(ParameterError, match="int4_asym has zero points"):
        terms_of(get_data_type("int4_asym"))


def test_reference_terms():
    reference = json.loads((VECTORS / "bitmod_terms.json").read_text())
    reference.pop("magnitudes")
    assert len(reference) == 14
    for name, entry in reference.items():
        base, _, value = name.partition("_sv")
        terms = terms_of(get_data_type(base), float(value or 0))
        for row in entry["codes"]:
            assert value_of(terms, row["code"]) == row["value"]
            assert len(row["terms"]) == len(terms.bsig)
