"""INT8 systolic elements and arrays against multiply-accumulate elements."""

from __future__ import annotations

from lowbit.golden.systolic.serial import average_cycles
from lowbit.hdl.systolic.serial import SerialEncoder, SerialPe

from ...verilog.emit import emit_component
from ..accuracy import int8_weights
from ..plain import plain_mac
from ..study import Reference, Row, Study, same

__all__ = ["STUDY"]

ELEMENT = "systolic --R 2 --C 2"
PAPER = "bit-weight dimension, 32 nm"
PLAIN = plain_mac(8, 8, 32, passed=True)
#: multiply-accumulates a cycle of an element whose weights' digits come one by one
SERIAL = same(1 / average_cycles(int8_weights()))
ENCODER = "encoder of serial digits"

STUDY = Study(
    "systolic", "INT8 systolic elements and arrays",
    "What do recoded weights, one tree and short carry chains save?",
    (
        Row("plain element", "`a * w` and a sum left to synthesis, operands passed on", same(1),
            "cell", module="plain_mac", verilog=PLAIN, path=True),
        Row("element, 16-bit chains", f"{ELEMENT} --drain mux", same(1), "cell",
            module="systolic_pe", path=True),
        Row("element, carry-save", f"{ELEMENT} --drain mux --segment 1", same(1), "cell",
            module="systolic_pe", path=True),
        Row("element, one chain", f"{ELEMENT} --drain mux --segment 0", same(1), "cell",
            module="systolic_pe"),
        Row("element, recoding inside", f"{ELEMENT} --drain mux --encode pe", same(1), "cell",
            module="systolic_pe"),
        Row("element of four products", f"{ELEMENT} --drain mux --dot 4", same(4), "cell",
            module="systolic_pe"),
        Row("element, weights stay", f"{ELEMENT} --dataflow ws", same(1), "cell",
            module="systolic_pe"),
        Row("serial element", "`SerialPe` of `hdl/systolic/serial.py`: digits that are not zero, "
            "one a cycle, from outside", SERIAL, "cell", module="serial_pe", path=True,
            verilog=emit_component(SerialPe(), top="serial_pe").verilog),
        Row(ENCODER, "`SerialEncoder` of `hdl/systolic/serial.py`", SERIAL, "cell",
            module="serial_encoder",
            verilog=emit_component(SerialEncoder(), top="serial_encoder").verilog),
        Row("serial element with an encoder of its own", "`SerialPe`", SERIAL, "cell",
            module="serial_pe", plus=((ENCODER, 1.0),),
            verilog=emit_component(SerialPe(), top="serial_pe").verilog),
        Row("64 plain elements", "`a * w` and a sum left to synthesis, operands passed on", same(1),
            "core", module="plain_mac", verilog=PLAIN, times=64),
        Row("array of 8 x 8", "systolic --R 8 --C 8", same(64), "whole"),
        Row("array of 8 x 8, weights to all rows", "systolic --R 8 --C 8 --weights broadcast",
            same(64), "whole"),
    ),
    (
        Reference("area of 16 x 16 compressed elements (OPT1) over plain ones", 324_494 / 376_683,
                  PAPER, "element, carry-save", "plain element", "area"),
        Reference("area times clock period of the same", 324_494 / 200 / (376_683 / 154), PAPER,
                  "element, carry-save", "plain element", "time",
                  "Paths here are those of an open tool for 1 ns, where the plain element's adder "
                  "is a slow one; the authors state the clocks that their tools reached, and their "
                  "plain element's adder is a fast one. The carry-save element has no adder."),
        Reference("cycles a weight of the serial element", 2.05, PAPER, "serial element",
                  "plain element", "cycles",
                  "Ours are Gaussian weights scaled in groups of 128 by their largest. Digits are "
                  "zero more often where few large weights set the scale, as in whole matrices."),
    ))
