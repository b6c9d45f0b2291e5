"""Lists of files, and waivers of Verilator's lint."""

from __future__ import annotations

from ..flow.lint import PARTIAL_REASON, waivers
from .contents import Contents

__all__ = ["file_list", "waiver_file"]


def file_list(bundle: Contents) -> str:
    """Verilog files, one a line: options of Verilator (``-F``), Icarus (``-c``) and others."""
    return "\n".join([f"// {bundle.mark}", f"{bundle.top}.v", *bundle.models, ""])


def waiver_file(bundle: Contents) -> str:
    """The warnings that emitted Verilog may have, each with its reason (``verilator -Wall``)."""
    lines = ["`verilator_config", f"// {bundle.mark}"]
    for rule, reason in waivers(bundle.has_bus).items():
        lines += [f"// {reason}", f"lint_off -rule {rule}"]
    lines += [f"// {PARTIAL_REASON}",
              f'lint_off -rule UNUSEDSIGNAL -file "*{bundle.top}.v" '
              "-match \"Bits of signal are not used: '_*_'*\""]
    if bundle.models:
        lines.append("// models are for simulation; their style is their own")
        lines += [f'lint_off -file "*{name}"' for name in bundle.models]
    return "\n".join([*lines, ""])
