"""The direct core: the frame of the LUT core around dot products of activations and weights.

Activation streams, alignment, segmented accumulators, chains, output lanes, group scales and
handshakes are those of :class:`.core.LutCore`; a column multiplies in place of a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from lowbit.golden.lut.direct_parameters import DirectFrame, DotCoreParameters
from lowbit.golden.lut.parameters import LutCoreParameters

from ..common.adders import Adders
from ..common.digit_rows import multiples
from ..common.shared import Shared
from ..fabric.elastic import Beat
from .core import LutCore
from .direct_column import DirectColumn
from .streams import direct_weight_layout

__all__ = ["DotCore"]


class DotCore(LutCore):
    """Streams in: ``activation``, ``weight``, ``psum``, with group scales ``scale``; out:
    ``result``. A beat has K weights of every column and K activations of every row."""

    def __init__(self, p: DotCoreParameters) -> None:
        super().__init__(p)

    @staticmethod
    def weights(p: LutCoreParameters) -> data.StructLayout:
        assert isinstance(p, DirectFrame)
        return direct_weight_layout(p)

    def _operands(self, m: Module) -> tuple[Beat, Beat]:
        weight, table = super()._operands(m)
        # every beat has activations of its own
        return Beat(weight.valid, {**weight.fields, "table_last": Const(1, 1)}, weight.ready), table

    def _weights(self, m: Module, beat: Beat) -> Sequence[Any]:
        found: Sequence[Any] = beat["values"]
        return found

    def _column(self, m: Module, weights: Any) -> Any:
        p = self.core
        assert isinstance(p, DirectFrame)
        column = Shared(DirectColumn(p), "dot_column")
        m.d.comb += column.weights.eq(weights)
        return column

    def _stepped_entries(self, m: Module, entries: Any, beat: Beat) -> Value:
        """All activations of all rows, each with its odd multiples."""
        p = self.core
        assert isinstance(p, DirectFrame)
        words: list[Value] = []
        for row in range(p.M):
            for k in range(p.groups):
                name, entry = f"activation_{row}_{k}", Value.cast(entries[row][k][0]).as_signed()
                if p.magnitudes:
                    magnitude = Signal(p.read_bits, name=name)
                    m.d.comb += magnitude.eq(Mux(entry[-1], -entry, entry))
                found = multiples(m, magnitude if p.magnitudes else entry, p.form.multiples,
                                  Adders(p.adder), name)
                words += [found[multiple] for multiple in p.form.multiples]
                words += [entry[-1]] * p.magnitudes
        return Cat(words)
