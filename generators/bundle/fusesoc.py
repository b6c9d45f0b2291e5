"""Core description file of FuseSoC (CAPI2)."""

from __future__ import annotations

import json

from .contents import Contents

__all__ = ["core_text"]

_TARGETS = """\

targets:
  default:
    filesets: [{files}]
    toplevel: {top}
  lint:
    description: Verilator's lint, all warnings on
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [{files}, waivers]
    toplevel: {top}
  synth:
    description: Yosys; --arch xilinx or another one it knows
    flow: generic
    flow_options:
      tool: yosys
      arch: ecp5
      output_format: json
    filesets: [{files}, constraints]
    toplevel: {top}
"""


def core_text(bundle: Contents) -> str:
    """The core ``:lowbit:TOP:VERSION``: files, and the targets default, lint and synth.

    Models of what the design leaves to a library of memories are marked as for simulation only.
    """
    top = bundle.top
    lines = ["CAPI=2:", f"# {bundle.mark}",
             f"name: :lowbit:{top}:{bundle.manifest['version']}",
             f"description: {json.dumps(bundle.manifest['command'])}", "", "filesets:"]
    sets = {"rtl": ([f"{top}.v"], "verilogSource-2005"),
            "models": (bundle.models, "verilogSource-2005"),
            "waivers": ([f"{top}.vlt"], "vlt"), "constraints": ([f"{top}.sdc"], "SDC")}
    for name, (files, kind) in sets.items():
        if files:
            lines += [f"  {name}:", f"    files: [{', '.join(files)}]", f"    file_type: {kind}"]
            lines += ["    tags: [simulation]"] if name == "models" else []
    used = "rtl, models" if bundle.models else "rtl"
    return "\n".join([*lines, _TARGETS.format(top=top, files=used)])
