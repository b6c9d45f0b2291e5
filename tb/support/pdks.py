"""Cell libraries of real processes for tests: optional, as OpenSTA and Icarus are.

They lie under ``PDK_ROOT`` as ``gen area --pdk`` finds them, or in the folder ``pdk`` of the one
that ``LOWBIT_SHARED`` names (default ``shared`` beside the repository).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lowbit.generators.errors import UsageError
from lowbit.generators.flow.pdk import PDKS, find_pdk

__all__ = ["pdk_files"]

_SHARED = {"sky130hd": "sky130hd_tt.lib.gz", "sg13g2": "sg13g2_stdcell_typ_1p20V_25C.lib.gz",
           "asap7": "asap7/*.lib.gz"}


def pdk_files(name: str) -> list[Path]:
    """Liberty files of the PDK; the calling test is skipped where it is not installed."""
    given = os.environ.get("LOWBIT_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[3] / "shared"
    if found := sorted((folder / "pdk").glob(_SHARED[name])):
        return found
    try:
        return find_pdk(name)
    except UsageError:
        pytest.skip(f"{name} is not installed; set PDK_ROOT and {PDKS[name].install}")
