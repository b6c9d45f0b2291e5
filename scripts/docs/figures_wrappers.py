"""Tables of docs/wrappers.md, from manifests of wrapped designs."""

from __future__ import annotations

from tables import table

from lowbit.generators.verilog.emit import emit
from lowbit.generators.wrapping import Wrap
from lowbit.golden.lut.parameters import LutCoreParameters

__all__ = ["COMPUTED"]


def frames() -> str:
    """Where the fields of a core lie in its frames."""
    design = emit(LutCoreParameters(M=2, N=16, K=4, a_format="int8"), wrap=Wrap("axis"))
    rows = []
    for stream in design.manifest["wrap"]["streams"]:
        last = {"last": "`last`", "frame": "each frame", None: "–"}[stream["tlast"]]
        for i, field in enumerate(stream["fields"]):
            box, sign = field["container"], "" if field["signed"] else "u"
            rows.append((f"`{stream['interface']}`" if i == 0 else "",
                         stream["frame_bytes"] if i == 0 else "", last if i == 0 else "",
                         f"`{field['name']}`", field["offset"],
                         f"{field['count']} x {field['format']}, {field['element_width']} bits",
                         f"{box} bits" if box < 8 else f"`{sign}int{box}`"))
    return table(("interface", "bytes of a frame", "tlast", "field", "at byte", "elements",
                  "container"), rows)


COMPUTED = {"frames lut_core": frames}
