"""Designs on FPGAs: synthesis by Yosys, place and route by nextpnr, one report.

A device is a row of :mod:`.devices`. A design with more ports than a package has pins goes inside
:func:`~..verilog.scan.scan_wrapper`, a few pins around it, with a register at every port.
"""

from .devices import DEVICES, Device, find_device

__all__ = ["DEVICES", "Device", "find_device"]
