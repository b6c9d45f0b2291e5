"""The list of generators: one line each. A new family is a new folder and new lines here."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowbit.golden.parameters import Parameters

from .errors import UsageError

if TYPE_CHECKING:
    from lowbit.hdl.common.design import Design

__all__ = ["Generator", "GENERATORS", "find"]


@dataclass(frozen=True)
class Generator:
    """How to get from a name to a parameter class, a component and a testbench.

    The classes are named as ``module:attribute`` and imported on use, so that ``gen --help``
    stays fast and the dependency rule (golden <- hdl <- generators <- tb) holds.
    """

    name: str
    summary: str
    parameters: str      #: parameter class
    component: str       #: Amaranth component class; called with the parameter object
    bench: str           #: cocotb test module (a name only: benches are not imported here)
    #: repeated modules that a simulation builds once, inner ones first (flow/blocks.py)
    blocks: tuple[str, ...] = ()

    def load(self, attribute: str) -> Any:
        module, _, name = getattr(self, attribute).partition(":")
        return getattr(importlib.import_module(module), name)

    def parameter_class(self) -> type[Parameters]:
        cls = self.load("parameters")
        assert issubclass(cls, Parameters)
        return cls

    def component_class(self) -> Callable[[Any], Design[Any]]:
        """The class of the design, called with its parameters; Amaranth is imported with it."""
        from lowbit.hdl.common.design import Design
        cls = self.load("component")
        assert issubclass(cls, Design)
        factory: Callable[[Any], Design[Any]] = cls
        return factory


GENERATORS = {g.name: g for g in (
    Generator("lut_table", "table precompute unit: K activations to a half (or full) table",
              "lowbit.golden.lut.parameters:LutTableParameters",
              "lowbit.hdl.lut.table:LutTable", "lowbit.tb.benches.lut.table"),
    Generator("lut_dot", "combinational LUT dot product: one table, one weight pattern",
              "lowbit.golden.lut.parameters:LutDotParameters",
              "lowbit.hdl.lut.dot:LutDot", "lowbit.tb.benches.lut.dot"),
    Generator("lut_core", "LUT tensor core tile: M rows, N columns, K activations a table",
              "lowbit.golden.lut.parameters:LutCoreParameters",
              "lowbit.hdl.lut.core:LutCore", "lowbit.tb.benches.lut.core"),
    Generator("fp16_pe", "baseline: FP16 multiply-accumulate processing element",
              "lowbit.golden.baselines.parameters:Fp16PeParameters",
              "lowbit.hdl.baselines.pe:Fp16Pe", "lowbit.tb.benches.baselines.pe"),
    Generator("fp16_tile", "baseline: output-stationary tile of FP16 PEs",
              "lowbit.golden.baselines.parameters:Fp16TileParameters",
              "lowbit.hdl.baselines.tile:Fp16Tile", "lowbit.tb.benches.baselines.tile",
              ("fp16_pe",)),
    Generator("fp16_dot", "baseline: FP16 dot product of K multipliers and an adder tree",
              "lowbit.golden.baselines.parameters:Fp16DotParameters",
              "lowbit.hdl.baselines.dot:Fp16Dot", "lowbit.tb.benches.baselines.dot"),
    Generator("bitmod_encoder", "BitMoD bit-serial term generator, all data types at run time",
              "lowbit.golden.bitmod.parameters:BitmodEncoderParameters",
              "lowbit.hdl.bitmod.encoder:BitmodEncoder", "lowbit.tb.benches.bitmod.encoder"),
    Generator("bitmod_pe", "BitMoD PE: bit-serial terms times FP16 activations",
              "lowbit.golden.bitmod.parameters:BitmodPeParameters",
              "lowbit.hdl.bitmod.pe:BitmodPe", "lowbit.tb.benches.bitmod.pe"),
    Generator("bitmod_dequant", "BitMoD dequantiser: group sum times 8-bit scale, a bit a cycle",
              "lowbit.golden.bitmod.parameters:BitmodDequantParameters",
              "lowbit.hdl.bitmod.dequant:BitmodDequant", "lowbit.tb.benches.bitmod.dequant"),
    Generator("bitmod_tile", "BitMoD tile: rows x columns of bit-serial PEs, output-stationary",
              "lowbit.golden.bitmod.parameters:BitmodTileParameters",
              "lowbit.hdl.bitmod.tile:BitmodTile", "lowbit.tb.benches.bitmod.tile",
              ("bitmod_cell", "bitmod_core")),
    Generator("bitmod_array", "BitMoD array: tiles in a systolic mesh, with operand buffers",
              "lowbit.golden.bitmod.parameters:BitmodArrayParameters",
              "lowbit.hdl.bitmod.array:BitmodArray", "lowbit.tb.benches.bitmod.tile",
              ("bitmod_cell", "bitmod_core")),
)}


def find(name: str, others: Iterable[str] = ()) -> Generator:
    """Generator by name; :class:`UsageError` names near ones and near ``others`` (verbs)."""
    if name in GENERATORS:
        return GENERATORS[name]
    what = "generator or verb" if others else "generator"
    near = difflib.get_close_matches(name, [*GENERATORS, *others], n=3)
    raise UsageError(f"unknown {what} '{name}'" +
                     (f"; did you mean {' or '.join(near)}?" if near else "") +
                     f" ({'gen --help' if others else 'gen list'} shows all)")
