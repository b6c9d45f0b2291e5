"""The plane step: table entries times 2**plane, once per row instead of once per output.

A beat of several planes steps by its lowest one; the port ``plane`` has the number of the beat.

Integers are shifted and lose a lowest bit that all entries have in common. Aligned ones step down
from the top plane: shifted right, what is lost ORed into the lowest bit (round to odd). With
``offset_entries`` they are then in offset form, as :class:`~lowbit.hdl.lut.column.LutCell` expects.
Floats take an exact exponent step with IEEE behaviour at both ends.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import Adders
from ..common.compressor import offset_form
from ..common.fp_scale import FpScale
from ..common.shared import Shared

__all__ = ["EntryStep", "lowest_plane"]


def lowest_plane(p: LutCoreParameters, number: Value) -> Value:
    """The lowest plane of the beat of planes of that number."""
    return Cat(Const(0, p.parallel_planes.bit_length() - 1), number)


class EntryStep(wiring.Component):
    """One entry times 2**plane, or 2**-plane (combinational)."""

    def __init__(self, p: LutCoreParameters) -> None:
        self.parameters = p
        members = {"entry": In(p.entry_bits), "stepped": Out(p.step_bits)}
        if p.plane_bits:
            members["plane"] = In(p.plane_bits)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        if p.is_float:
            if p.plane_bits:
                # a shared module keeps the sign inside: otherwise Amaranth wires it around it
                m.submodules.scale = scale = Shared(
                    FpScale(p.table_float, p.w_bits - 1, Adders(p.adder)), "lut_scale")
                m.d.comb += [scale.code.eq(self.entry), scale.shift.eq(self.plane),
                             self.stepped.eq(scale.scaled)]
            else:
                m.d.comb += self.stepped.eq(self.entry)
            return m
        shifted = Signal(signed(p.step_bits))
        entry = self.entry.as_signed()
        if p.is_aligned and p.plane_bits:
            steps = [Cat(entry[:plane + 1].any(), entry[plane + 1:]).as_signed()
                     for plane in range(0, p.w_bits, p.parallel_planes)]
            with m.Switch(self.plane):
                for number, stepped in enumerate(steps):
                    with m.Case(number) if number < len(steps) - 1 else m.Default():
                        m.d.comb += shifted.eq(stepped)
        else:
            stepped = entry << lowest_plane(p, self.plane) if p.plane_bits else entry
            m.d.comb += shifted.eq(stepped >> int(p.common_lsb))
        m.d.comb += self.stepped.eq(offset_form(shifted) if p.offset_entries else shifted)
        return m

