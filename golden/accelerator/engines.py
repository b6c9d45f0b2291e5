"""The engines by the names of ``--engine``, and the options that each has alone."""

from __future__ import annotations

from .bitmod_engine import BitmodEngine
from .engine import Engine
from .lut_engine import LutEngine

__all__ = ["ENGINES", "ENGINE_OPTIONS"]

ENGINES: dict[str, type[Engine]] = {"lut": LutEngine, "bitmod": BitmodEngine}
#: options that mean something with one engine only
ENGINE_OPTIONS = {"lut": ("groups", "a_format", "entry_width", "acc_width", "group_scale",
                          "offset"),
                  "bitmod": ("align_bits", "scale_columns", "channel_scale")}
