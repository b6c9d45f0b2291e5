"""Find the liberty files of an installed PDK, in the folder layout of ciel (open_pdks)."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

__all__ = ["PDKS", "find_pdk"]


@dataclass(frozen=True)
class Pdk:
    """Typical-corner files of one cell library: glob patterns below the PDK root.

    Each inner tuple lists alternatives of one file, first found wins; all files are needed.
    """

    files: tuple[tuple[str, ...], ...]
    install: str


def _open_pdk(variants: str, library: str, corner: str, install: str) -> Pdk:
    path = "{}/libs.ref/{}/lib/{}{}.lib"
    return Pdk((tuple(path.format(variant, library, library, corner) + packed
                      for variant in variants.split() for packed in ("", ".gz")),), install)


_SKY = "ciel enable --pdk-family sky130"
_GF = "ciel enable --pdk-family gf180mcu"
_GF_VARIANTS = "gf180mcuD gf180mcuC gf180mcuB gf180mcuA"
_ASAP7 = ("SIMPLE", "INVBUF", "AO", "OA", "SEQ")

PDKS = {
    "sky130hd": _open_pdk("sky130A sky130B", "sky130_fd_sc_hd", "__tt_025C_1v80", _SKY),
    "sky130hs": _open_pdk("sky130A sky130B", "sky130_fd_sc_hs", "__tt_025C_1v80", _SKY),
    "sky130ms": _open_pdk("sky130A sky130B", "sky130_fd_sc_ms", "__tt_025C_1v80", _SKY),
    "sky130ls": _open_pdk("sky130A sky130B", "sky130_fd_sc_ls", "__tt_025C_1v80", _SKY),
    "sg13g2": _open_pdk("ihp-sg13g2", "sg13g2_stdcell", "_typ_1p20V_25C",
                        "ciel enable --pdk-family ihp-sg13g2"),
    "gf180mcu7t": _open_pdk(_GF_VARIANTS, "gf180mcu_fd_sc_mcu7t5v0", "__tt_025C_5v00", _GF),
    "gf180mcu9t": _open_pdk(_GF_VARIANTS, "gf180mcu_fd_sc_mcu9t5v0", "__tt_025C_5v00", _GF),
    # not in ciel: the files as the ASAP7 repositories name them, in a folder asap7
    "asap7": Pdk(tuple((f"asap7/**/asap7sc7p5t_{part}_RVT_TT_nldm_*.lib",
                        f"asap7/**/asap7sc7p5t_{part}_RVT_TT_nldm_*.lib.gz")
                       for part in _ASAP7), "copy its NLDM RVT TT files to PDK_ROOT/asap7"),
}
_ALIASES = {"sky130": "sky130hd", "sky130a": "sky130hd", "sky130_fd_sc_hd": "sky130hd",
            "ihp-sg13g2": "sg13g2", "sg13g2_stdcell": "sg13g2", "gf180mcu": "gf180mcu7t",
            "gf180mcud": "gf180mcu7t"}


def find_pdk(name: str) -> list[Path]:
    """Liberty files of the PDK ``name`` under ``PDK_ROOT`` (else ``~/.ciel``, ciel's default).

    :class:`UsageError` says what to set or to install.
    """
    key = _ALIASES.get(name.lower(), name.lower())
    if key not in PDKS:
        near = difflib.get_close_matches(key, [*PDKS, *_ALIASES], n=1)
        raise UsageError(f"--pdk must be one of {', '.join(PDKS)}; got {name}"
                         + (f"; did you mean {near[0]}?" if near else ""))
    given = os.environ.get("PDK_ROOT")
    root = Path(given) if given else Path.home() / ".ciel"
    if not root.is_dir():
        raise UsageError(f"--pdk {name} needs PDK_ROOT to name the folder of the installed PDKs; "
                         f"{f'PDK_ROOT={given} is no folder' if given else 'it is not set'}")
    found: list[Path] = []
    for patterns in PDKS[key].files:
        hits = (sorted(root.glob(pattern)) for pattern in patterns)
        # several releases of a file: take the newest, by the date at the end of its name
        file = next((matches[-1] for matches in hits if matches), None)
        if file is None:
            raise UsageError(f"--pdk {name}: no {patterns[0]} under PDK_ROOT={root}; install it "
                             f"({PDKS[key].install}) or give the files with --liberty")
        found.append(file)
    return found
