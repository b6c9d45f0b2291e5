"""Configuration of LibreLane (and of OpenLane 2, whose names it kept)."""

from __future__ import annotations

import json
from typing import Any

from ..flow.sdc import SHARE
from .contents import Contents

__all__ = ["config_text"]


def config_text(bundle: Contents) -> str:
    """config.json: the design, its files, its clock; the rest are LibreLane's defaults.

    Its own constraints file is used, which knows loads and drivers of the PDK, with the period and
    the delays of ports that the bundle's SDC has. Without registers there is no clock tree.
    """
    top = bundle.top
    config: dict[str, Any] = {
        "//": bundle.mark, "meta": {"version": 2, "flow": "Classic"},
        "DESIGN_NAME": top, "VERILOG_FILES": [f"dir::{top}.v"],
        "CLOCK_PORT": bundle.clock, "CLOCK_PERIOD": bundle.period_ns,
        "IO_DELAY_CONSTRAINT": round(100 * SHARE), "LINTER_VLT": f"dir::{top}.vlt"}
    if bundle.models:
        config["EXTRA_VERILOG_MODELS"] = [f"dir::{name}" for name in bundle.models]
    if bundle.clock is None:
        config["RUN_CTS"] = False
    return json.dumps(config, indent=2) + "\n"
