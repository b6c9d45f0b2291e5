"""Harnesses of proofs: a design, helper registers, and what is asserted of it by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lowbit.generators.flow.prove import Verdict, prove_always
from lowbit.generators.verilog.emit import Emitted

__all__ = ["Properties"]


@dataclass(frozen=True)
class Properties:
    """What holds of a design in every cycle, from one of reset on.

    ``properties`` and ``lemmas`` are conditions by name; lemmas tie helper registers to registers
    of the design, so that induction starts from states that can be. ``helpers`` is Verilog,
    ``always`` what goes into the clocked block (``rst`` there is the design's), ``assumes`` what
    the surroundings keep. ``inner`` names signals of the design with their bits; all texts write
    them as ``@queue.level``.
    """

    properties: Mapping[str, str]
    lemmas: Mapping[str, str] = field(default_factory=dict)
    helpers: str = ""
    always: str = ""
    assumes: tuple[str, ...] = ()
    inner: Mapping[str, int] = field(default_factory=dict)

    def harness(self, design: Emitted, only: str = "") -> str:
        """The module; with the one property ``only`` instead of all properties and lemmas."""
        ports = [(port["name"], port["width"], port["direction"])
                 for port in design.manifest["ports"]]
        inputs = [f"  input [{bits - 1}:0] {name}" for name, bits, way in ports if way == "input"]
        lines = ["module harness (", ",\n".join(inputs), ");"]
        lines += [f"  wire [{bits - 1}:0] {name};" for name, bits, way in ports if way == "output"]
        lines += [f"  (* hierconn *) wire [{bits - 1}:0] \\dut.{name} ;"
                  for name, bits in self.inner.items()]
        pins = ", ".join(f".{name}({name})" for name, _, _ in ports)
        # begun: a cycle with reset was before; now: it was, and none is
        lines += [f"  {design.top} dut({pins});", "  reg begun = 0;",
                  "  wire now = begun & !rst;", self.helpers,
                  "  always @(posedge clk) begin", "    begun <= 1;", self.always, "  end",
                  "  always @* begin", "    if (!begun) assume(rst);"]
        lines += [f"    if (begun) assume({text});" for text in self.assumes]
        asserts = {only: self.properties[only]} if only else {**self.properties, **self.lemmas}
        lines += [f"    if (now) assert({text});" for text in asserts.values()]
        text = "\n".join([*lines, "  end", "endmodule", ""])
        return re.sub(r"@(\w[\w.]*)", r"\\dut.\1 ", text)

    def prove(self, design: Emitted, steps: int = 4) -> Verdict:
        """All of them, by induction."""
        return prove_always(design.verilog, self.harness(design), steps=steps)

    def refute(self, verilog: str, design: Emitted, only: str, steps: int = 16) -> Verdict:
        """Look for a counterexample of one property in a changed design."""
        return prove_always(verilog, self.harness(design, only), steps=steps, refute=True)
