"""Asymmetric types as the integers that run: q - z, the same weights, exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lowbit.golden.bitmod.cycles import layer_cycles
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.pe import tensor_layer
from lowbit.golden.bitmod.quantizer import QuantizedTensor, quantize
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.bitmod.workload import BitmodWorkload
from lowbit.golden.bitmod.zero_points import running_tensor
from lowbit.golden.formats import FP16
from lowbit.golden.parameters import ParameterError


def values(tensor, row, column):
    """Code less zero point of one weight, in Python."""
    return int(tensor.codes[row, column]) - int(tensor.zero_points[row, column
                                                                   // tensor.group_size])


def signed(codes, bits):
    """Two's complement, spelled out."""
    return np.where(codes >= 1 << (bits - 1), codes.astype(int) - (1 << bits), codes)


def one_channel(codes, zero_points, name="int4_asym", scales=None):
    """Two groups of two weights, scale codes 3 and 5 unless given."""
    return QuantizedTensor(
        get_data_type(name), 2, np.array([codes], np.uint8), np.zeros((1, 2), np.uint8),
        np.array([scales or (3, 5)], np.uint8), np.array([0.5], np.float32), None,
        np.array([zero_points], np.int32))


@pytest.mark.parametrize("scale_bits", [8, 16])
@pytest.mark.parametrize(("name", "shift", "runs"), [
    ("int3_asym", 0, "int4"), ("int4_asym", 0, "int5"), ("int5_asym", 0, "int6"),
    ("int6_asym", 0, "int7"), ("int7_asym", 0, "int8"),
    ("int3_asym", 4, "int6"), ("int4_asym", 2, "int6"), ("int4_asym", -4, "int7")])
def test_same_weights(name, shift, runs, scale_bits):
    """Value by value, groups that do not divide the channel; nothing but codes changes."""
    weights = (np.random.default_rng(5).standard_normal((30, 150)) + shift).astype(np.float32)
    tensor, _ = quantize(weights, get_data_type(name), 64, scale_bits)
    found = running_tensor(tensor)
    assert found.dtype == get_data_type(runs) and found.zero_points is None
    expected = [[values(tensor, i, j) for j in range(150)] for i in range(30)]
    assert found.codes.dtype == np.uint8
    assert signed(found.codes, found.dtype.bits).tolist() == expected
    assert (found.dequantize() == tensor.dequantize()).all()
    # the smallest type: one bit less does not hold them
    limit = 1 << (found.dtype.bits - 2)
    assert np.min(expected) < -limit or np.max(expected) >= limit
    for field in ("group_size", "selectors", "scale_codes", "channel_scale", "scales"):
        assert getattr(found, field) is getattr(tensor, field)


def test_symmetric_types_run_as_they_are():
    tensor, _ = quantize(np.eye(8, dtype=np.float32), get_data_type("int4"), 8)
    assert running_tensor(tensor) is tensor
    x = Operands.of_tensor(np.zeros((1, 8), np.int64), tensor)
    assert (x.stored, x.type_name) == (None, "int4")


@pytest.mark.parametrize(("codes", "zero_points", "runs"), [
    ((0, 3, 0, 1), (0, 0), "int3"), ((0, 4, 0, 1), (0, 0), "int4"),
    ((0, 1, 0, 1), (4, 0), "int3"), ((0, 1, 0, 1), (5, 0), "int4"),
    ((15, 8, 0, 7), (0, 8), "int5"), ((15, 0, 0, 7), (0, 16), "int5"),
    ((15, 0, 0, 7), (-1, 0), "int6"), ((0, 7, 0, 7), (0, 17), "int6"),
    ((0, 7, 15, 7), (128, -112), "int8")])
def test_ends_of_the_types(codes, zero_points, runs):
    """The most negative code included: what the term generator takes, each in its own type."""
    tensor = one_channel(codes, zero_points)
    found = running_tensor(tensor)
    assert found.dtype.name == runs
    assert signed(found.codes, found.dtype.bits)[0].tolist() \
        == [values(tensor, 0, j) for j in range(4)]


@pytest.mark.parametrize(("bits", "terms"), [(3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_zero_points_among_the_codes_take_one_more_bit(bits, terms):
    """The table of docs/bitmod.md: all codes, both ends of the zero points."""
    top = (1 << bits) - 1
    found = running_tensor(one_channel((0, top, 0, top), (0, top), f"int{bits}_asym"))
    assert (found.dtype.name, found.dtype.terms) == (f"int{bits + 1}", terms)


@pytest.mark.parametrize(("zero_points", "value", "point"), [
    ((128, -113), 128, -113), ((129, -112), -129, 129),
    ((-(1 << 31), 0), (1 << 31) + 15, -(1 << 31)),
    (((1 << 31) - 1, 0), 1 - (1 << 31), (1 << 31) - 1)])
def test_what_no_type_holds_is_refused(zero_points, value, point):
    tensor = one_channel((0, 15, 0, 15), zero_points)
    group = 1 if value == 128 else 0
    for take in (running_tensor, lambda t: Operands.of_tensor(np.zeros((1, 4), np.int64), t),
                 lambda t: tensor_layer(np.zeros((1, 4), np.float16), t)):
        with pytest.raises(ParameterError) as error:
            take(tensor)
        assert str(error.value) == (
            "int4_asym weights run as codes less zero points, which must be -128..127; got "
            f"{value} (zero point {point}) in channel 0, group {group}; quantize them with a "
            "symmetric type, such as int8")


def test_groups_without_a_scale_are_zeros():
    """What is multiplied by zero needs no place."""
    tensor = one_channel((1, 15, 3, 9), (-(1 << 31), 5), scales=(0, 5))
    found = running_tensor(tensor)
    assert found.dtype.name == "int4" and found.codes.tolist() == [[0, 0, 14, 4]]
    assert (found.dequantize() == tensor.dequantize()).all()


@pytest.mark.parametrize("shift", [0.0, 3.0])
@pytest.mark.parametrize("name", ["int3_asym", "int4_asym", "int5_asym", "int6_asym"])
def test_products_are_exact(name, shift):
    """Activations of few bits: rational arithmetic over codes, zero points and scale codes.

    Group sums, their products with scale codes and all sums of these are below 2**24 of the
    smallest activation's unit, so nothing is rounded before the channel's scale.
    """
    rng = np.random.default_rng(9)
    weights = (rng.standard_normal((5, 45)) + shift).astype(np.float32)
    tensor, _ = quantize(weights, get_data_type(name), 16)
    delta, scale_codes = (2.0 ** rng.integers(-9, 3, 5)).astype(np.float32), tensor.scale_codes
    tensor = replace(tensor, channel_scale=delta)
    assert scale_codes is not None
    a = (rng.integers(-8, 9, (3, 45)) / 4).astype(np.float16)
    exact = [[sum(Fraction(float(a[i, c])) * values(tensor, j, c) * int(
        scale_codes[j, c // 16]) for c in range(45)) * Fraction(float(delta[j]))
        for j in range(5)] for i in range(3)]
    gemm = Gemm(BitmodTileParameters(), Operands.of_tensor(FP16.from_array(a), tensor))
    for result in (gemm.run(), tensor_layer(a, tensor)):
        assert [[Fraction(float(y)) for y in row] for row in result] == exact
    # and beside the dequantised weights, in float64
    np.testing.assert_array_equal(gemm.run(), a.astype(np.float64) @ tensor.dequantize().T.astype(
        np.float64))


@pytest.mark.parametrize(("name", "runs"), [("int3_asym", "int4"), ("int4_asym", "int5")])
def test_reports_say_what_runs(name, runs):
    """Cycles, words and figures are those of the type that runs, also after a file."""
    rng = np.random.default_rng(2)
    tensor, _ = quantize(rng.standard_normal((9, 70)).astype(np.float32), get_data_type(name), 32)
    a = rng.standard_normal((5, 70)).astype(np.float16)
    p = BitmodTileParameters(rows=4, columns=4)
    made = BitmodWorkload(p, Operands.of_tensor(FP16.from_array(a), tensor))
    filed = {key: np.asarray(value) for key, value in made.arrays().items()}
    for workload in (made, BitmodWorkload.of_arrays(p, filed)):
        assert isinstance(workload, BitmodWorkload)
        assert workload.weights() == f"{name} as {runs}, groups of 32, channel scales"
        facts = workload.facts()
        assert facts["weights"] == f"{name} as {runs}"
        expected = layer_cycles(p, get_data_type(runs), 5, 9, 70, 32)
        assert workload.gemm.cycles == expected
        assert facts["model_cycles"] == p.port_latency + expected.cycles
        np.testing.assert_array_equal(workload.golden(), made.golden())
    plain = replace(made.operands, stored=None)         # the symmetric tensor itself, bit by bit
    np.testing.assert_array_equal(BitmodWorkload(p, plain).golden(), made.golden())


def test_codes_alone_do_not_run():
    """Without zero points nobody knows the type: no cycles, no product."""
    dtype, p = get_data_type("int4_asym"), BitmodTileParameters()
    with pytest.raises(ParameterError, match="int4_asym has zero points, and codes alone"):
        layer_cycles(p, dtype, 1, 1, 8, 8)
    with pytest.raises(ParameterError, match="int4_asym has zero points, and codes alone"):
        Gemm(p, Operands(np.zeros((1, 8), np.int64), np.zeros((1, 8), np.uint8), dtype, 8,
                         np.ones((1, 1), np.uint8)))
