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
from .streams import operand_layout, result_layout

__all__ = ["Systolic"]


class Systolic(Design[SystolicParameters]):
    """Streams in: ``operand``; out: ``result``. See :mod:`.streams` for the fields.

    Output-stationary: a beat of ``operand`` has ``dot`` activations of every row and ``dot``
    weights of every column, and adds their products to R * C sums. The beat with ``last`` ends the
    operation, whose results leave row by row; the next one starts when they have.
    """

    def __init__(self, p: SystolicParameters) -> None:
        super().__init__(p, {"operand": In(stream.Signature(operand_layout(p))),
                             "result": Out(stream.Signature(result_layout(p)))})

    def timing(self) -> Timing:
        p = self.parameters
        return Timing(p.result_latency, 1, "last operand beat taken to first result; an operand "
                      "beat a cycle", {"result_beats": p.R})

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        to_port(m, output_array(m, p, of_port(self.operand)), self.result)
        return m
