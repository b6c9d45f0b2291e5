"""From the sum of a group's bit-planes to that of its codes, for group scales.

An output has accumulated S of an accumulation's b planes, and its row the sum A of the activations.
With R = S of integers and R = 2**(b - P) S of aligned entries, whose planes count from the top beat
of P planes,
twice the sum of activations times codes is R + c A, and c says what the codes stand for
(:class:`lowbit.golden.group_scale.Codes`; docs/numerics.md, section 4). c A is a row's, so the core
makes it once (:func:`row_correction`), and a lane only adds (:func:`code_sum`), exactly.

The number of planes is that of an accumulation. Aligned sums would need a shift by it in each lane:
they are left 2**(w_bits - b) times as large instead, which the exponent puts right.
"""

from __future__ import annotations

from amaranth.hdl import Mux, Value

from lowbit.golden.group_scale import Codes
from lowbit.golden.lut.parameters import LutCoreParameters

from .entry_step import lowest_plane

__all__ = ["code_sum", "code_sum_bits", "row_correction"]


def code_sum_bits(p: LutCoreParameters) -> int:
    """Bits of twice the sum of activations times codes, in units of the lowest plane's sums."""
    return p.acc_bits + p.w_bits + 1


def row_correction(p: LutCoreParameters, row_sum: Value, codes: Value, plane: Value) -> Value:
    """c A: ``row_sum`` A (``acc_bits``, two's complement) to :func:`code_sum_bits`; ``plane`` is
    the number of the last beat of planes, b / P - 1 (one bit, 0, where there is only one).

    c A = 2**b A, less A, of unsigned codes; - A of two's complement; 0 of odd ones.
    """
    row_sum = row_sum.as_signed()
    if p.is_aligned:
        missing = (p.w_bits // p.parallel_planes - 1 - plane)[:max(p.plane_bits, 1)]
        once = row_sum << lowest_plane(p, missing)
        power = row_sum << p.w_bits
    else:
        once, power = row_sum, (row_sum << p.parallel_planes) << lowest_plane(p, plane)
    result = Mux(codes == Codes.UNSIGNED, power, 0) - Mux(codes == Codes.ODD, 0, once)
    return result[:code_sum_bits(p)]


def code_sum(p: LutCoreParameters, total: Value, correction: Value) -> Value:
    """R + c A: ``total`` S (``acc_bits``, two's complement) and ``correction`` c A to
    :func:`code_sum_bits`, two's complement; of aligned ones both 2**(w_bits - b) times as large."""
    total = total.as_signed() << p.last_plane if p.is_aligned else total.as_signed()
    return (total + correction.as_signed())[:code_sum_bits(p)]
