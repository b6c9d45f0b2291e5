"""Parameters of the systolic array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..digits import FORMATS, DigitFormat
from ..formats import INT8, IntFormat
from ..parameters import TargetParameters, parameter

__all__ = ["SystolicParameters"]

#: bits of a carry chain of the accumulators; 0: one chain
SEGMENTS = (0, 1, 4, 8, 16)
#: products of a processing element and beat
DOTS = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class SystolicParameters(TargetParameters):
    """R rows of C processing elements, each of ``dot`` products a beat."""

    generator: ClassVar[str] = "systolic"

    R: int = parameter(16, "rows of processing elements", low=1, high=128)
    C: int = parameter(16, "columns of processing elements", low=1, high=128)
    dataflow: str = parameter("os", "what stays in a processing element: its output, or its "
                              "weights", choices=("os", "ws"))
    a_bits: int = parameter(8, "bits of an activation, two's complement", low=2, high=16)
    w_format: str = parameter("int8", "weights: integers, trits, or floats of few bits",
                              choices=tuple(FORMATS))
    dot: int = parameter(1, "products of a processing element and beat: 1, 2, 4 or 8", low=1,
                         high=8)
    acc_bits: int = parameter(32, "bits of an accumulator; it wraps", low=8, high=62)
    segment: int = parameter(16, "bits of a carry chain of the accumulators, 1, 4, 8 or 16, "
                             "registers between chains: 1 is carry-save; 0: one chain", low=0,
                             high=16, source="1: bit-weight dimension, compressed accumulation")
    encode: str = parameter("edge", "integer weights become digits once, where they enter, or in "
                            "each processing element", choices=("edge", "pe"))
    weights: str = parameter("pass", "output-stationary: weights go from row to row, a cycle each, "
                             "or to all rows at once (fewer registers, wires of R elements)",
                             choices=("pass", "broadcast"))
    drain: str | None = parameter(
        None, "output-stationary: outputs leave from row to row, or through a multiplexer of the "
        "rows; default shift", choices=("shift", "mux"))
    out_format: str = parameter("sum", "results: the sums, or int8 by a scale and a zero point of "
                                "each column", choices=("sum", "int8"))
    skew: str = parameter("in", "registers that skew the operands, and control, "
                          "are inside, or left to the user (ports without handshake)",
                          choices=("in", "out"))
    mesh: bool = parameter(False, "with --skew out: ports that pass operands on to the tiles "
                           "beside and below; integer weights come as digits")

    def check(self) -> None:
        for name, values in (("dot", DOTS), ("segment", SEGMENTS)):
            if getattr(self, name) not in values:
                self.refuse(name, f"must be one of {', '.join(map(str, values))}")
        if self.encode == "pe" and not self.is_integer:
            self.refuse("encode", f"pe is for integer weights; {self.w_format} comes as digits")
        if self.dataflow == "ws" and self.weights == "broadcast":
            self.refuse("weights", "broadcast needs --dataflow os")
        if self.dataflow == "ws" and self.drain is not None:
            self.refuse("drain", "belongs to --dataflow os; leave it out")
        if self.skew == "out" and self.requantizes:
            self.refuse("out_format", "int8 needs --skew in: sums leave a bare tile")
        if self.mesh and self.skew == "in":
            self.refuse("mesh", "needs --skew out: operands pass from tile to tile as they are",
                        "on")
        if self.acc_bits < self.beat_bits:
            self.refuse("acc_bits", f"must hold the products of a beat, {self.beat_bits} bits")

    # -- formats ------------------------------------------------------------------------------
    @property
    def form(self) -> DigitFormat:
        """The weights as digits."""
        return FORMATS[self.w_format]

    @property
    def is_integer(self) -> bool:
        """Weights are integers."""
        return self.w_format.startswith("int")

    @property
    def recodes(self) -> bool:
        """Integer weights are recoded where they enter. In a mesh that is outside of the tile."""
        return self.is_integer and self.encode == "edge" and not self.mesh

    @property
    def is_plain(self) -> bool:
        """Weights come in two's complement, not as port codes of digits."""
        return self.recodes or self.encode == "pe"

    @property
    def weight_bits(self) -> int:
        """Bits of a weight at the port."""
        return int(self.w_format.removeprefix("int")) if self.is_plain else self.form.port_bits

    @property
    def moved_bits(self) -> int:
        """Bits of a weight from element to element."""
        return self.weight_bits if self.encode == "pe" else self.form.port_bits

    @property
    def activation(self) -> IntFormat:
        """Format of the activations."""
        return IntFormat(f"int{self.a_bits}", self.a_bits)

    @property
    def sum(self) -> IntFormat:
        """Format of the sums."""
        return IntFormat(f"int{self.acc_bits}", self.acc_bits)

    # -- the tree of an element ---------------------------------------------------------------
    @property
    def beat_bits(self) -> int:
        """Bits of the products of a beat."""
        return (self.dot * self.form.largest << self.a_bits - 1).bit_length() + 1

    @cached_property
    def beat_offset(self) -> int:
        """What an element's rows in offset form add to its products in every cycle."""
        return self.dot * self.form.offset(self.a_bits)

    @property
    def segment_bits(self) -> int:
        """Accumulator bits of a carry chain."""
        return self.segment or self.acc_bits

    # -- results ------------------------------------------------------------------------------
    @property
    def requantizes(self) -> bool:
        """Results are scaled and rounded."""
        return self.out_format == "int8"

    @property
    def gives_sums(self) -> bool:
        """Sums leave beside their results: those of a slice, for the next one to add to."""
        return self.requantizes and self.dataflow == "ws"

    @property
    def out(self) -> IntFormat:
        """Format of the results."""
        return INT8 if self.requantizes else self.sum

    @property
    def lane_stages(self) -> int:
        """Cycles from a value at the end of its column to its result."""
        return 5 if self.requantizes else 1

    @property
    def drain_start(self) -> int:
        """Cycles from taking the last beat of an operation to its first row's leaving: all rows
        are whole, or (multiplexer) the first one is."""
        return self.C + (1 if self.drain == "mux" else 1 + self.row_delay(self.R - 1))

    def row_delay(self, row: int) -> int:
        """By how many cycles the activations of a row enter later than those of row 0."""
        return row if self.weights == "pass" else 0

    @property
    def result_latency(self) -> int:
        """Cycles from taking the last beat of an operation to its first result; from taking a
        vector to its result."""
        start = self.drain_start if self.dataflow == "os" else self.R + self.C
        return start + self.lane_stages

    @property
    def tile_latency(self) -> int:
        """Weight-stationary, ``skew`` out: cycles from row 0 of a vector to column 0 of its
        results."""
        return self.R + 2

    def derived_fields(self) -> dict[str, Any]:
        return {"drain": "shift"} if self.dataflow == "os" else {}

    def derived(self) -> dict[str, Any]:
        return {"weight_format": self.w_format, "weight_bits": self.weight_bits,
                "weight_unit": f"2**{self.form.unit}", "out_format": self.out.name}
