"""The conventional tile: rows times columns of FP16 processing elements."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib.wiring import In, Out

from lowbit.golden.baselines.parameters import Fp16TileParameters
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..common.field import Field, flag
from ..common.pipeline import register
from ..common.shared import Shared
from .pe import Fp16Pe

__all__ = ["Fp16Tile"]


class Fp16Tile(Design[Fp16TileParameters]):
    """An outer product a cycle, output-stationary.

    ``activations`` (rows) are broadcast along the rows, ``weights`` (columns) down the columns,
    FP16 codes, taken while ``en`` and registered at the edge; ``first`` starts new sums.
    ``results`` are the accumulators (columns) of the row that ``row`` selects, combinational;
    they hold a product ``p.latency`` clock edges after its operands were taken. Element 0 is
    lowest in every vector. The sums stay until the next ``first``.
    """

    def __init__(self, p: Fp16TileParameters) -> None:
        members = {
            "en": In(flag("take the operands")), "first": In(flag("with en: start new sums")),
            "activations": In(Field(FP16, "activations", axes={"row": p.rows})),
            "weights": In(Field(FP16, "weights", axes={"column": p.columns}))}
        if p.rows > 1:
            members["row"] = In(Field((p.rows - 1).bit_length(), "the row whose sums are read",
                                      name="unsigned"))
        members["results"] = Out(Field(p.acc_format, "sums of the read row",
                                       axes={"column": p.columns}))
        super().__init__(p, members)

    def timing(self) -> Timing:
        return Timing(self.parameters.latency, 1, "operands taken to the accumulators that hold "
                      "their products; an outer product a cycle")

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        en = register(m, self.en, "en_in", reset=True)
        first = register(m, self.first, "first_in")
        activations = register(m, self.activations, "activations_in")
        weights = register(m, self.weights, "weights_in")
        drained: Value = Cat()
        for row in range(p.rows):
            results: list[Value] = []
            for column in range(p.columns):
                m.submodules[f"pe_{row}_{column}"] = pe = Shared(Fp16Pe(p.pe), "fp16_pe")
                m.d.comb += [pe.en.eq(en), pe.first.eq(first),
                             pe.activation.eq(activations[row]),
                             pe.weight.eq(weights[column])]
                results.append(pe.result)
            word: Value = Cat(results)
            if p.rows > 1:
                selected = Signal(name=f"selected_{row}")
                m.d.comb += selected.eq(self.row == row)
                word = word & selected.replicate(len(word))
            drained = drained | word if len(drained) else word
        m.d.comb += self.results.eq(drained)
        return m
