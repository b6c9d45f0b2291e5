"""Golden model of the LUT core against independent references."""

from __future__ import annotations

from collections.abc import Iterator

import apytypes
import ml_dtypes
import numpy as np
import pytest

from lowbit.golden.formats import BF16, FP8_E4M3, FP8_E5M2, FP16, FP32, FloatFormat, get_format
from lowbit.golden.lut.gemm import gemm
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.table import make_tables, pattern_signs
from lowbit.tb.support.float_parts import exact, expected_sum, pairs, rounded
from lowbit.tb.support.vectors import VECTORS

FORMAT = {"e4m3": "fp8_e4m3", "e5m2": "fp8_e5m2"}


def cases(file: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(case name, fields) of a vector file."""
    with np.load(VECTORS / file) as data:
        names = sorted({key.rsplit("|", 1)[0] for key in data})
        for name in names:
            prefix = name + "|"
            yield name, {key[len(prefix):]: data[key] for key in data if key.startswith(prefix)}


@pytest.mark.parametrize(("fmt", "name"), [
    (BF16, "bfloat16"), (FP8_E4M3, "float8_e4m3fn"), (FP8_E5M2, "float8_e5m2")],
    ids=lambda x: getattr(x, "name", ""))
def test_formats_as_ml_dtypes(fmt: FloatFormat, name: str) -> None:
    """What every code means, and the rounding of float32 numbers: random, all ties, beside them.

    (ml_dtypes rounds a float64 to float32 first, so the numbers are float32.)
    """
    kind = np.dtype(getattr(ml_dtypes, name))
    raw = np.dtype(f"u{kind.itemsize}")
    codes = np.arange(1 << fmt.bits)
    values = codes.astype(raw).view(kind)
    with np.errstate(invalid="ignore"):      # signalling NaN
        np.testing.assert_array_equal(fmt.to_float64(codes), values.astype(np.float64))
    finite = np.sort(fmt.to_float64(codes)[fmt.is_finite(codes)])
    ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    rng = np.random.default_rng(3)
    some = rng.choice([-1, 1], 9999) * np.exp2(rng.uniform(-140, 127, 9999))
    x = np.concatenate([ties, *(np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf)),
                        some.astype(np.float32)])
    with np.errstate(over="ignore"):
        expected = x.astype(kind).view(raw).astype(np.int64)
    assert (fmt.canonical(fmt.from_float64(x)) == fmt.canonical(expected)).all()


@pytest.mark.parametrize("fmt", [FP32, FP16, BF16, FP8_E5M2], ids=lambda fmt: fmt.name)
def test_one_rounding_as_apytypes(fmt: FloatFormat) -> None:
    """Sums and products of two codes: exact integers rounded once are what apytypes computes."""
    a, b = pairs(fmt, 3000)

    def other(codes: np.ndarray) -> apytypes.APyFloatArray:
        return apytypes.APyFloatArray.from_bits(codes.tolist(), fmt.ebits, fmt.mbits)

    def bits(result: apytypes.APyFloatArray) -> np.ndarray:
        return fmt.canonical(np.array(result.to_bits(), np.int64))

    np.testing.assert_array_equal(expected_sum(fmt, a, b), bits(other(a) + other(b)))
    finite = fmt.is_finite(a) & fmt.is_finite(b)
    a, b = a[finite], b[finite]
    product = rounded(fmt, exact(fmt, a) * exact(fmt, b), 2 * fmt.emin)
    np.testing.assert_array_equal(fmt.canonical(product), bits(other(a) * other(b)))


def test_integer_vectors_exact() -> None:
    """Sum a*q' and sum a*(q'-z') of every case with a table size that we generate."""
    tested = 0
    for name, case in cases("lut_int.npz"):
        a_format, w, shape = name.split("|")
        K = int(shape.rsplit("G", 1)[1])
        if K > 6:
            continue
        bits, a, q = int(w[1:]), case["a"], case["q"]
        p = LutCoreParameters(K=K, a_format=a_format, w_bits=bits, max_k=max(a.shape[1], K))
        np.testing.assert_array_equal(gemm(p, a, q, bits), case["y_qprime"], name)
        np.testing.assert_array_equal(gemm(p, a, q, bits, case["z"]),
                                      case["y_2x_zero_corrected"], name)
        if "half_table" in case:
            # the vectors store the other half: T[j] = -Tvec[~j]
            tables = make_tables(a, p).entries
            np.testing.assert_array_equal(tables, -case["half_table"][:, :, ::-1], name)
        tested += 1
    assert tested > 50


def test_float_vectors() -> None:
    """``float`` equals the group-major FP32 reference; ``aligned`` keeps its accuracy bar.

    One row is different: BF16 row 7 has +-1 and numbers near 2**-126 in one table. The contract
    rounds the exact sum once, which keeps the small ones when the large cancel; the reference
    summed in float64 and lost them. There our result must be the closer one.
    """
    excused = 0
    for name, case in cases("lut_float.npz"):
        short, w, _ = name.split("|")
        bits, codes, q = int(w[1:]), case["a_code"], case["q"]
        a_format = FORMAT.get(short, short)
        p = LutCoreParameters(K=4, a_format=a_format, datapath="float", w_bits=bits,
                              max_k=codes.shape[1])
        got, expected = FP32.to_array(gemm(p, codes, q, bits)), case["lut_fp32_groupmajor"]
        differ = ~((got == expected) | (np.isnan(got) & np.isnan(expected)))
        if differ.any():
            assert short == "bf16" and set(np.flatnonzero(differ.any(axis=1))) == {7}, name
            exact = case["y_rn_fp32"][differ].astype(np.float64)
            assert (np.abs(got[differ] - exact) < np.abs(expected[differ] - exact)).all(), name
            excused += int(differ.sum())

        p = LutCoreParameters(K=4, a_format=a_format, w_bits=bits, max_k=codes.shape[1])
        aligned = FP32.to_array(gemm(p, codes, q, bits)).astype(np.float64)
        with np.errstate(invalid="ignore"):
            error = np.abs(aligned - case["y_hi"] - case["y_lo"])
            sequential = np.abs(case["seq_fp32"] - case["y_hi"] - case["y_lo"])
        # where the exact result is beyond FP32, both are infinite
        beyond = ~np.isfinite(case["y_rn_fp32"])
        np.testing.assert_array_equal(aligned[beyond], case["y_rn_fp32"][beyond], name)
        error[beyond] = 0
        sequential[beyond | ~np.isfinite(sequential)] = 0
        bar = np.maximum(4 * sequential.max(axis=1), 2.0**-23 * case["sum_abs"].max(axis=1))
        assert (error.max(axis=1) <= bar).all(), name
    assert excused > 0


def test_nonfinite_rows_are_nan() -> None:
    """NaN in every output of a row with a non-finite activation; finite rows as ever."""
    for name, case in cases("lut_nonfinite.npz"):
        short, w = name.split("|")
        bits, codes = int(w[1:]), case["a_code"]
        for datapath in ("float", "aligned"):
            p = LutCoreParameters(K=4, a_format=FORMAT.get(short, short), datapath=datapath,
                                  w_bits=bits, max_k=codes.shape[1])
            assert isinstance(p.activation, FloatFormat)
            bad = np.asarray(~p.activation.is_finite(codes).all(axis=1))
            assert bad.any()
            result = gemm(p, codes, case["q"], bits)
            assert (result[bad] == FP32.nan).all(), name
            assert np.isfinite(FP32.to_array(result[~bad])).all() or not (~bad).any(), name
            finite_class = (case["class_ieee_gemm"] == 0).all(axis=1)
            assert (~bad[finite_class]).all(), name


def test_quantized_tables() -> None:
    """INT8 tables: codes, scales, and the result within the reference's own error bound."""
    tested = 0
    for name, case in cases("lut_table_quant.npz"):
        if not name.startswith("tabq"):
            continue
        _, w, share = name.split("|")
        bits, tables_shared = int(w[1:]), int(share[5:])
        a, q = case["a"], case["q"]
        codes = FP16.from_array(a)
        p = LutCoreParameters(K=4, table_format="int8", w_bits=bits, max_k=4 * tables_shared)
        for part in range(case["scale"].shape[1]):
            span = slice(part * 4 * tables_shared, (part + 1) * 4 * tables_shared)
            tables = make_tables(codes[:, span], p)
            np.testing.assert_array_equal(tables.scale, case["scale"][:, part].astype(np.float32))
            reference = -case["T8"][:, span.start // 4:span.stop // 4, ::-1].astype(np.int64)
            # row 4 has exact ties, which may go either way
            rows = np.arange(len(a)) != 4
            np.testing.assert_array_equal(tables.entries[rows], reference[rows], name)
            assert np.abs(tables.entries - reference).max() <= 1, name
        got = FP32.to_array(gemm(p, codes, q, bits)).astype(np.float64)
        bound = case["err_bound"] * (1 + 1e-5) + 1e-6 * np.abs(case["y_tableq"]).max()
        assert (np.abs(got - case["y_exact_qprime"]) <= bound).all(), name
        tested += 1
    assert tested > 5


@pytest.mark.parametrize("K", range(2, 7))
@pytest.mark.parametrize("table", ["half", "full"])
def test_entries_are_signed_sums(K: int, table: str) -> None:
    """Entries by definition; the last one is the sum of all."""
    rng = np.random.default_rng(K)
    a = rng.integers(-128, 128, (3, 2 * K))
    p = LutCoreParameters(K=K, a_format="int8", table=table)
    entries = make_tables(a, p).entries
    for index, signs in enumerate(pattern_signs(K, table)):
        for t in range(2):
            np.testing.assert_array_equal(entries[:, t, index], a[:, t * K:(t + 1) * K] @ signs)
    np.testing.assert_array_equal(entries[:, 1, -1], a[:, K:].sum(axis=1))


@pytest.mark.parametrize("a_format", ["int8", "int16", "fp8_e4m3", "fp8_e5m2", "fp16", "bf16"])
def test_entry_width_is_tight(a_format: str) -> None:
    """The extreme rows fit the entry's width, and need every bit of it."""
    fmt = get_format(a_format)
    for K in range(2, 7):
        p = LutCoreParameters(K=K, a_format=a_format)
        if isinstance(fmt, FloatFormat):
            largest = (fmt.nan if fmt.fn else fmt.inf) - 1
            rows = np.array([[largest] * K, [largest | 1 << (fmt.bits - 1)] * K])
        else:
            rows = np.array([[fmt.low] * K, [fmt.high] * K, [fmt.low] * (K - 1) + [fmt.high]])
        entries = make_tables(rows, p).entries
        half = 1 << (p.entry_bits - 1)
        assert entries.min() >= -half and entries.max() < half
        assert entries.min() < -half // 2 or entries.max() >= half // 2
        assert np.abs(entries).max() <= p.entry_limit


@pytest.mark.parametrize("table_format", ["exact", "int8"])
def test_sign_of_zero_results(table_format: str) -> None:
    """IEEE: a result that rounding brings to zero keeps its sign; an exact zero is +0."""
    acc = None if table_format == "int8" else "fp16"
    for preload in (False, True):
        p = LutCoreParameters(a_format="bf16", M=1, N=2, w_bits=1, acc=acc, out_format="fp16",
                              preload=preload, table_format=table_format)
        tiny = BF16.from_float64(np.full((1, 4), 2.0 ** -130))
        q = np.array([[0] * 4, [0, 0, 1, 1]])     # -4 * 2**-130 and 0
        # a partial sum of zero makes every zero +0
        below = 0 if preload and acc else 0x8000
        assert gemm(p, tiny, q, 1).tolist() == [[below, 0]], preload
