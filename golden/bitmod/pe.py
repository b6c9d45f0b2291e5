"""BitMoD processing element, bit for bit (paper section IV-B, Figure 5).

Activations are FP16, weights bit-serial terms. Two forms of one PE (``--align``):

``row``: activations are integers at the largest exponent of their row and group
(:mod:`.row_alignment`); terms add them, shifted, in an integer: the group sum is exact from there.

``cycle``: per cycle each lane multiplies one term by one activation; the products are aligned to
the largest exponent of those that are not zero, with ``extra_bits`` kept below, and added exactly;
the sum enters the group accumulator, which keeps ``acc_bits`` significant bits. Both roundings go
toward zero on magnitudes, or to nearest even. All arithmetic is on integers in units of a fixed
power of two. The accumulator has FP32's exponent range, which group sums never leave: they lie
between 2**-25 and 2**23 * group size.

Contract: docs/numerics.md, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16, FP32, IntFormat, bit_length
from lowbit.golden.group_scale import SCALE_KINDS, parts
from lowbit.golden.parameters import ParameterError

from .datatypes import DataType
from .pe_parameters import ACTIVATION_BIAS, BitmodPeParameters
from .quantizer import QuantizedTensor
from .row_alignment import align_rows
from .terms import Terms, pair_terms, terms_of
from .zero_points import running_tensor

__all__ = ["GroupSums", "add_groups", "group_terms", "group_sums", "dequantize_groups", "layer",
           "outputs", "tensor_layer"]

Array = NDArray[Any]

DEFAULT = BitmodPeParameters()


@dataclass(frozen=True)
class GroupSums:
    """Group sums P = integer * 2**exponent, arrays (rows, columns, groups)."""

    integer: Array     #: signed integers (int64, or Python integers if wider), unit 2**exponent
    exponent: Any      #: of all, an integer, or int64 (rows, 1, groups)
    finite: Array      #: bool (rows,): False where an activation is infinite or NaN

    @property
    def exponents(self) -> Array:
        """``exponent`` of each sum."""
        return np.broadcast_to(self.exponent, self.integer.shape)

    def to_float64(self) -> Array:
        """Values as float64: exact while the integer has at most 53 significant bits."""
        return np.ldexp(self.integer.astype(np.float64), self.exponent)


def round_to_bits(magnitude: Array, drop: Array, rounding: str) -> Array:
    """Clear the low ``drop`` (>= 0) bits of magnitudes: toward zero, or to nearest even."""
    floor = magnitude >> drop
    if rounding == "nearest":
        rest = magnitude - (floor << drop)
        half = (drop > 0) * (np.ones_like(magnitude) << np.maximum(drop - 1, 0))
        floor = floor + ((drop > 0) & ((rest > half) | ((rest == half) & (floor & 1 == 1))))
    return floor << drop


def group_terms(codes: Array, special_values: Array | None, dtype: DataType,
                group_size: int) -> Terms:
    """Terms of weight codes (columns, k); ``special_values`` (columns, groups) for FP3 and FP4.

    Every value that the decoder can express is allowed, whatever the type's own list says.
    Of pairs a group has whole ones, but for the last weight of an odd channel.
    """
    codes = np.asarray(codes)
    if dtype.pairs:
        if group_size % 2 and group_size < codes.shape[1]:
            raise ParameterError(f"group size must be even for pairs; got {group_size}")
        k = codes.shape[1]
        return pair_terms(np.pad(codes, ((0, 0), (0, k % 2))))[:, :k]
    if special_values is None:
        return terms_of(dtype)[codes]
    values, number = np.unique(special_values, return_inverse=True)
    tables = [terms_of(dtype, float(v)) for v in values]
    number = number.reshape(special_values.shape)[:, np.arange(codes.shape[1]) // group_size]
    sign, exp, man = (np.stack([getattr(t, name) for t in tables])
                      for name in ("sign", "exp", "man"))
    stacked = Terms(sign, exp, man, tables[0].bsig)
    return stacked[number, codes]


def group_sums(activations: Array, terms: Terms, group_size: int,
               parameters: BitmodPeParameters, exponents: Array | None = None) -> GroupSums:
    """Group sums of FP16 ``activations`` codes (rows, k) with ``terms`` (columns, k, terms).

    The order of a PE: chunk by chunk of ``lanes`` weights, in a chunk term by term. A group that
    is no multiple of the lanes ends with a chunk of which the missing lanes are zero.
    ``exponents`` (rows, groups): those that a sender gives a row-aligned PE, if they are not the
    largest.
    """
    activations = np.asarray(activations, np.int64)
    rows, k = activations.shape
    columns, groups = terms.sign.shape[0], -(-k // group_size)
    finite = FP16.is_finite(activations)
    if parameters.align == "row":
        integer, unit = _row_sums(activations, terms, group_size, parameters, exponents)
        return GroupSums(integer, unit, np.asarray(finite.all(1)))
    activations = np.where(finite, activations, 0)
    sums = [_one_group(activations[:, i:i + group_size], terms[:, i:i + group_size], parameters)
            for i in range(0, k, group_size)]
    exponent = _unit(terms, parameters)
    integer = np.stack(sums, -1) if sums else np.zeros((rows, columns, groups), np.int64)
    return GroupSums(integer, exponent, np.asarray(finite.all(1)))


def _row_sums(activations: Array, terms: Terms, group_size: int, parameters: BitmodPeParameters,
              exponents: Array | None) -> tuple[Array, Array]:
    """Exact sums of the aligned activations (rows, columns, groups), and the power of two of
    their unit (rows, 1, groups)."""
    aligned = align_rows(activations, group_size, parameters.align_bits, exponents)
    halves = terms.has_halves
    values = terms.values2x() >> (not halves)
    # whatever the hardware's --max-group: at most 2**8 halves a weight
    bits = 1 + parameters.align_bits + 8 + group_size.bit_length()
    exact = np.int64 if bits <= 63 else object
    a, w = aligned.integers.astype(exact), values.T.astype(exact)
    sums = [a[:, i:i + group_size] @ w[i:i + group_size] for i in range(0, a.shape[1], group_size)]
    unit = parameters.row_exponent(halves)
    return np.stack(sums, -1), unit + aligned.exponents[:, None, :]


def _unit(terms: Terms, parameters: BitmodPeParameters) -> int:
    """Power of two of the accumulator's unit: the last place of the smallest product."""
    if parameters.exact:
        return parameters.exact_exponent
    return 1 - ACTIVATION_BIAS - parameters.extra_bits + int(min(terms.bsig))


def _one_group(activations: Array, terms: Terms, parameters: BitmodPeParameters) -> Array:
    """The accumulator after one group, (rows, columns)."""
    rows, size = activations.shape
    unit, lanes = _unit(terms, parameters), parameters.lanes
    # |a| < 2**16, |w| <= 2**weight_bits; one more bit for the steps between two terms of a weight
    weight_bits = (int(np.abs(terms.values2x()).max(initial=1)) - 1).bit_length() - 1
    bits = 1 + 16 + weight_bits + size.bit_length() + 1 - unit
    integer: type = np.int64 if bits <= 63 else object
    total: Array = np.zeros((rows, terms.sign.shape[0]), integer)
    sign, exponent, significand = FP16.decode(activations)
    for start in range(0, size, lanes):
        chunk = slice(start, start + lanes)
        a = tuple(x[:, chunk].T[:, :, None] for x in (sign, exponent, significand))
        for number, bsig in enumerate(terms.bsig):
            w = tuple(x[:, chunk, number].T[:, None, :].astype(np.int64)
                      for x in (terms.sign, terms.exp, terms.man))
            if parameters.exact:
                product = np.where(a[0] ^ w[0], -a[2] * w[2], a[2] * w[2])
                product = product << (a[1] + w[1] + int(bsig) - ACTIVATION_BIAS - unit)
                total = total + product.astype(integer).sum(0)
                continue
            tree, top = _aligned_sum(a, w, parameters)
            shift = top - ACTIVATION_BIAS - parameters.extra_bits + int(bsig) - unit
            total = _accumulate(total, tree.astype(integer) << shift.astype(integer), parameters)
    return total


def _aligned_sum(a: tuple[Array, ...], w: tuple[Array, ...],
                 parameters: BitmodPeParameters) -> tuple[Array, Array]:
    """Steps 1 and 2: the adder tree's result and the exponent that it is aligned to.

    ``a``: sign, exponent, significand (lanes, rows, 1); ``w``: sign, exp, man (lanes, 1, columns).
    """
    exponent = np.where((a[2] * w[2]) != 0, a[1] + w[1], 0)
    # 1 is the smallest exponent of a product, so a cycle without products may take it
    top = np.maximum(exponent.max(0), 1)
    # a lane without a product is dropped by its zero significand, whatever its exponent
    delta = np.minimum(top - exponent, 62)
    magnitude = (a[2] * w[2]) << parameters.extra_bits
    if parameters.rounding == "nearest":
        magnitude = round_to_bits(magnitude, delta, "nearest")
    magnitude = magnitude >> delta
    return np.where(a[0] ^ w[0], -magnitude, magnitude).sum(0), top


def _accumulate(total: Array, addend: Array, parameters: BitmodPeParameters) -> Array:
    """Step 3: the exact sum, its magnitude cut to ``acc_bits`` significant bits."""
    total = total + addend
    magnitude = np.abs(total)
    drop = np.maximum(bit_length(magnitude) - parameters.acc_bits, 0)
    magnitude = round_to_bits(magnitude, drop.astype(magnitude.dtype), parameters.rounding)
    return np.where(total < 0, -magnitude, magnitude)


def dequantize_groups(sums: GroupSums, scale_codes: Array, kind: str = "int8") -> Array:
    """Step 4: group sums times 8-bit ``scale_codes`` (columns, groups), exact, rounded once.

    ``kind`` of :data:`~lowbit.golden.group_scale.SCALE_KINDS`. Returns FP32 codes, int64 (rows,
    columns, groups); a product of zero is +0, one with a NaN of a scale NaN.
    """
    fmt = SCALE_KINDS[kind]
    sign, significand, exponent = (x[None] for x in parts(fmt, scale_codes))
    # Python integers: an exact sum times a scale code may need more than 63 bits
    product = np.abs(sums.integer).astype(object) * significand.astype(object)
    result = FP32.round((sums.integer < 0).astype(np.int64) ^ sign, product,
                        sums.exponent + exponent)
    if isinstance(fmt, IntFormat):
        return result
    return np.where(fmt.is_nan(scale_codes)[None], FP32.nan, result)


def tensor_layer(activations: Array, tensor: QuantizedTensor, *, out_fp16: bool = False,
                 parameters: BitmodPeParameters = DEFAULT) -> Array:
    """:func:`layer` with the weights of ``gen quantize``: float32 or float16 (rows, n).

    ``activations`` float16 (rows, k). :class:`~lowbit.golden.parameters.ParameterError` for
    zero points that no integer type makes up for, 16-bit scales and another k.
    """
    tensor = running_tensor(tensor)
    if tensor.scale_codes is None:
        raise ParameterError("weights must have 8-bit scales, which the PE multiplies bit by bit; "
                             f"these have {tensor.scale_bits}-bit scales: quantize them with "
                             "--scale-bits 8")
    if activations.ndim != 2 or activations.shape[1] != tensor.shape[1]:
        raise ParameterError(f"activations must have shape (rows, {tensor.shape[1]}) for these "
                             f"weights; got {activations.shape}")
    special = tensor.special_values() if tensor.dtype.kind == "float" else None
    return layer(activations, tensor.codes, tensor.dtype, tensor.scale_codes, tensor.group_size,
                 special_values=special, channel_scale=tensor.channel_scale, out_fp16=out_fp16,
                 parameters=parameters, scale_kind=tensor.scale_kind)


def layer(activations: Array, codes: Array, dtype: DataType, scale_codes: Array,
          group_size: int, *, special_values: Array | None = None,
          channel_scale: Array | None = None, out_fp16: bool = False,
          parameters: BitmodPeParameters = DEFAULT, exponents: Array | None = None,
          scale_kind: str = "int8") -> Array:
    """A whole layer as the tile computes it: float32 (or float16) (rows, columns).

    ``activations`` float16 (rows, k); ``codes`` uint8 (columns, k); ``scale_codes`` uint8
    (columns, groups); ``special_values`` (columns, groups) of FP3 and FP4 types;
    ``channel_scale`` float32 (columns,); ``exponents`` as in :func:`group_sums`; ``scale_kind`` as
    in :func:`dequantize_groups`. Group sums are
    scaled and rounded to FP32, added in ascending order in FP32, multiplied by the channel's scale
    in FP32 and, if asked for, rounded to FP16: each step rounds once, to nearest even, and
    overflows to infinity. A row with an activation that is not finite gives canonical NaNs, as 0
    times an infinite scale does; an exact zero is +0.
    """
    terms = group_terms(codes, special_values, dtype, group_size)
    sums = group_sums(FP16.from_array(activations), terms, group_size, parameters, exponents)
    scaled = dequantize_groups(sums, scale_codes, scale_kind)
    added = add_groups(np.zeros(scaled.shape[:2], np.float32), scaled)
    return outputs(added, sums.finite, channel_scale, out_fp16)


def add_groups(total: Array, scaled: Array) -> Array:
    """Step 5, first half: float32 ``total`` (rows, columns) plus FP32 codes ``scaled`` (rows,
    columns, groups), in ascending order."""
    # NumPy's float32 operations are IEEE single precision, each rounded once
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for group in range(scaled.shape[2]):
            total = total + FP32.to_array(scaled[:, :, group])
    return total


def outputs(total: Array, finite: Array, channel_scale: Array | None = None,
            out_fp16: bool = False) -> Array:
    """Step 5, second half: sums of all groups float32 (rows, columns) as they leave; ``finite``
    (rows,) of the activations. Other arguments as :func:`layer`."""
    output = total
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if channel_scale is not None:
            output = _times_channel(output, np.asarray(channel_scale, np.float32))
        if out_fp16:
            # a product that has rounded to -0 is a zero like any other now
            output = np.where(output == 0, np.float32(0), output).astype(np.float16)
    output = np.where(finite[:, None], output, output.dtype.type(np.nan))
    output[np.isnan(output)] = np.nan       # a NaN of NumPy's own may have a sign
    return output


def _times_channel(output: Array, scale: Array) -> Array:
    """The IEEE product (rows, columns): 0 times infinity is NaN, and a product of a zero is +0;
    one that rounds to zero keeps its sign."""
    product = output * scale
    exact_zero = (product == 0) & ((output == 0) | (scale == 0))
    return np.where(exact_zero, np.float32(0), product)
