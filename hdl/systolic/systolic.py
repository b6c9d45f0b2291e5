"""The systolic array as a design."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters
from lowbit.golden.timing import Timing

from ..common.design import Design
from ..fabric.elastic import of_port, to_port
from .output_array import output_array
from .output_tile import output_tile, tile_members
from .streams import (
    activation_layout,
    operand_layout,
    psum_layout,
    result_layout,
    scale_layout,
    weight_layout,
)
from .weight_array import weight_array
from .weight_tile import weight_tile, weight_tile_members

__all__ = ["Systolic"]


class Systolic(Design[SystolicParameters]):
    """Streams in: ``operand``, or ``weight``, ``activation`` and ``psum``; out: ``result``. See
    :mod:`.streams` for the fields.

    Output-stationary: a beat of ``operand`` has ``dot`` activations of every row and ``dot``
    weights of every column, and adds their products to R * C sums. The beat with ``last`` ends the
    operation, whose results leave row by row; the next one starts when they have.

    Weight-stationary: R beats of ``weight`` are the weights of an operation, of ``dot`` * R places
    of the reduction and C columns. Every beat of ``activation`` is a vector of so many places, and
    gives a result for every column, to which its beat of ``psum`` is added. The vector with
    ``last`` ends the operation; the weights of the next one are loaded meanwhile.

    With results of int8 every operation has a beat of ``scale``. With ``skew`` out ports without
    handshake: :func:`.output_tile.tile_members`, :func:`.weight_tile.weight_tile_members`.
    """

    def __init__(self, p: SystolicParameters) -> None:
        if p.skew == "out":
            super().__init__(p, (tile_members if p.dataflow == "os" else weight_tile_members)(p))
            return
        layouts = {"operand": operand_layout} if p.dataflow == "os" else {
            "weight": weight_layout, "activation": activation_layout, "psum": psum_layout}
        if p.requantizes:
            layouts["scale"] = scale_layout
        super().__init__(p, {
            **{name: In(stream.Signature(layout(p))) for name, layout in layouts.items()},
            "result": Out(stream.Signature(result_layout(p)))})

    def timing(self) -> Timing:
        p = self.parameters
        if p.skew == "out" and p.dataflow == "os":
            return Timing(p.drain_start + 1, 1, "last operands of row 0 and column 0 to the first "
                          "row of results; operands every cycle", {"result_beats": p.R})
        if p.skew == "out":
            return Timing(p.tile_latency, 1, "row 0 of a vector to column 0 of its results; a "
                          "vector every cycle", {"weight_beats": p.R})
        if p.dataflow == "os":
            return Timing(p.result_latency, 1, "last operand beat taken to first result; an "
                          "operand beat a cycle", {"result_beats": p.R})
        return Timing(p.result_latency, 1, "vector taken to its result; a vector a cycle",
                      {"weight_beats": p.R})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        if p.skew == "out":
            (output_tile if p.dataflow == "os" else weight_tile)(m, p, self)
            return m
        scale = of_port(self.scale) if p.requantizes else None
        if p.dataflow == "os":
            beat = output_array(m, p, of_port(self.operand), scale)
        else:
            beat = weight_array(m, p, of_port(self.weight), of_port(self.activation),
                                of_port(self.psum), scale)
        to_port(m, beat, self.result)
        return m
