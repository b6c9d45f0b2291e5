"""The conventional tile: rows times columns of FP16 processing elements."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.baselines.parameters import Fp16TileParameters

from ..common.unit import Unit
from .pe import Fp16Pe

__all__ = ["Fp16Tile"]


class Fp16Tile(wiring.Component):
    """An outer product a cycle, output-stationary.

    ``activations`` (rows) are broadcast along the rows, ``weights`` (columns) down the columns,
    FP16 codes, taken while ``en`` and registered at the edge; ``first`` starts new sums.
    ``results`` are the accumulators (columns) of the row that ``row`` selects, combinational;
    they hold a product ``p.latency`` clock edges after its operands were taken. Element 0 is
    lowest in every vector. The sums stay until the next ``first``.
    """

    def __init__(self, p: Fp16TileParameters) -> None:
        self.parameters = p
        members = {"en": In(1), "first": In(1), "activations": In(16 * p.rows),
                   "weights": In(16 * p.columns)}
        if p.rows > 1:
            members["row"] = In((p.rows - 1).bit_length())
        members["results"] = Out(p.columns * p.acc_format.bits)
        super().__init__(members)

    def port_notes(self) -> dict[str, str]:
        """Meaning and packing of the ports, for the manifest."""
        return {"activations": "one FP16 code a row, row 0 lowest",
                "weights": "one FP16 code a column, column 0 lowest",
                "en": "take the operands", "first": "with en: start new sums",
                **({"row": "the row whose sums are read"} if self.parameters.rows > 1 else {}),
                "results": f"{self.parameters.acc} codes of the read row, column 0 lowest"}

    def manifest(self) -> dict[str, Any]:
        """Timing, for the manifest."""
        return {"latency_cycles": self.parameters.latency, "initiation_interval": 1}

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        en = Signal(name="en_in")
        first = Signal(name="first_in", reset_less=True)
        activations = Signal(16 * p.rows, name="activations_in", reset_less=True)
        weights = Signal(16 * p.columns, name="weights_in", reset_less=True)
        m.d.sync += [en.eq(self.en), first.eq(self.first), activations.eq(self.activations),
                     weights.eq(self.weights)]
        drained: Value = Cat()
        for row in range(p.rows):
            results: list[Value] = []
            for column in range(p.columns):
                m.submodules[f"pe_{row}_{column}"] = pe = Unit(Fp16Pe(p.pe), "fp16_pe")
                m.d.comb += [pe.en.eq(en), pe.first.eq(first),
                             pe.activation.eq(activations.word_select(row, 16)),
                             pe.weight.eq(weights.word_select(column, 16))]
                results.append(pe.result)
            word: Value = Cat(results)
            if p.rows > 1:
                selected = Signal(name=f"selected_{row}")
                m.d.comb += selected.eq(self.row == row)
                word = word & selected.replicate(len(word))
            drained = drained | word if len(drained) else word
        m.d.comb += self.results.eq(drained)
        return m
