"""The accelerator as a shared library: Verilator's model, memory and both buses in one process.

A cocotb bench runs a few thousand cycles a second, since every signal crosses into Python; here
Python waits in one call until the interrupt comes. ``board.h`` says what the library offers, to C
programs as well; :class:`Board` is its face in Python.
"""

from .board import Board, ProtocolError
from .build import SOURCES, Native, build_native

__all__ = ["Board", "Native", "ProtocolError", "SOURCES", "build_native"]
