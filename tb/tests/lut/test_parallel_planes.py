"""Several bit-planes a beat: padding, products equal to those of one plane a beat, widths of
aligned rows, a proof of the dot product, cores in simulation."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit
from lowbit.golden.formats import FP16
from lowbit.golden.lut.gemm import Operands
from lowbit.golden.lut.packing import padded, weight_beats
from lowbit.golden.lut.parameters import LutCoreParameters, LutDotParameters, LutTableParameters
from lowbit.golden.lut.row_scaled import RowScale, step
from lowbit.golden.lut.table import pattern_signs
from lowbit.golden.lut.workload import LutWorkload
from lowbit.golden.parameters import ParameterError
from lowbit.tb.benches.stimulus import activations
from lowbit.tb.support.lut_run import run_bench
from lowbit.tb.support.lut_spec import dot_spec

Array = NDArray[Any]


# -- packing ----------------------------------------------------------------------------------
@pytest.mark.parametrize("planes", [2, 4])
@pytest.mark.parametrize("bits", range(1, 9))
def test_padding_adds_nothing(bits: int, planes: int) -> None:
    """All codes: signed planes add up to the same weight; or the code is the same number."""
    codes = np.arange(1 << bits, dtype=np.uint8)
    wide, more = padded(codes, bits, planes)
    assert more % planes == 0 and more - planes < bits <= more
    for q, w in zip(codes.tolist(), wide.tolist(), strict=True):
        assert sum((1 if w >> i & 1 else -1) << i for i in range(more)) == \
            sum((1 if q >> i & 1 else -1) << i for i in range(bits))
        assert w - (1 << more - 1) == q - (1 << bits - 1)
    same, _ = padded(codes, bits, planes, unsigned=True)
    assert (same == codes).all()


@pytest.mark.parametrize(("bits", "planes", "beats"), [(2, 2, 2), (4, 2, 4), (8, 4, 4), (4, 1, 8)])
def test_beats_are_the_weights(bits: int, planes: int, beats: int) -> None:
    """Two tables a beat and zero points of any kind: the sum of a step's beats is a * (q' - z')."""
    rng = np.random.default_rng(bits)
    q, z = rng.integers(0, 1 << bits, (5, 4), np.uint8), rng.integers(0, 1 << bits, 5)
    a = rng.integers(-9, 9, 4)
    for zero, count in ((z, beats), (np.full(5, 1 << bits - 1), bits // planes + 1)):
        found = weight_beats(q, bits, 2, 2, zero, planes=planes)
        assert len(found) == count and found.bits == bits
        total = np.zeros(5, np.int64)
        for plane, patterns in zip(found.plane.tolist(), found.patterns, strict=True):
            for i in range(planes):
                for g in range(2):
                    for k in range(2):
                        plus = patterns[i * 2 + g] >> k & 1
                        total += np.where(plus, a[2 * g + k], -a[2 * g + k]) << plane + i
        exact = [sum(int(x) * (2 * int(w) - 2 * int(o)) for x, w in zip(a, row, strict=True))
                 for row, o in zip(q, zero, strict=True)]
        assert total.tolist() == exact


# -- products ---------------------------------------------------------------------------------
def products(p: LutCoreParameters, x: Operands) -> tuple[Array, int]:
    workload = LutWorkload(p, x)
    return workload.golden(), workload.plane_beats


@pytest.mark.parametrize(("group_scale", "kind"), [
    ("none", "odd"), ("none", "plain"), ("none", "any"), ("none", "minimum"), ("fp16", "odd"),
    ("fp16", "plain"), ("fp16", "any"), ("fp16", "minimum")])
def test_products_are_those_of_one_plane(group_scale: str, kind: str) -> None:
    """Weights of all widths, padded where planes do not divide them, with all that their codes may
    mean; INT8 activations, and FP16 ones whose sums are exact. As many beats fewer."""
    rng = np.random.default_rng(1)
    for bits in range(1, 9):
        q = rng.integers(0, 1 << bits, (5, 13), np.uint8)
        a = rng.integers(-128, 128, (3, 13))
        zero = dict(plain=np.full((5, 3), 1 << bits - 1),
                    any=rng.integers(0, 1 << bits, (5, 3))).get(kind)
        low = rng.integers(-9, 9, (5, 3)).astype(np.float32) if kind == "minimum" else None
        scale = rng.integers(1, 9, (5, 3)).astype(np.float32)
        for a_format in ("int8", "fp16"):
            codes = a if a_format == "int8" else FP16.from_array(a.astype(np.float16))
            x = Operands(codes.astype(np.int64), q, bits, zero, scale, 5, low)
            core: dict[str, Any] = dict(a_format=a_format, K=2, N=16, max_k=64, offset="real",
                                        group_scale=group_scale)
            if group_scale == "none":
                del core["offset"]
            one, beats = products(LutCoreParameters(w_bits=bits, **core), x)
            for planes in (2, 4):
                wide = -(-bits // planes) * planes
                p = LutCoreParameters(w_bits=wide, parallel_planes=planes, **core)
                same, fewer = products(p, x)
                np.testing.assert_array_equal(same, one)
                assert bits % planes or fewer < beats or beats == fewer == 0
                if group_scale == "fp16" and bits % planes == 0:
                    assert fewer * planes == beats


@pytest.mark.parametrize(("make", "message"), [
    (lambda: LutCoreParameters(w_bits=3, parallel_planes=2),
     "--w-bits must be a multiple of --parallel-planes 2 (narrower weights are padded to one); "
     "got 3"),
    (lambda: LutDotParameters(parallel_planes=3), "--parallel-planes must be 1, 2 or 4; got 3"),
    (lambda: LutCoreParameters(radix=3, parallel_planes=2),
     "--parallel-planes must be 1 with --radix 3"),
    (lambda: LutTableParameters(datapath="float", parallel_planes=2),
     "--parallel-planes must be 1 with --datapath float")])
def test_refused(make, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        make()


def test_codes_are_checked_before_they_are_padded() -> None:
    p = LutCoreParameters(w_bits=4, parallel_planes=4, a_format="int8")
    with pytest.raises(ParameterError, match=r"weight codes must be 0\.\.3 for 2 bits; got 4"):
        LutWorkload(p, Operands(np.zeros((1, 4), np.int64), np.full((1, 4), 4, np.uint8), 2))


# -- aligned rows -----------------------------------------------------------------------------
@pytest.mark.parametrize(("entry", "acc", "bits", "planes", "zero", "k"), [
    (13, 22, 2, 2, True, 512), (26, 37, 4, 4, True, 512), (13, 23, 4, 2, False, 512),
    (14, 24, 8, 4, True, 64)])
def test_aligned_rows_fit(entry: int, acc: int, bits: int, planes: int, zero: bool, k: int) -> None:
    """At the scanned exponent no sum of any weights is beyond its width, and at one less than the
    least one some width is; sums are within a unit a read, and half a unit an entry, of exact ones,
    times their weights."""
    scale = RowScale(fmt=FP16, K=4, entry_bits=entry, acc_bits=acc, w_bits=bits, zero_point=zero,
                     max_k=k, planes=planes)
    rng = np.random.default_rng(entry)
    codes = activations(rng, FP16, 12, min(k, 64), ("gaussian", "outlier")).astype(np.int64)
    codes[-1] = FP16.inf - 1
    exponent = scale.scanned_exponent(codes)
    assert exponent.max() <= scale.max_exponent
    entries, clipped = scale.entries(scale.terms(codes, exponent)[0],
                                     pattern_signs(4, "full").astype(np.int64))
    assert not clipped.any()
    weight = (1 << planes) - 1
    most = np.abs(entries).max(axis=2)
    worst = sum(weight * step(most, below).sum(axis=1) for below in range(0, bits, planes))
    assert np.max(worst) * (2 if zero else 1) <= scale.acc_limit
    q = rng.integers(0, 1 << bits, codes.shape[1])
    total = np.zeros(len(codes), np.int64)
    for i in range(bits):
        below = bits - planes - i // planes * planes
        pattern = (q >> i & 1).reshape(-1, 4) @ (1 << np.arange(4))
        total += step(entries, below)[:, np.arange(len(pattern)), pattern].sum(axis=1) \
            << i % planes
    unit = np.ldexp(1.0, exponent + scale.emin + bits - planes)
    exact = FP16.to_float64(codes) @ (2 * q - (1 << bits) + 1)
    reads = codes.shape[1] // 4
    bound = unit * reads * (weight * 2 + weight * (bits // planes - 1))
    assert (np.abs(total * unit - exact) <= bound).all()


# -- hardware ---------------------------------------------------------------------------------
@pytest.mark.parametrize("options", [
    dict(K=2, parallel_planes=2), dict(K=1, groups=2, parallel_planes=2, table="full"),
    dict(K=1, parallel_planes=4, negation="hardware", select="binary")], ids=str)
def test_dot_is_proved(options):
    p = LutDotParameters(a_format="int8", **options)
    verdict = prove_equal(emit(p).verilog, "lut_dot", dot_spec(p))
    assert verdict.proved, verdict


def test_a_wrong_plane_is_refuted() -> None:
    """Planes in the other order."""
    p = LutDotParameters(a_format="int8", K=1, parallel_planes=2)
    spec = dot_spec(p).replace("<<< 1", "<<< 2", 1)
    assert prove_equal(emit(p).verilog, "lut_dot", spec).answer == "refuted"


CORES: list[dict[str, Any]] = [
    dict(a_format="int8", w_bits=4, parallel_planes=2, N=3, M=2, K=2, groups=2),
    dict(a_format="int8", w_bits=8, parallel_planes=4, N=12, M=1, K=2, group_scale="fp16",
         max_k=64, buffer="double", target="fpga"),
    dict(a_format="int8", w_bits=4, parallel_planes=4, N=2, M=1, K=3, table="full"),
    dict(w_bits=4, parallel_planes=2, N=2, M=1, K=2, acc="fp16"),
    dict(w_bits=8, parallel_planes=4, N=10, M=1, K=2, group_scale="fp16", offset="real",
         table_source="internal", acc="fp32", max_k=64, exponent="given")]


@pytest.mark.parametrize("options", CORES, ids=str)
def test_core_equals_golden(options):
    outcome = run_bench(LutCoreParameters(**options), vectors=60, simulator="icarus")
    assert outcome.passed, outcome.message


@pytest.mark.parametrize(("options", "right", "wrong"), [
    # odd entries counted once a beat, a plane that reads with the pattern of another one, a step
    # of one plane
    (CORES[0], r"= { (_\d+_), 2'h0 } - \1;", r"= \1;"),
    (CORES[0], r"\.pattern\(patterns\[5:4\]\)", ".pattern(patterns[1:0])"),
    (CORES[3], r"{ entry\[12\], entry\[12\], entry\[12:3\],", "{ entry[12], entry[12:2],")])
def test_flaws_are_found(options, right, wrong):
    p = LutCoreParameters(**options)
    text, count = re.subn(right, wrong, emit(p).verilog, count=1)
    assert count == 1
    assert not run_bench(p, vectors=60, simulator="icarus", verilog=text).passed
