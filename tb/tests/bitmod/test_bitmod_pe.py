"""Group sums of the golden BitMoD PE against a scalar model in rationals and independent reference
vectors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import dequantize_groups, group_sums, group_terms
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters, BitmodTermGeneratorParameters
from lowbit.golden.bitmod.row_alignment import align_rows, group_exponents
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.bitmod_accuracy import BOUNDS, CONFIGURATIONS, KINDS, accuracy, group_error
from lowbit.tb.support.vectors import VECTORS


def cut(value, unit, rounding):
    """A rational's magnitude rounded to a multiple of ``unit``."""
    steps = abs(value) / unit
    whole = steps.numerator // steps.denominator
    rest = steps - whole
    if rounding == "nearest" and (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1)):
        whole += 1
    return (whole if value >= 0 else -whole) * unit


def exponent_of(value):
    """floor(log2(value)) of a positive rational."""
    e = value.numerator.bit_length() - value.denominator.bit_length()
    return e if value >= Fraction(2) ** e else e - 1


def code_value(code):
    """An FP16 code as a rational."""
    field = max(code >> 10 & 31, 1)
    significand = (code & 1023) + (1024 if code >> 10 & 31 else 0)
    return (-1) ** (code >> 15) * significand * Fraction(2) ** (field - 25)


def scalar_row_group(activations, terms, bits, top=None):
    """Group sum of one output with activations aligned to the largest, or to field ``top``."""
    codes = [int(code) for code in activations]
    if top is None:
        top = max(max(code >> 10 & 31, 1) for code in codes)
    unit = Fraction(2) ** (top - 14 - bits)
    largest = (2 ** bits - 1) * unit
    total = Fraction(0)
    for i, code in enumerate(codes):
        value = code_value(code)
        if value and max(code >> 10 & 31, 1) > top:
            aligned = largest if value > 0 else -largest
        else:
            aligned = cut(value, unit, "nearest")
        for t, bsig in enumerate(int(b) for b in terms.bsig):
            power = Fraction(2) ** (int(terms.exp[i, t]) + bsig) * int(terms.man[i, t])
            total += -power * aligned if terms.sign[i, t] else power * aligned
    return total


def scalar_group(activations, terms, p):
    """Group sum of one output, product by product, as docs/numerics.md section 7 reads."""
    if p.align == "row":
        return scalar_row_group(activations, terms, p.align_bits)
    total = Fraction(0)
    for start in range(0, len(activations), p.lanes):
        lanes = range(start, min(start + p.lanes, len(activations)))
        for t, bsig in enumerate(int(b) for b in terms.bsig):
            products = []
            for i in lanes:
                code = int(activations[i])
                field = max(code >> 10 & 31, 1)
                significand = (code & 1023) + (1024 if code >> 10 & 31 else 0)
                if not significand or not terms.man[i, t]:
                    continue
                sign = -1 if (code >> 15) ^ int(terms.sign[i, t]) else 1
                products.append((sign * significand, field + int(terms.exp[i, t])))
            if not products:
                continue
            if p.exact:
                total += sum(m * Fraction(2) ** (e - 25 + bsig) for m, e in products)
                continue
            top = max(e for _, e in products)
            unit = Fraction(2) ** (top - 25 - p.extra_bits)
            tree = sum(cut(m * Fraction(2) ** (e - 25), unit, p.rounding) for m, e in products)
            total += tree * Fraction(2) ** bsig
            if total:
                unit = Fraction(2) ** (exponent_of(abs(total)) - p.acc_bits + 1)
                total = cut(total, unit, p.rounding)
    return total


def random_activations(rng, kind, shape):
    if kind == "bits":
        code = rng.integers(0, 1 << 16, shape)
        return np.where(FP16.is_finite(code), code, code & 0x3FF)      # subnormals instead
    if kind == "cancel":
        x = rng.standard_normal(shape) * 1000
        x[..., 1::2] = -x[..., ::2]
        x[..., -1] += 6e-8
    elif kind == "extreme":
        x = rng.choice([65504.0, -65504.0, 6e-8, -6e-8, 0.0, -0.0, 6.1e-5], shape)
    else:
        x = rng.standard_normal(shape)
        x[rng.random(shape) < 0.05] *= 100
    return FP16.from_array(x.astype(np.float16))


PARAMETERS = [*CONFIGURATIONS.values(), *(BitmodPeParameters(align="cycle", **options)
              for options in (dict(extra_bits=0, acc_bits=12),
                              dict(extra_bits=0, acc_bits=12, rounding="nearest"),
                              dict(lanes=3, extra_bits=20, acc_bits=48, max_group=48),
                              dict(lanes=8, extra_bits=1, acc_bits=16, rounding="nearest"))),
              BitmodPeParameters(align="row", align_bits=11),
              BitmodPeParameters(align="row", align_bits=40)]


@pytest.mark.parametrize("kind", ["gauss", "bits", "cancel", "extreme"])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda p: p.flags() or "default")
def test_against_scalar_model(parameters, kind):
    rng = np.random.default_rng(11)
    for name, special in (("bitmod4", [5, -8, 7.5]), ("bitmod3", [-3, 6, 3.5]), ("int6", None),
                          ("int8", None), ("int3", None), ("olive4", None)):
        dtype = get_data_type(name)
        rows, columns, k, group = 2, 3, 22, 8          # a tail group and a tail chunk
        activations = random_activations(rng, kind, (rows, k))
        codes = rng.integers(0, 1 << dtype.bits, (columns, k))
        values = None if special is None else rng.choice(special, (columns, 3))
        terms = group_terms(codes, values, dtype, group)
        sums = group_sums(activations, terms, group, parameters)
        assert sums.integer.shape == (rows, columns, 3) and sums.finite.all()
        for r, c, g in np.ndindex(sums.integer.shape):
            part = slice(g * group, (g + 1) * group)
            expected = scalar_group(activations[r, part], terms[c, part], parameters)
            exponent = int(sums.exponents[r, c, g])
            assert int(sums.integer[r, c, g]) * Fraction(2) ** exponent == expected


@pytest.mark.parametrize("bits", [11, 17, 40])
def test_exponents_of_a_sender(bits):
    """Any exponent at all: too large a one costs places, too small a one saturates and says so."""
    rng = np.random.default_rng(15)
    p = BitmodPeParameters(align_bits=bits)
    for name, special in (("bitmod4", 7.5), ("int8", None)):
        dtype, group = get_data_type(name), 8
        activations = random_activations(rng, "bits", (8, 16))
        activations[0], activations[1, :8] = 0, [0x8000, 0, 0x8001, 0x03FF, 0, 0, 0, 0]
        codes = rng.integers(0, 1 << dtype.bits, (3, 16))
        values = None if special is None else np.full((3, 2), special)
        terms = group_terms(codes, values, dtype, group)
        exponents = rng.integers(0, 32, (8, 2))
        exponents[1] = 0, 31
        sums = group_sums(activations, terms, group, p, exponents)
        for r, c, g in np.ndindex(sums.integer.shape):
            part = slice(g * group, (g + 1) * group)
            expected = scalar_row_group(activations[r, part], terms[c, part], bits,
                                        int(exponents[r, g]))
            found = int(sums.integer[r, c, g]) * Fraction(2) ** int(sums.exponents[r, c, g])
            assert found == expected
        fields = np.maximum(activations >> 10 & 31, 1)
        too_large = (fields > exponents[:, np.arange(16) // 8]) & (activations & 0x7FFF != 0)
        clipped = align_rows(activations, group, bits, exponents).clipped
        assert clipped.tolist() == too_large.any(1).tolist() and not clipped[0] and clipped[1]


def test_row_bound():
    """|error| of a group sum is at most half a unit times the sum of |w|."""
    rng = np.random.default_rng(16)
    p = BitmodPeParameters(align_bits=12)
    for name in ("int8", "bitmod3"):
        dtype = get_data_type(name)
        activations = random_activations(rng, "gauss", (4, 32))
        codes = rng.integers(0, 1 << dtype.bits, (5, 32))
        special = np.full((5, 1), 6.0) if dtype.kind == "float" else None
        terms = group_terms(codes, special, dtype, 32)
        sums = group_sums(activations, terms, 32, p)
        worst = Fraction(0)
        for r, c in np.ndindex(4, 5):
            weights = [Fraction(int(w), 2) for w in terms.values2x()[c]]
            values = [code_value(int(code)) for code in activations[r]]
            exact = sum(a * w for a, w in zip(values, weights, strict=True))
            top = max(max(int(code) >> 10 & 31, 1) for code in activations[r])
            bound = Fraction(2) ** (top - 14 - 12) / 2 * sum(abs(w) for w in weights)
            found = int(sums.integer[r, c, 0]) * Fraction(2) ** int(sums.exponents[r, c, 0])
            assert abs(found - exact) <= bound
            worst = max(worst, abs(found - exact) / bound)
        assert worst > Fraction(1, 20)      # the bound is not far away


@pytest.mark.parametrize("max_group", [4, 128, 4096, 65536])
def test_largest_row_sums_fit(max_group):
    """The largest magnitudes and weights, saturated: the accumulator holds them, and one bit less
    would not."""
    p = BitmodPeParameters(max_group=max_group)
    top = int(p.align_bits)
    found = []
    for name, code in (("int8", 128), ("int8", 129), ("int8", 127), ("bitmod4", 8)):
        dtype = get_data_type(name)
        special = np.array([[12.0]]) if dtype.kind == "float" else None
        terms = group_terms(np.full((1, max_group), code), special, dtype, max_group)
        a = np.full((1, max_group), 0x7BFF)
        for sign in (0, 0x8000):
            sums = group_sums(a | sign, terms, max_group, p, np.array([[29]]))
            found.append(int(sums.integer[0, 0, 0]))
    largest = max(abs(x) for x in found)
    assert largest == max_group * 128 * (2**top - 1)
    assert 2 ** (p.row_bits - 2) < largest < 2 ** (p.row_bits - 1)


def test_sums_wider_than_63_bits():
    """Nothing wraps around in the golden model, whatever the widths."""
    p = BitmodPeParameters(align_bits=40, max_group=65536)
    terms = group_terms(np.full((1, 65536), 128), None, get_data_type("int8"), 65536)
    sums = group_sums(np.full((1, 65536), 0x7BFF), terms, 65536, p)
    assert int(sums.integer[0, 0, 0]) == -65536 * 128 * (0x7FF << 29)
    assert p.row_bits == 64


def test_groups_without_a_number():
    """Zeros, infinities and NaNs do not count for the exponent; subnormals count as 1."""
    a = np.array([[0, 0x8000, 0x7C00, 0xFE01], [0x03FF, 0, 0x7C00, 0], [0x7BFF, 0x7C00, 0, 0]])
    assert group_exponents(a, 4).tolist() == [[1], [1], [30]]
    assert group_exponents(a, 2).tolist() == [[1, 1], [1, 1], [30, 1]]
    assert group_exponents(a, 3).shape == (3, 2)
    aligned = align_rows(a, 4, 17)
    assert aligned.integers.tolist() == [[0] * 4, [0x3FF << 6, 0, 0, 0], [0x7FF << 6, 0, 0, 0]]
    assert not aligned.clipped.any()


def test_derived_widths():
    row = BitmodPeParameters()
    assert (row.align, row.align_bits, row.max_group, row.row_bits) == ("row", 17, 128, 32)
    assert (row.latency, row.dequant_bits, row.row_exponent(False)) == (1, 39, -31)
    pe = BitmodPeParameters(align="cycle")
    assert (pe.max_group, pe.latency) == (4096, 2)
    assert (pe.exponent_bits, pe.aligned_bits, pe.tree_bits, pe.dequant_bits) == (6, 14, 17, 32)
    assert BitmodPeParameters(align="cycle", max_group=128).exact_bits == 56
    cycles = {n: pe.cycles(get_data_type(n), 4) for n in
              ("int8", "int6", "bitmod4", "bitmod3", "int4")}
    assert cycles == {"int8": 4, "int6": 3, "bitmod4": 2, "bitmod3": 2, "int4": 2}   # section IV-B
    assert pe.cycles(get_data_type("fp3"), 128) == 64
    assert BitmodArrayParameters().pes == 1024 and BitmodTileParameters().rows == 8
    assert BitmodTermGeneratorParameters().max_terms == 4


@pytest.mark.parametrize(("values", "words"), [
    (dict(rounding="up"), "--rounding must be one of"), (dict(extra_bits=-1), "--extra-bits"),
    (dict(acc_bits=64), "--acc-bits"), (dict(lanes=3), "--max-group must be a multiple"),
    (dict(align="group"), "--align must be one of row, cycle; got group"),
    (dict(align_bits=10), "--align-bits must be 11..40; got 10"),
    (dict(align="cycle", align_bits=18),
     "--align-bits must be left out unless --align is row; got 18"),
    (dict(extra_bits=13), "--extra-bits must be left out unless --align is cycle; got 13"),
    (dict(exact=True), "--exact must be left out unless --align is cycle"),
    (dict(accumulator="fixed"), "--accumulator must be left out unless --align is cycle"),
    (dict(pipeline=3), "--pipeline must be 0..2 with --align row; got 3")])
def test_bad_parameters(values, words):
    with pytest.raises(ParameterError, match=words):
        BitmodPeParameters(**values)


# -- reference vectors ----------------------------------------------------------------------------
def test_accuracy_of_generated_activations():
    """Figures of scripts/studies/bench_bitmod.py: in order, and within the bound of three lanes."""
    for kind in ("gaussian", "outlier", "subnormal"):
        found = accuracy(kind, rows=3, columns=3, groups=2)

        def error(name, result="P", found=found):
            value = found[name][result]
            assert value is not None
            return value

        errors = [error(name) for name in ("cycle", "nearest", "wide", "exact")]
        assert errors == sorted(errors, reverse=True) and errors[0] < 3 * 2**-13
        assert errors[-1] == 0 and error("exact", "D") < 2**-24
        if kind != "subnormal":          # whose products lose nothing
            assert error("sequential fp16") > errors[0] > error("sequential fp32")
            assert errors[0] > 100 * errors[2] > 0 and error("exact", "Y") > 0


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_no_less_accurate_than_cycles(kind):
    """With the default parameters, on every kind of activations, at most and on average."""
    found = accuracy(kind, rows=8, columns=16, groups=4)
    for what in ("P", "P rms"):
        row, cycle = found["row"][what], found["cycle"][what]
        assert row is not None and cycle is not None
        assert row < cycle or row == cycle == 0


def test_reference_dot_products(capsys):
    cases = np.load(VECTORS / "bitmod_dot.npz")
    names = sorted({key.split("|")[0] for key in cases.files})
    kinds = sorted({key.split("|")[1] for key in cases.files})
    assert len(names) == 13 and len(kinds) == 9
    lines = [f"{'activations':<12}" + "".join(f"{c:>14}" for c in (*CONFIGURATIONS, "seq. FP32"))]
    for kind in kinds:
        worst, sequential = dict.fromkeys(CONFIGURATIONS, 0.0), 0.0
        for name in names:
            a, codes, s8, P, D, sums_abs, fp32 = (cases[f"{name}|{kind}|{field}"] for field in (
                "a", "code", "s8", "P", "D", "sum_abs", "seq_fp32"))
            base, _, value = name.partition("_sv")
            dtype = get_data_type(base)
            special = np.full(s8.shape, float(value)) if value else None
            terms = group_terms(codes, special, dtype, 128)
            for label, parameters in CONFIGURATIONS.items():
                sums = group_sums(FP16.from_array(a), terms, 128, parameters)
                worst[label] = max(worst[label], group_error(sums, P, sums_abs))
                if parameters.exact:
                    product = sums.integer.astype(object) * s8[None].astype(object)
                    for mine, reference in zip(product.ravel(), D.ravel(), strict=True):
                        assert int(mine) * Fraction(2) ** sums.exponent == Fraction(reference)
                    rounded = FP32.to_array(dequantize_groups(sums, s8))
                    assert np.array_equal(rounded, D.astype(np.float32))
            bound = np.where(sums_abs > 0, sums_abs, 1.0)
            sequential = max(sequential, float((np.abs(fp32 - P) / bound).max()))
        lines.append(f"{kind:<12}" + "".join(f"{e:>14.2e}" for e in (*worst.values(), sequential)))
        for label, limit in BOUNDS.items():
            assert worst[label] <= limit, (kind, label, worst[label])
    with capsys.disabled():
        print("\nlargest |P - exact| / sum|a*w| of the PE, per kind of activations\n"
              + "\n".join(lines))
