"""BitMoD data types: grids, codes, legal special values, against the published tables."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lowbit.golden.bitmod.datatypes import (
    DATA_TYPE_NAMES,
    check_special_values,
    get_data_type,
    is_two_term,
)
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.vectors import VECTORS

#: paper, Table IV
BASIC: dict[str, set[float]] = {"fp3": {0, 1, 2, 4}, "fp4": {0, .5, 1, 1.5, 2, 3, 4, 6}}
#: magnitudes up to 15.5 that need three signed terms
THREE_TERMS = {5.5, 6.5, 9.5, 10.5, 11, 11.5, 12.5, 13, 13.5, 14, 14.5, 15, 15.5}


@pytest.mark.parametrize(("name", "bits"), [("fp3", 3), ("fp4", 4)])
def test_basic_grid(name, bits):
    dtype = get_data_type(name)
    values = dtype.values2x(0.0) / 2
    assert len(values) == 1 << bits
    assert set(values) == BASIC[name] | {-v for v in BASIC[name]}
    # sign-magnitude: the top bit negates, magnitudes ascend with the code
    half = 1 << (bits - 1)
    assert (values[half + 1:] == -values[1:half]).all()
    assert (np.diff(values[:half]) > 0).all()


@pytest.mark.parametrize(("name", "values"), [
    ("bitmod3", (3, -3, 6, -6)), ("fp3_er", (3, -3)), ("fp3_ea", (6, -6)), ("fp3", ()),
    ("bitmod4", (5, -5, 8, -8)), ("fp4_er", (5, -5)), ("fp4_ea", (8, -8)), ("fp4", ())])
def test_special_values_of_table_iv(name, values):
    dtype = get_data_type(name)
    assert dtype.special_values == values
    for number, value in enumerate(values):
        table = dtype.table2x[number] / 2
        assert table[dtype.sv_code] == value
        assert len(set(table)) == 1 << dtype.bits      # the redundant zero is used up


@pytest.mark.parametrize("bits", range(3, 9))
def test_integers(bits):
    dtype = get_data_type(f"int{bits}")
    codes = np.arange(1 << bits)
    expected = codes.astype(np.int64)
    expected[codes >= 1 << (bits - 1)] -= 1 << bits
    assert (dtype.values2x() == 2 * expected).all()
    assert (get_data_type(f"int{bits}_asym").values2x() == 2 * codes).all()


def test_max_magnitude_bounds_every_value():
    for name in DATA_TYPE_NAMES:
        dtype = get_data_type(name)
        assert dtype.max_magnitude2x == abs(dtype.table2x).max()


def test_three_term_values_are_refused():
    refused = {m / 2 for m in range(32) if not is_two_term(m)}
    assert refused == THREE_TERMS
    for value in THREE_TERMS:
        with pytest.raises(ParameterError, match=f"{value:g} needs three"):
            check_special_values((-value,))
    check_special_values((3.5, 7, -7.5, 12))


@pytest.mark.parametrize(("values", "words"), [
    ((1, 3, 5, 7, 8), "at most 4"), ((5, 5), "differ"), ((16.0,), "within"), ((0.25,), "0.25"),
    ((float("nan"),), "nan"), ((float("inf"),), "inf"), ((6.0,), "repeat"), ((0.0,), "repeat")])
def test_bad_special_values(values, words):
    with pytest.raises(ParameterError, match=words):
        get_data_type("bitmod4", values)


def test_bad_names():
    with pytest.raises(ParameterError, match="--dtype must be one of"):
        get_data_type("fp5")
    with pytest.raises(ParameterError, match="belong to FP3 and FP4"):
        get_data_type("int4", (7.0,))


def test_values_and_terms_of_reference():
    reference = json.loads((VECTORS / "bitmod_terms.json").read_text())
    magnitudes = reference.pop("magnitudes")
    for name, entry in reference.items():
        base, _, value = name.partition("_sv")
        dtype = get_data_type(base)
        values2x = dtype.values2x(float(value or 0))
        assert dtype.terms == entry["terms"]
        assert len(entry["codes"]) == len(values2x)
        for row in entry["codes"]:
            assert values2x[row["code"]] == 2 * row["value"], (name, row)
        if value:
            assert entry["negative_zero_code"] == dtype.sv_code
    for row in magnitudes:
        assert is_two_term(round(2 * row["magnitude"])) == (row["two_signed_terms"] is not None)
