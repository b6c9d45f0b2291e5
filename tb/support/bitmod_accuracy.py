"""Error of the BitMoD PE against exact sums, for kinds of activations: tests and benchmark.

Every error is the largest |result - exact| over sum|a * w|, the sum of the magnitudes of the
products (times the scale codes for D and Y). P is a group sum, D that sum times its scale code,
Y the sum of D over the groups of a channel: what a tile gives out before the channel's scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.pe import GroupSums, dequantize_groups, group_sums, group_terms
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP16, FP32

__all__ = ["BOUNDS", "CONFIGURATIONS", "KINDS", "accuracy", "group_error"]

Array = NDArray[Any]

CONFIGURATIONS = {
    "row": BitmodPeParameters(align="row"),
    "row 18": BitmodPeParameters(align="row", align_bits=18),
    "cycle": BitmodPeParameters(align="cycle"),
    "nearest": BitmodPeParameters(align="cycle", rounding="nearest"),
    "wide": BitmodPeParameters(align="cycle", extra_bits=13, acc_bits=32),
    "wide nearest": BitmodPeParameters(align="cycle", extra_bits=13, acc_bits=32,
                                       rounding="nearest"),
    "exact": BitmodPeParameters(align="cycle", exact=True),
}
#: largest error of P on the reference vectors; sparse outliers can be worse (aligned by cycles,
#: default widths: three lanes that lose almost a unit of 2**-13 of the largest product each,
#: 3.7e-4)
BOUNDS = {"row": 1.4e-4, "row 18": 7e-5, "cycle": 1.2e-4, "nearest": 6e-5, "wide": 2e-7,
          "wide nearest": 2e-7, "exact": 0.0}

TYPES = ("bitmod4", "bitmod3", "int8", "int6", "int5", "int4", "int3")
GROUP = 128


def _outlier(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A few channels fifty times as large, as in the inputs of language models."""
    x = rng.standard_normal(shape)
    x[..., rng.random(shape[-1]) < 0.01] *= 50
    return x


def _cancel(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Neighbours cancel where their weights are equal."""
    x = rng.standard_normal(shape) * 1000
    x[..., 1::2] = -x[..., ::2]
    return x


#: kinds of activations: real numbers of a shape, before they are rounded to FP16
KINDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "gaussian": lambda rng, shape: rng.standard_normal(shape),
    "outlier": _outlier,
    "positive": lambda rng, shape: np.abs(rng.standard_normal(shape)),
    "cancelling": _cancel,
    "wide exponents": lambda rng, shape: rng.standard_normal(shape)
    * 2.0 ** rng.integers(-20, 12, shape),
    "subnormal": lambda rng, shape: rng.standard_normal(shape) * 2.0 ** -18,
    "largest": lambda rng, shape: rng.choice([65504.0, -65504.0, 65472.0, 1.0], shape),
}


def group_error(sums: GroupSums, exact: Array, magnitude: Array) -> float:
    """The largest of :func:`group_errors`."""
    return float(group_errors(sums, exact, magnitude).max())


def group_errors(sums: GroupSums, exact: Array, magnitude: Array) -> Array:
    """|P - exact| / magnitude; ``exact`` and ``magnitude`` float64 in the shape of P.

    ``AssertionError`` for an error where all products are zero.
    """
    error = np.abs(sums.to_float64() - exact)
    assert not error[magnitude == 0].any(), "a group without products has a sum"
    return np.asarray(error / np.where(magnitude > 0, magnitude, 1.0))


def _sequential(a: Array, w: Array, dtype: type) -> Array:
    """Group sums (rows, columns, groups) added one product after the other, in a float format."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.zeros((len(a), len(w), a.shape[1] // GROUP), dtype)
        for i in range(GROUP):
            product = a[:, None, i::GROUP].astype(np.float64) * w[None, :, i::GROUP]
            total = total + product.astype(dtype)
    return total.astype(np.float64)


def _later_errors(sums: GroupSums, exact: GroupSums, scales: Array,
                  magnitude: Array) -> dict[str, float]:
    """Errors of D and Y; both in exact integers until the quotient."""
    d = FP32.to_array(dequantize_groups(sums, scales))
    y = np.zeros(d.shape[:2], np.float32)
    for group in range(d.shape[2]):
        y = y + d[:, :, group]
    true_d = exact.integer.astype(object) * scales[None].astype(object)
    # FP32 results in the exact sums' unit, as integers: 2**-149 / unit is a power of two
    shift = 149 + exact.exponent
    errors = {}
    for name, found, true, weight in (
            ("D", d, true_d, magnitude * scales[None]),
            ("Y", y, true_d.sum(-1), (magnitude * scales[None]).sum(-1))):
        worst = 0.0
        for value, whole, bound in zip(found.ravel(), true.ravel(), weight.ravel(), strict=True):
            off = abs(int(np.ldexp(np.float64(value), 149)) - (int(whole) << shift))
            assert bound or not off, "a result without products is not zero"
            worst = max(worst, off / 2.0 ** 149 / bound if bound else 0.0)
        errors[name] = worst
    return errors


def accuracy(kind: str, *, rows: int = 8, columns: int = 8, groups: int = 4,
             seed: int = 0) -> dict[str, dict[str, float | None]]:
    """Largest errors over all data types, for one of :data:`KINDS`.

    Configuration -> P, D, Y, and ``P rms``, the root of P's mean square; and ``sequential fp32``,
    ``sequential fp16`` -> P: products rounded to the format and added one after the other (None
    where that overflows). Random codes, special values and scale codes; groups of 128.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, dict[str, float | None]] = {}
    squares: dict[str, list[float]] = {}

    def worse(configuration: str, what: str, error: float | None) -> None:
        entry = found.setdefault(configuration, {what: 0.0})
        before = entry.get(what, 0.0)
        entry[what] = None if error is None or before is None else max(before, error)

    for name in TYPES:
        dtype = get_data_type(name)
        a = KINDS[kind](rng, (rows, groups * GROUP)).astype(np.float16)
        codes = rng.integers(0, 1 << dtype.bits, (columns, groups * GROUP))
        scales = rng.integers(0, 128, (columns, groups))
        special = rng.choice(dtype.special_values, (columns, groups)) if dtype.special_values \
            else None
        terms = group_terms(codes, special, dtype, GROUP)
        w = terms.values2x() / 2
        exact = group_sums(FP16.from_array(a), terms, GROUP, CONFIGURATIONS["exact"])
        products = np.abs(a.astype(np.float64)).reshape(rows, groups, GROUP)
        magnitude = np.einsum("rgi,cgi->rcg", products, np.abs(w).reshape(columns, groups, GROUP))
        for label, parameters in CONFIGURATIONS.items():
            sums = group_sums(FP16.from_array(a), terms, GROUP, parameters)
            errors = group_errors(sums, exact.to_float64(), magnitude)
            worse(label, "P", float(errors.max()))
            squares.setdefault(label, []).append(float(np.mean(errors * errors)))
            for what, error in _later_errors(sums, exact, scales, magnitude).items():
                worse(label, what, error)
        for fmt, dtype_of in (("fp32", np.float32), ("fp16", np.float16)):
            total = _sequential(a, w, dtype_of)
            fits = bool(np.isfinite(total).all())
            off = np.abs(total - exact.to_float64()) / np.where(magnitude > 0, magnitude, 1)
            worse(f"sequential {fmt}", "P", float(off.max()) if fits else None)
    for label, means in squares.items():
        found[label]["P rms"] = float(np.sqrt(np.mean(means)))
    return found
