"""Small liberty files for tests."""

from __future__ import annotations

import re

__all__ = ["TINY", "tiny"]


def tiny(*cells: str, unit: str = "1ns") -> str:
    """A liberty of single-output gates, each given as "name area function"."""
    text = [f'library(tiny) {{ delay_model : table_lookup; time_unit : "{unit}";',
            "capacitive_load_unit (1,pf);"]
    for cell in cells:
        name, area, function = cell.split(maxsplit=2)
        pins = sorted(set(re.findall("[A-D]", function)))
        text += [f" cell ({name}) {{ area : {area};",
                 *(f"  pin({p}) {{ direction : input; capacitance : 0.001; }}" for p in pins),
                 f'  pin(Y) {{ direction : output; function : "{function}"; }}', " }"]
    return "\n".join([*text, "}", ""])


#: the least that a library must have
TINY = ("IV 1 !A", "BF 2 A", "NA2 2 !(A&B)", "NO2 3 !(A+B)")
