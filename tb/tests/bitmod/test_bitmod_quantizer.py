"""BitMoD's quantiser against exact rational arithmetic and independent reference vectors."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction

import numpy as np
import pytest

from lowbit.golden.bitmod import quantizer
from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type
from lowbit.golden.bitmod.group_quantizer import quantize_groups
from lowbit.golden.bitmod.quantizer import quantize
from lowbit.golden.code_stream import pack_codes, unpack_codes
from lowbit.golden.groups import second_level
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.vectors import VECTORS

FLOAT_TYPES = [n for n in DATA_TYPE_NAMES if n.startswith(("fp", "bitmod"))]


def exact_group(weights, dtype):
    """Algorithm 1 in rationals: (error, values) of each special value."""
    weights = [Fraction(float(w)) for w in weights]
    largest = max(abs(w) for w in weights)
    answers = []
    for special in dtype.special_values or (None,):
        if dtype.kind == "int":
            grid = [Fraction(v) for v in range(-dtype.max_value, dtype.max_value + 1)]
        else:
            grid = [Fraction(s * m, 2) for m in dtype.magnitudes2x for s in (1, -1)]
            if special is not None:
                grid.append(Fraction(special))
        scale = largest / max(abs(g) for g in grid)
        values = []
        for w in weights:
            x = w / scale if scale else Fraction(0)
            values.append(min(grid, key=lambda g: (abs(g - x), g)))     # a tie: the lower value
        error = sum((w - v * scale) ** 2 for w, v in zip(weights, values, strict=True))
        answers.append((error, values, scale))
    return answers


def check_group(weights, dtype, result, row):
    answers = exact_group(weights, dtype)
    errors = [a[0] for a in answers]
    chosen = int(result.selectors[row])
    best = min(errors)
    assert errors[chosen] <= best * (1 + Fraction(1, 10 ** 9))
    if errors.count(best) == 1 or errors[chosen] == best:
        assert chosen == min(i for i, e in enumerate(errors)
                             if e <= best * (1 + Fraction(1, 10 ** 9)))
    values2x = dtype.table2x[chosen][result.codes[row]]
    assert [Fraction(int(v), 2) for v in values2x] == answers[chosen][1]
    assert result.scales[row] == pytest.approx(float(answers[chosen][2]), rel=1e-15)
    assert np.allclose(result.errors[:, row] * len(weights), [float(e) for e in errors],
                       rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", [*FLOAT_TYPES, "int3", "int6", "int8"])
def test_against_rationals(name):
    rng = np.random.default_rng(1)
    dtype = get_data_type(name)
    groups = np.concatenate([
        rng.standard_normal((12, 16)), rng.standard_t(3, (12, 16)) * 1e-30,
        rng.integers(-48, 49, (24, 16)) / 8,                  # many exact ties
        rng.integers(-12, 13, (12, 16)) * 1e30,
        rng.integers(-40, 41, (8, 16)) * 2.0 ** -149,         # float32 subnormals
    ]).astype(np.float32)
    result = quantize_groups(groups, dtype)
    for row, weights in enumerate(groups):
        check_group(weights, dtype, result, row)


@pytest.mark.parametrize(("name", "largest"), [
    ("bitmod4", 12.0), ("bitmod4", 8.0), ("bitmod3", 12.0), ("fp4_er", 7.0), ("fp3_ea", 0.3)])
def test_every_threshold_and_its_neighbours(name, largest):
    """Weights on, just below and just above all midpoints, of both signs."""
    dtype = get_data_type(name)
    largest = float(np.float32(largest))
    middles = set()
    for table in dtype.table2x:
        grid = np.unique(table)
        middles |= {float(m) * largest / (2 * abs(grid).max()) for m in (grid[1:] + grid[:-1]) / 2}
    near = [np.float32(m) for m in sorted(middles)]
    near += [np.nextafter(m, np.float32(s)) for m in near for s in (np.inf, -np.inf)]
    groups = np.array([[largest, m, -largest * s, m, 0, -0.0] for m in near for s in (0, 1)],
                      np.float32)
    groups = np.concatenate([groups, -groups])
    result = quantize_groups(groups, dtype)
    for row, weights in enumerate(groups):
        check_group(weights, dtype, result, row)


def test_mirrored_groups_choose_mirrored_values():
    rng = np.random.default_rng(2)
    weights = rng.standard_t(4, (400, 64)).astype(np.float32)
    dtype = get_data_type("bitmod4")
    plus, minus = quantize_groups(weights, dtype), quantize_groups(-weights, dtype)
    special = np.array(dtype.special_values)
    best = np.sort(plus.errors, 0)
    clear = best[1] > best[0] * (1 + 1e-9)
    assert clear.mean() > 0.8
    assert (special[plus.selectors] == -special[minus.selectors])[clear].all()
    # a group that uses no special value ties in both: the first one wins
    flat = quantize_groups(np.tile(np.array([6, -6, 3, -3, 1, 0], np.float32), (3, 1)), dtype)
    assert flat.selectors.tolist() == [0, 0, 0] and (flat.errors[0] == 0).all()


@pytest.mark.parametrize("name", DATA_TYPE_NAMES)
def test_zero_groups(name):
    weights = np.zeros((2, 8), np.float32)
    weights[1] = -0.0
    tensor, report = quantize(weights, get_data_type(name), 4)
    for array in (tensor.codes, tensor.scale_codes, tensor.channel_scale, tensor.selectors):
        assert array is not None and not array.any()
    assert not tensor.dequantize().any() and report.error == 0


def test_asymmetric_follows_equation_2():
    rng = np.random.default_rng(3)
    weights = np.concatenate([rng.standard_normal((20, 32)), rng.uniform(3, 4, (20, 32))])
    weights = weights.astype(np.float32)
    dtype = get_data_type("int4_asym")
    result = quantize_groups(weights, dtype)
    for row, group in enumerate(weights.astype(np.float64)):
        step = (group.max() - group.min()) / 15
        zero = np.rint(-group.min() / step)
        assert result.zero_points[row] == zero
        assert (result.codes[row] == np.clip(np.rint(group / step) + zero, 0, 15)).all()
    assert result.zero_points.min() < 0             # not clamped to the codes' range
    # both ends on a tie: 7.5 rounds to 8, plus the zero point 8, and is clamped
    ends = quantize_groups(np.array([[-7.5, 7.5, 0, 1]], np.float32), dtype)
    assert (ends.zero_points.tolist(), ends.codes.tolist()) == ([8], [[0, 15, 8, 9]])
    repeated = quantize_groups(np.full((1, 8), -0.37, np.float32), dtype)
    value = (int(repeated.codes[0, 0]) - int(repeated.zero_points[0])) * repeated.scales[0]
    assert value == np.float32(-0.37)


def test_second_level():
    scales = np.array([[1.0, 0.5, 1e-4, 0.0], [0, 0, 0, 0], [3e-7, 2.9e-7, 1e-8, 1.5e-7]])
    codes, channel = second_level(scales)
    assert codes.tolist() == [[127, 64, 0, 0], [0, 0, 0, 0], [127, 123, 4, 64]]   # 63.5 to even
    assert np.allclose(channel, scales.max(1) / 127, rtol=1e-7)


@pytest.mark.parametrize(("k", "group"), [(100, 32), (7, 32), (96, 32), (5, 1), (129, 128)])
@pytest.mark.parametrize("name", ["bitmod4", "int5", "int3_asym"])
def test_tail_group_and_blocks_of_rows(monkeypatch, name, k, group):
    rng = np.random.default_rng(4)
    weights = rng.standard_normal((11, k)).astype(np.float32)
    dtype = get_data_type(name)
    whole, report = quantize(weights, dtype, group)
    monkeypatch.setattr(quantizer, "BLOCK", 3 * k)
    seen = []
    parts, _ = quantize(weights, dtype, group, progress=lambda *x: seen.append(x))
    assert seen[-1] == (weights.size, weights.size) and len(seen) == 4
    for field in ("codes", "selectors", "scale_codes", "channel_scale"):
        assert np.array_equal(getattr(whole, field), getattr(parts, field)), field
    assert whole.groups == -(-k // group)
    # every group alone, the short one too
    for g in range(whole.groups):
        alone = quantize_groups(weights[:, g * group:(g + 1) * group], dtype)
        assert (alone.codes == whole.codes[:, g * group:(g + 1) * group]).all()
        assert (alone.selectors == whole.selectors[:, g]).all()
    error = float(((whole.dequantize().astype(np.float64) - weights) ** 2).sum())
    assert report.error == pytest.approx(error, rel=1e-5)
    assert report.energy == pytest.approx(float((weights.astype(np.float64) ** 2).sum()))


def test_sixteen_bit_scales():
    rng = np.random.default_rng(5)
    weights = rng.standard_normal((4, 64)).astype(np.float16)
    tensor, report = quantize(weights, get_data_type("bitmod3"), 32, 16)
    assert tensor.scale_codes is None
    assert tensor.scales is not None and tensor.scales.dtype == np.float16
    assert tensor.bits_per_weight() == 3 + 18 / 32
    assert report.error == pytest.approx(report.unrounded, rel=2e-3)
    with pytest.raises(ParameterError, match="use --scale-bits 8"):
        quantize(np.full((1, 4), 1e6, np.float32), get_data_type("fp3"), 4, 16)


def test_bits_per_weight():
    weights = np.random.default_rng(6).standard_normal((8, 512)).astype(np.float32)
    tensor, _ = quantize(weights, get_data_type("bitmod4"), 128)
    assert tensor.bits_per_weight() == 4 + 10 / 128 + 32 / 512
    asym, _ = quantize(weights, get_data_type("int4_asym"), 128, 16)
    assert asym.bits_per_weight() == 4 + (16 + 8) / 128        # paper section III-C


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", ["bitmod4", "int6", "int4_asym"])
def test_weights_that_are_not_finite(name, bad):
    weights = np.ones((2, 8))
    weights[1, 3] = bad
    with pytest.raises(ParameterError, match="must be finite"):
        quantize(weights, get_data_type(name), 4)


def test_bad_options():
    weights, dtype = np.ones((2, 8), np.float32), get_data_type("fp4")
    for arguments, words in (((weights[0], dtype), "matrix"), ((weights[:0], dtype), "empty"),
                             ((weights, dtype, 0), "--group-size"),
                             ((weights, dtype, 4, 12), "--scale-bits")):
        with pytest.raises(ParameterError, match=words):
            quantize(*arguments)
    far = np.array([[1e6, np.nextafter(np.float32(1e6), np.float32(2e6))]], np.float32)
    with pytest.raises(ParameterError, match="zero points"):
        quantize(np.repeat(far, 4, 1) * np.float32(2) ** 20, get_data_type("int8_asym"), 8)


@pytest.mark.parametrize(("bits", "columns"), list(itertools.product(range(3, 9), (1, 7, 8, 130))))
def test_dense_packing(bits, columns):
    codes = np.random.default_rng(7).integers(0, 1 << bits, (5, columns)).astype(np.uint8)
    packed = pack_codes(codes, bits)
    assert packed.shape == (5, -(-columns * bits // 8))
    word = int.from_bytes(packed[2].tobytes(), "little")
    assert [word >> (bits * i) & ((1 << bits) - 1) for i in range(columns)] == codes[2].tolist()
    assert np.array_equal(unpack_codes(packed, columns, bits), codes)


def test_reference_algorithm_1():
    reference = np.load(VECTORS / "bitmod_quantizer.npz")
    inputs = np.load(VECTORS / "bitmod_weights.npz")
    cases = sorted({k.split("|", 1)[1] for k in reference.files})
    assert len(cases) == 24
    for case in cases:
        distribution, group, name = case.split("|")
        dtype, size = get_data_type(name), int(group[1:])
        weights = inputs[f"in|{distribution}"]
        rows = len(weights)
        result = quantize_groups(weights.reshape(-1, size).astype(np.float32), dtype)
        errors = reference[f"cand_mse|{case}"].reshape(4, -1)
        assert np.allclose(result.errors, errors, rtol=1e-9, atol=0), case
        order = np.sort(errors, 0)
        clear = order[1] - order[0] > 1e-6 * order[0]
        special = np.array(dtype.special_values)[result.selectors]
        same = special == reference[f"sv|{case}"].ravel()
        assert same[clear].all(), case
        values2x = dtype.table2x[result.selectors[:, None], result.codes]
        assert (values2x == reference[f"code2x|{case}"].reshape(-1, size))[same].all(), case
        # the reference gives a zero group the scale 1; ours is 0 (docs/numerics.md, section 5)
        scales = reference[f"scale|{case}"]
        zero = ~weights.reshape(rows, -1, size).any(2)
        assert (result.scales.reshape(rows, -1) == np.where(zero, 0, scales))[
            same.reshape(rows, -1)].all(), case
        codes, channel = second_level(scales)
        assert (codes == reference[f"s8|{case}"]).all(), case
        assert np.allclose(channel, reference[f"s2|{case}"], rtol=1e-7), case


#: headline table: our type, the reference's, and whether its scales are 8 bits
HEADLINE = [("fp3", "fp3"), ("fp3_er", "fp3_er"), ("fp3_ea", "fp3_ea"), ("bitmod3", "fp3_bitmod"),
            ("fp4", "fp4"), ("fp4_er", "fp4_er"), ("fp4_ea", "fp4_ea"), ("bitmod4", "fp4_bitmod"),
            *((f"int{b}{a}", f"int{b}{a}") for b in range(3, 9) for a in ("", "_asym"))]


def test_headline_error_on_gaussian_weights():
    """Other samples of the same distribution: the normalised error agrees within 1 %."""
    reference = json.loads((VECTORS / "headline_mse.json").read_text())
    weights = np.random.default_rng(8).standard_normal((256, 4096)).astype(np.float32)
    for group in (32, 128):
        expected = reference[f"gauss|g{group}"]
        for name, key in HEADLINE:
            _, report = quantize(weights, get_data_type(name), group)
            figures = report.as_dict()
            assert figures["normalized_mse_unrounded_scales"] == \
                pytest.approx(expected[key], rel=0.01), name
            if f"{key}_int8scale" in expected:
                assert figures["normalized_mse"] == \
                    pytest.approx(expected[f"{key}_int8scale"], rel=0.01), name
