"""Ternary weights: tables, packing, products against their definitions; proofs for all inputs."""

from __future__ import annotations

import dataclasses
import itertools
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter, quants

from lowbit.generators.cli import main
from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit
from lowbit.generators.weights.formats import load_tensor
from lowbit.generators.weights.kept import list_tensors
from lowbit.golden import bits as packed_bits
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.grouped import of_planes
from lowbit.golden.lut.core import operation
from lowbit.golden.lut.dot import dot
from lowbit.golden.lut.gemm import Gemm, Operands
from lowbit.golden.lut.packing import weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters, LutDotParameters, LutTableParameters
from lowbit.golden.lut.quantizer import quantize_planes, quantize_ternary
from lowbit.golden.lut.table import make_tables
from lowbit.golden.parameters import ParameterError
from lowbit.golden.trit_codes import TRIT_CODES
from lowbit.tb.support import lut_space
from lowbit.tb.support.lut_run import VECTORS, run_bench
from lowbit.tb.support.lut_spec import dot_spec

#: trits of the two bits {non-zero, negative} at a port
TRIT_OF = {0b00: 0, 0b01: 0, 0b10: 1, 0b11: -1}


def gen(*words: Any) -> int:
    return main([str(word) for word in words])


# -- tables and reads ---------------------------------------------------------------------------
def test_entries_of_two() -> None:
    """a0 + a1, a0, a0 - a1, a1, as the contract has them; INT_MIN needs no bit more."""
    p = LutDotParameters(radix=3, a_format="int8")
    assert (p.K, p.entries, p.entry_bits) == (2, 4, 9)
    [[entries]] = make_tables(np.array([[-128, -128]]), p).entries.tolist()
    assert entries == [-256, -128, 0, -128]


@pytest.mark.parametrize("K", [1, 2, 3, 4])
def test_every_pattern_reads_its_sum(K: int) -> None:
    """All patterns, those that no packer makes included, of random and extreme activations."""
    p = LutDotParameters(radix=3, K=K, a_format="int8")
    rng = np.random.default_rng(K)
    patterns = np.arange(1 << 2 * K)
    trits = np.array([[TRIT_OF[int(pattern) >> 2 * k & 3] for k in range(K)]
                      for pattern in patterns])
    for _ in range(8):
        a = rng.choice([-128, 127, 0, int(rng.integers(-128, 128))], (len(patterns), K))
        tables = make_tables(a, p).entries
        assert tables.min() >= -1 << p.entry_bits - 1 and tables.max() < 1 << p.entry_bits - 1
        np.testing.assert_array_equal(dot(p, tables, patterns[:, None]), (a * trits).sum(1))


@pytest.mark.parametrize("p", [
    *(LutDotParameters(radix=3, K=K, a_format="int8") for K in (1, 2, 3)),
    LutDotParameters(radix=3, K=3, a_format="int8", select="binary"),
    LutDotParameters(radix=3, K=2, groups=2, a_format="int8", select="binary"),
    LutDotParameters(K=1, a_format="int8"),
    LutDotParameters(K=1, a_format="int8", table="full", select="binary")],
    ids=lambda p: p.flags().replace("--", ""))
def test_dot_is_the_sum(p: LutDotParameters) -> None:
    """Table, decoder and read together, for all activations and patterns, by SAT. (K = 4, of which
    a proof takes a minute: scripts/studies/prove.py.)"""
    assert prove_equal(emit(p).verilog, "lut_dot", dot_spec(p)).proved


def test_a_wrong_line_is_refuted() -> None:
    p = LutDotParameters(radix=3, K=3, a_format="int8")
    right = emit(p).verilog
    for line in (r"(assign other_sign_1 = .*) \^ ", r"(assign sum_of_plus_0_minus_2 = .*) - "):
        wrong, count = re.subn(line, r"\1 & ", right)
        assert count == 1, line
        assert prove_equal(wrong, "lut_dot", dot_spec(p)).answer == "refuted"
    assert prove_equal(right, "lut_dot", dot_spec(p, flaw="sign")).answer == "refuted"


# -- packing ------------------------------------------------------------------------------------
def unpacked(words: Any, code: str, count: int) -> Any:
    """Trits of weight words (T, bytes), by the definition of the code."""
    if code == "none":
        fields = packed_bits.unpack_bits(words, 2, count)
        return np.vectorize(TRIT_OF.__getitem__)(fields)
    form = TRIT_CODES[code]
    values = packed_bits.unpack_bits(words, form.bits, -(-count // form.trits))
    assert form.used[values].all()
    return form.decode(values).reshape(len(words), -1)[:, :count]


@pytest.mark.parametrize(("n", "k", "K", "groups", "size", "code"), [
    (1, 3, 2, 1, None, "none"), (5, 17, 3, 2, 5, "none"), (3, 9, 4, 1, None, "none"),
    (4, 7, 1, 1, None, "none"), (5, 17, 3, 2, 5, "trits5"), (1, 2, 1, 1, None, "trits5"),
    (3, 24, 2, 2, 8, "sherry"), (2, 16, 4, 3, None, "sherry")])
def test_words_hold_the_weights(n: int, k: int, K: int, groups: int, size: int | None,
                                code: str) -> None:
    """From the words alone: each weight in its column, table and place, once."""
    rng = np.random.default_rng(k)
    q = rng.integers(0, 3, (n, k)).astype(np.uint8)
    if code == "sherry":
        q = np.where(np.arange(k) % 4 == rng.integers(0, 4, (n, 1)), 1,
                     2 * rng.integers(0, 2, (n, k))).astype(np.uint8)
    beats = weight_beats(q, 2, K, groups, group_size=size, radix=3)
    words = beats.words() if code == "none" else beats.packed(TRIT_CODES[code])
    trits = unpacked(words, code, n * groups * K).reshape(len(beats), n, groups * K)
    start = 0
    for begin in range(0, k, size or k):
        part = q[:, begin:begin + (size or k)].astype(int) - 1
        steps = -(-part.shape[1] // (groups * K))
        found = trits[start:start + steps].transpose(1, 0, 2).reshape(n, -1)
        np.testing.assert_array_equal(found[:, :part.shape[1]], part)
        if code != "sherry":        # the rest reads nothing
            assert (found[:, part.shape[1]:] == 0).all()
        start += steps
    assert start == len(beats) and beats.group_last.all() and (beats.plane == 0).all()


def test_codes_that_are_no_trits_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"codes 0, 1, 2 \(-1, 0, \+1\); got 3"):
        weight_beats(np.array([[0, 3]], np.uint8), 2, 2, radix=3)


@pytest.mark.parametrize(("options", "message"), [
    (dict(radix=3, K=5), r"--K must be 1\.\.4 with --radix 3.*got 5"),
    (dict(radix=3, table="full"), r"--table must be half with --radix 3; got full"),
    (dict(radix=3, w_bits=2), r"--w-bits must be 1 with --radix 3.*got 2"),
    (dict(radix=3, negation="hardware"), "--negation belongs to --radix 2.*got hardware"),
    (dict(unpack="trits5"), "--unpack needs --radix 3.*got trits5"),
    (dict(radix=3, K=3, unpack="sherry"), r"multiple of 4; got sherry with 3 \* 1")])
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        LutCoreParameters(**options)


def test_defaults_follow_the_radix() -> None:
    two, three = LutCoreParameters(), LutCoreParameters(radix=3)
    assert (two.K, two.w_bits, three.K, three.w_bits) == (4, 4, 2, 1)
    assert "--K" not in three.flags() and three.flags() == "--radix 3"
    assert three.resolved()["zero_point"] is False and "negation" not in three.resolved()


# -- products -----------------------------------------------------------------------------------
def product(p: LutCoreParameters, a: Any, q: Any, scale: Any = None, size: int | None = None
            ) -> Any:
    gemm = Gemm(p, Operands(a, q, 2, np.ones(len(q), np.uint8), scale, size))
    return gemm.result(gemm.run())


@pytest.mark.parametrize(("K", "groups", "rows", "n", "k"), [
    (1, 1, 1, 1, 3), (2, 6, 5, 3, 35), (3, 2, 2, 5, 64), (4, 1, 3, 1, 7)])
def test_integer_product(K: int, groups: int, rows: int, n: int, k: int) -> None:
    """Σ a t, exactly; scales are applied to each group's sum."""
    rng = np.random.default_rng(K)
    a, q = rng.integers(-128, 128, (rows, k)), rng.integers(0, 3, (n, k)).astype(np.uint8)
    a[0] = -128
    p = LutCoreParameters(radix=3, K=K, groups=groups, a_format="int8", max_k=1024)
    np.testing.assert_array_equal(product(p, a, q), a @ (q.astype(int) - 1).T)
    scale = rng.random((n, 1)).astype(np.float32)
    scaled = product(p, a, q, scale)
    np.testing.assert_array_equal(
        scaled, (a @ (q.astype(int) - 1).T).astype(np.float32) * scale.T)


def test_group_scales_are_rounded_as_the_contract_says() -> None:
    """Against exact fractions: each product and each sum rounded once to FP32."""
    rng = np.random.default_rng(5)
    a = rng.integers(-128, 128, (2, 21))
    q = rng.integers(0, 3, (3, 21)).astype(np.uint8)
    scale = FP16.to_float64(FP16.from_float64(rng.random((3, 3)))).astype(np.float32)
    p = LutCoreParameters(radix=3, K=2, M=2, N=64, a_format="int8", max_k=64, group_scale="fp16")
    got = product(p, a, q, scale, 8)

    def rounded(value: Fraction) -> Fraction:
        sign, numerator = int(value < 0), abs(value.numerator)
        exponent = -(value.denominator.bit_length() - 1)        # a power of two
        code = FP32.round(np.array([sign]), np.array([numerator], object), exponent)
        return Fraction(float(FP32.to_float64(code)[0]))

    for row, column in itertools.product(range(2), range(3)):
        y = Fraction(0)
        for group, begin in enumerate(range(0, 21, 8)):
            part = slice(begin, begin + 8)
            total = int(a[row, part] @ (q[column, part].astype(int) - 1))
            y = rounded(y + rounded(Fraction(float(scale[column, group])) * total))
        assert float(y) == got[row, column]


def test_floats_are_exact_where_entries_are_wide() -> None:
    """Row-scaled FP16 of near exponents, subnormals and a NaN row."""
    rng = np.random.default_rng(6)
    values = rng.integers(-2047, 2048, (4, 30)) * 2.0**-24      # subnormals and beside them
    values[3, 2] = np.nan
    q = rng.integers(0, 3, (5, 30)).astype(np.uint8)
    p = LutCoreParameters(radix=3, K=3, groups=2, a_format="fp16", max_k=64)
    got = product(p, FP16.from_float64(values), q)
    exact = values @ (q.astype(float) - 1).T
    np.testing.assert_array_equal(got[:3], exact[:3].astype(np.float32))
    assert np.isnan(got[3]).all()


@pytest.mark.parametrize("extreme", [-128, 127])
def test_default_accumulator_never_wraps(extreme: int) -> None:
    p = LutCoreParameters(radix=3, groups=6, M=1, N=2, lanes=1, a_format="int8", max_k=4096,
                          preload=False)
    k = -(-p.max_k // 12) * 12
    a, q = np.full((1, k), extreme), np.array([[0] * k, [2] * k], np.uint8)
    result = operation(p, make_tables(a, p), weight_beats(q, 2, p.K, p.groups, radix=3))
    np.testing.assert_array_equal(result, [[-extreme * k, extreme * k]])
    assert abs(result).max() >= 1 << p.acc_bits - 3, "more bits than the sums need"


def test_weights_that_do_not_fit_are_refused() -> None:
    a, q = np.zeros((1, 8), int), np.full((1, 8), 2, np.uint8)
    p = LutCoreParameters(radix=3, a_format="int8")
    for zero, bits in ((None, 2), (np.array([2]), 2), (np.array([1]), 3)):
        with pytest.raises(ParameterError, match="--radix 3 takes ternary weights"):
            Gemm(p, Operands(a, q, bits, zero))
    sparse = dataclasses.replace(p, groups=2, unpack="sherry")
    with pytest.raises(ParameterError, match="exactly one of each four is 0; got four with 0"):
        Gemm(sparse, Operands(a, q, 2, np.array([1])))
    with pytest.raises(ParameterError, match="multiples of 4; got 8 and 6"):
        Gemm(sparse, Operands(a, q, 2, np.array([1]), np.ones((1, 2), np.float32), 6))


# -- hardware -----------------------------------------------------------------------------------
REGRESSION: list[Any] = [
    *lut_space.regression(LutCoreParameters, 3),
    LutTableParameters(radix=3, K=3, a_format="fp16", exponent="given"),
    LutDotParameters(radix=3, K=3, groups=2, a_format="fp8_e4m3"),
    # one activation a table: an adder of plus or minus
    LutCoreParameters(K=1, groups=3, M=2, N=3, w_bits=3, max_k=60, negation="hardware")]


@pytest.mark.parametrize(("seed", "p"), list(enumerate(REGRESSION, 1)),
                         ids=[f"{p.generator}-{lut_space.label(p)}" for p in REGRESSION])
def test_equals_golden(seed: int, p: Any) -> None:
    outcome = run_bench(p, seed=seed)
    assert outcome.passed, f"gen verify {p.generator} {p.flags()} --seed {seed}: {outcome.message}"
    assert outcome.stats["words"] >= VECTORS and outcome.stats["mismatches"] == 0


def test_a_zero_that_reads_zero_bits_fails() -> None:
    """Nothing is a word of its own where entries are in offset form."""
    p = LutCoreParameters(radix=3, a_format="int8", M=1, N=2, max_k=48)
    right = emit(p).verilog
    wrong, count = re.subn(r"\{9\{lines\[4\]\}\} & 9'h100", "9'h000", right)
    assert count == 1, "the emitted read of nothing looks different now: adapt this test"
    assert not run_bench(p, verilog=wrong).passed


# -- weights ------------------------------------------------------------------------------------
def test_absmean() -> None:
    """scale = mean |w|, t = round(w / scale) clipped, as BitNet b1.58 defines them; a short tail
    stands alone, and a group of zeros is zeros."""
    w = np.random.default_rng(7).standard_t(3, (6, 20)).astype(np.float32)
    w[2, 8:16] = 0
    found = quantize_ternary(w, 8)
    assert found.ternary and found.codes.dtype == np.uint8
    for row, (group, part) in itertools.product(range(6), enumerate((slice(0, 8), slice(8, 16),
                                                                     slice(16, 20)))):
        values = w[row, part].astype(float)
        scale = np.float32(np.abs(values).mean())
        assert found.scale[row, group] == scale
        trits = np.clip(np.round(values / float(scale)), -1, 1) if scale else np.zeros(8)
        np.testing.assert_array_equal(found.codes[row, part], trits + 1)
        np.testing.assert_array_equal(found.dequantize()[row, part], trits * float(scale))


def test_one_zero_in_four() -> None:
    w = np.random.default_rng(8).standard_normal((3, 16))
    w[0, :4] = [0.5, -0.5, 0.5, 0.5]
    w[1, :8] = 0
    found = quantize_ternary(w, 8, sparse=True)
    fours, trits = w.reshape(3, 4, 4), found.codes.reshape(3, 4, 4).astype(int) - 1
    assert ((trits == 0).sum(-1) == 1).all() and trits[0, 0].tolist() == [0, -1, 1, 1]
    kept = np.where(trits == 0, 0, np.abs(fours))
    least = np.where(trits == 0, np.abs(fours), 0).sum(-1)
    assert (np.where(trits == 0, np.inf, kept).min(-1) >= least).all()
    assert ((fours * trits)[fours != 0] >= 0).all()
    np.testing.assert_array_equal(found.scale, (kept.reshape(3, 2, 8).sum(-1) / 6).astype("f4"))
    with pytest.raises(ParameterError, match=r"multiples of 4 .*; got 16 and 6"):
        quantize_ternary(w, 6, sparse=True)


def test_planes_are_groups_with_scales_of_their_own() -> None:
    """Two planes: the weights are their sums, and a product adds plane by plane, group by group."""
    rng = np.random.default_rng(9)
    w = rng.standard_normal((5, 24))
    found = quantize_planes(w, 2, 8)
    one = quantize_ternary(w, 8)
    two = quantize_ternary(w - one.dequantize(), 8)
    np.testing.assert_array_equal(found.dequantize(), one.dequantize() + two.dequantize())
    assert np.square(found.dequantize() - w).sum() < np.square(one.dequantize() - w).sum() / 2
    assert (found.planes, found.inputs, found.codes.shape) == (2, 24, (5, 48))
    assert one.bits_per_weight * 2 == found.bits_per_weight
    a = rng.integers(-128, 128, (3, 24))
    p = LutCoreParameters(radix=3, groups=2, M=2, N=64, a_format="int8", max_k=64,
                          group_scale="fp32")
    gemm = Gemm(p, Operands.of(a, found))
    y = np.zeros((3, 5), np.float32)
    for group, plane in itertools.product(range(3), (one, two)):
        part = slice(8 * group, 8 * group + 8)
        total = (a[:, part] @ (plane.codes[:, part].astype(int) - 1).T).astype(np.float32)
        y = y + total * plane.scale[:, group]
    np.testing.assert_array_equal(gemm.result(gemm.run()), y)
    for wrong in ([one, quantize_ternary(w, 12)], [quantize_ternary(w, 10)]):
        with pytest.raises(ParameterError, match="planes must have one shape"):
            of_planes(wrong)


@pytest.mark.parametrize("dtype", ["ternary", "sherry", "ternary2"])
def test_formats_come_back_from_a_file(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.random.default_rng(1).standard_normal((3, 24)).astype("f4"))
    assert gen("quantize", tmp_path / "w.npy", "--dtype", dtype, "--group-size", 8, "-o",
               tmp_path / "w.npz") == 0
    kind, tensor = load_tensor(tmp_path / "w.npz")
    source = np.load(tmp_path / "w.npy")
    expected = {"ternary": quantize_ternary(source, 8), "ternary2": quantize_planes(source, 2, 8),
                "sherry": quantize_ternary(source, 8, sparse=True)}[dtype]
    assert kind.name == dtype
    for name in ("codes", "scale", "zero", "order"):
        np.testing.assert_array_equal(getattr(tensor, name), getattr(expected, name))


@pytest.mark.parametrize("form", ["TQ1_0", "TQ2_0"])
def test_a_ternary_model_runs_as_it_is(form: str, tmp_path: Path) -> None:
    """A GGUF file of llama.cpp's ternary formats: listed, its codes kept, run without rounding."""
    rng = np.random.default_rng(2)
    w = rng.integers(-1, 2, (3, 512)) * FP16.to_float64(
        FP16.from_float64(rng.random((3, 2)))).repeat(256, axis=1)
    kind = GGMLQuantizationType[form]
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("w", quants.quantize(w.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    [listing] = list_tensors(tmp_path / "m.gguf")
    assert listing.takes == "lut_core --radix 3, or 2 planes" and listing.keep
    assert gen("quantize", tmp_path / "m.gguf", "--keep", "-o", tmp_path / "w.npz") == 0
    found, tensor = load_tensor(tmp_path / "w.npz")
    assert found.name == "ternary" and (tensor.dequantize() == w).all()
    a = rng.integers(-128, 128, (2, 512)).astype(np.int8)
    np.save(tmp_path / "a.npy", a)
    assert gen("run", "lut_core", "--radix", 3, "--groups", 4, "--a-format", "int8", "--unpack",
               "trits5", "--group-scale", "fp16", "--a", tmp_path / "a.npy", "--w",
               tmp_path / "w.npz", "-o", tmp_path / "y.npy") == 0
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), a.astype(float) @ w.T, rtol=1e-5,
                               atol=1e-3)
