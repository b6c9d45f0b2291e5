"""Output lane: an accumulator's value becomes a result. One lane serves many outputs in turn.

Steps, each a pipeline stage: resolve the pending carries and the offset of the entries; normalise
to a float (aligned) and scale it (INT8 tables); add the partial sum; convert to the output format
(or requantise, :mod:`..common.requantize`).
With group scales the sum of a group becomes that of its codes, is scaled and added to those of the
groups before (:mod:`..common.group_scale`). Which steps exist follows from the parameters. Stages
before the partial sum are held by ``enable``, those behind it by ``leave``: a result leaves while
the next one waits for its partial sum.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.formats import FP32, INT8, FloatFormat
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.requantize import MULTIPLIER_BITS, SHIFT_BITS

from ..common.adders import Adders
from ..common.fp_add import FpAdd
from ..common.fp_convert import FpConvert
from ..common.fp_mul import FpMul
from ..common.group_scale import GroupScale
from ..common.normalize import FixedToFloat
from ..common.pipeline import delayed, register
from ..common.requantize import Requantize
from .column import segments, value_bits
from .fix_up import code_sum, code_sum_bits

__all__ = ["OutputLane", "offset_bits", "sum_exponent_bits"]


def offset_bits(p: LutCoreParameters) -> int:
    """Bits of the beat counter that gives the offset to subtract (0: there is none)."""
    return max(p.acc_bits - p.beat_offset[1], 0) if p.offset_entries else 0


def sum_exponent_bits(p: LutCoreParameters) -> int:
    """Bits of the exponent of an aligned sum."""
    return (p.largest_exponent + p.last_plane).bit_length() if p.is_aligned else 0


class OutputLane(wiring.Component):
    """Accumulator value to result; see ``LutCoreParameters.lane_stages``.

    Inputs belong together in one enabled cycle: ``value`` (:func:`~.column.value_bits`),
    ``offset`` (that of all active beats, negative), ``odd`` (odd entries read), ``exponent`` or
    ``scale`` of the row, ``invalid``, ``saturated``; ``psum`` comes some cycles later (see there).
    ``result`` is registered, and ``result_saturated`` comes with it.

    With group scales ``correction`` (:mod:`.fix_up`, of the row) comes with ``value`` where weights
    are codes;
    ``group_scale`` (that of the column, above it that of the row where there is one),
    ``group_offset`` and ``row_sum`` where they come in, ``scaling`` holding the
    stages from there on; ``y`` in place of ``psum``, and ``y_next`` in the cycle before ``result``.

    With results of int8 ``multiplier``, ``shift`` and ``zero`` come a step after ``psum``, without
    partial sums where group scales would.
    """

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"enable": In(1), "leave": In(1), "value": In(value_bits(p)),
                   "result": Out(p.out.bits)}
        if offset_bits(p):
            members["offset"] = In(offset_bits(p))
        if p.common_lsb:
            members["odd"] = In(p.odd_bits)
        if p.is_aligned:
            members["exponent"] = In(sum_exponent_bits(p))
        if p.is_quantized:
            members["scale"] = In(32)
        if p.has_invalid:
            members["invalid"] = In(1)
        if p.can_saturate:
            members |= {"saturated": In(1), "result_saturated": Out(1)}
        if p.has_codes:
            members["correction"] = In(code_sum_bits(p))
        if p.scales_groups:
            members |= {"group_scale": In(p.factor_format.bits),
                        "scaling": In(1), "y": In(32), "y_next": Out(32)}
            if p.offset_format is not None:
                members |= {"group_offset": In(p.offset_format.bits), "row_sum": In(32)}
        elif p.preload:
            members["psum"] = In(p.psum.bits)
        if p.requantizes:
            members |= {"multiplier": In(MULTIPLIER_BITS), "shift": In(SHIFT_BITS),
                        "zero": In(INT8.bits)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        before, adding, total = p.lane_stages
        value = register(m, self.value, "raw", enable=self.enable)
        if p.is_fixed:
            value = self._fixed(m, value)
        fmt = p.result_float
        if p.scales_groups:
            value = self._scale_group(m, value)
        elif p.preload:
            value = self._add_psum(m, value, fmt)

        def beside(flag: Value, name: str, stages: int) -> Value:
            """A flag at the end of the lane's first ``stages``."""
            for i in range(1, stages + 1):
                enable = self.enable if i <= before else \
                    self.scaling if i <= adding else self.leave
                flag = register(m, flag, f"{name}_at_{i}", enable=enable)
            return flag

        if fmt is not None and p.has_invalid:
            invalid = beside(self.invalid, "invalid", total - 1)
        if p.can_saturate:
            m.d.comb += self.result_saturated.eq(beside(self.saturated, "saturated", total))
        if fmt is not None:
            assert isinstance(p.out, FloatFormat)
            if fmt != p.out:
                m.submodules.convert = convert = FpConvert(fmt, p.out, Adders(p.adder))
                m.d.comb += convert.code.eq(value)
                value = convert.result
            if p.has_invalid:
                value = Mux(invalid, Const(p.out.nan, p.out.bits), value)
        else:
            value = value.as_signed()
        if p.requantizes:
            m.d.comb += self.result.eq(self._requantize(m, value))
            return m
        m.d.comb += self.result.eq(register(m, value, "held", enable=self.leave,
                                            shape=p.out.bits))
        return m

    def _fixed(self, m: Module, value: Value) -> Value:
        """Resolve carries and offset; then float it, and scale it, where asked for."""
        p = self.parameters
        total = segments(p).resolve(value)
        correction: Value = Const(0, 1)
        if offset_bits(p):
            offset = register(m, self.offset, "offset_at", enable=self.enable)
            correction = Cat(Const(0, p.beat_offset[1]), offset)
        if p.common_lsb:
            total = Cat(Const(0, 1), total)
            correction = correction + register(m, self.odd, "odd_at", enable=self.enable)
        total = total + correction
        width = p.acc_bits
        total = total[:width].as_signed()
        if p.has_codes:
            width = code_sum_bits(p)
            more = register(m, self.correction, "correction_at", enable=self.enable)
            total = code_sum(p, total, more)
        exact = register(m, total.as_signed(), "exact", enable=self.enable)
        fmt = p.result_float
        if fmt is None:
            return exact
        # the sum of codes is twice as large, and aligned in units of the lowest plane
        unit = (p.last_plane + 1 if p.is_aligned else 1) if p.has_codes else 0
        low = high = p.sum_unit - unit
        if p.is_aligned:
            high = low + p.largest_exponent + p.last_plane
        m.submodules.to_float = to_float = FixedToFloat(fmt, width, (low, high), stages=2,
                                                       adders=Adders(p.adder))
        m.d.comb += [to_float.value.eq(exact), to_float.en.eq(self.enable)]
        if p.is_aligned:
            exponent = delayed(m, self.exponent, 2, "exponent_at", enable=self.enable)
            m.d.comb += to_float.exponent.eq(exponent + low)
        code = register(m, to_float.code, "normalized", enable=self.enable)
        if p.is_quantized:
            m.submodules.scale = product = FpMul(FP32, FP32, FP32, stages=1,
                                                   adders=Adders(p.adder))
            scale = delayed(m, self.scale, 5, "scale_at", enable=self.enable)
            m.d.comb += [product.a.eq(code), product.b.eq(scale), product.en.eq(self.enable)]
            code = register(m, product.product, "scaled", enable=self.enable)
        return code

    def _scale_group(self, m: Module, total: Value) -> Value:
        p = self.parameters
        m.submodules.scaler = scale = GroupScale(p.factor_format, p.offset_format, Adders(p.adder))
        m.d.comb += [scale.total.eq(total), scale.scale.eq(self.group_scale), scale.y.eq(self.y),
                     scale.en.eq(self.scaling), scale.en_y.eq(self.leave),
                     self.y_next.eq(scale.result)]
        if p.offset_format is not None:
            m.d.comb += [scale.row_sum.eq(self.row_sum), scale.offset.eq(self.group_offset)]
        return scale.result

    def _requantize(self, m: Module, total: Value) -> Value:
        """Sums with partial sums wrap to their format, and are registered before."""
        p = self.parameters
        m.submodules.requantize = requantize = Requantize(p.requantized_bits)
        if p.preload:
            total = register(m, total[:p.psum.bits].as_signed(), "total", enable=self.leave)
        m.d.comb += [requantize.enable.eq(self.leave), requantize.total.eq(total),
                     requantize.multiplier.eq(self.multiplier), requantize.shift.eq(self.shift),
                     requantize.zero.eq(self.zero)]
        return requantize.result

    def _add_psum(self, m: Module, value: Value, fmt: FloatFormat | None) -> Value:
        if fmt is None:
            return value + self.psum.as_signed()
        m.submodules.add = add = FpAdd(fmt, stages=2, style="fast",
                                       adders=Adders(self.parameters.adder))
        m.d.comb += [add.a.eq(value), add.b.eq(self.psum), add.en.eq(self.leave)]
        return add.sum
