"""The files of a bundle: a row for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lowbit.golden.parameters import Parameters

from ..family import Generator, summary
from ..flow.sdc import sdc_text
from ..verilog.emit import Emitted
from .amaranth_template import amaranth_template
from .contents import Contents
from .fusesoc import core_text
from .librelane import config_text
from .litex_template import litex_template
from .readme import readme
from .verilator import file_list, waiver_file
from .verilog_template import verilog_template

__all__ = ["KINDS", "Kind", "bundle_files"]


class Kind(NamedTuple):
    """A kind of file. ``{top}`` in texts is the top module, ``{name}`` its class in Python."""

    file: str                                   #: name
    text: Callable[[Contents], str]
    what: str                                   #: what it is, for the bundle's page
    use: str = ""                               #: how it is used


_PAGE = "README.md"
_GIVEN = (
    ("{top}.v", "the design: Verilog-2005, all modules in one file", ""),
    ("{top}.json", "manifest: ports, packing, timing, parameters, versions",
     "`gen verify {top}.json` simulates the design against its golden model; `gen area`, `gen run` "
     "take it as well."))
KINDS = (
    Kind("{top}.f", file_list, "list of Verilog files",
         "Here: `verilator --lint-only -Wall {top}.vlt -F {top}.f`, "
         "`iverilog -g2005 -s {top} -o {top}.vvp -c {top}.f`."),
    Kind("{top}.vlt", waiver_file, "warnings of Verilator that are meant, with reasons"),
    Kind("{top}.core", core_text, "FuseSoC: core description (CAPI2)",
         "`fusesoc --cores-root . run --target lint {top}`; `--target synth` runs Yosys; other "
         "cores depend on `:lowbit:{top}`."),
    Kind("{top}.sdc", lambda bundle: sdc_text(bundle.manifest), "clock and delays of ports",
         "`read_sdc {top}.sdc` in OpenSTA or OpenROAD, after `link_design`. The period is that of "
         "`--clock`."),
    Kind("config.json", config_text, "LibreLane: the flow from RTL to layout",
         "`librelane config.json`. A bare core has many pins: see `FP_SIZING`, `DIE_AREA`."),
    Kind("{top}_template.v", verilog_template, "an instance in Verilog, to be copied"),
    Kind("{top}_amaranth.py", amaranth_template, "Amaranth: a component around the Verilog",
         "`from {top}_amaranth import {name}`, `m.submodules.core = {name}()`; streams connect "
         "with `wiring.connect`."),
    Kind("{top}_litex.py", litex_template, "LiteX: a module around the Verilog",
         "`from {top}_litex import {name}`, `self.core = {name}(platform)`; streams are "
         "endpoints."))


def bundle_files(emitted: Emitted, parameters: Parameters, generator: Generator
                 ) -> dict[str, str]:
    """All files of a design by name: what every bundle has, then those of its family.

    A file of the family that every bundle has anyway (constraints) is not there twice.
    """
    top, always = emitted.top, {kind.file.format(top=emitted.top) for kind in KINDS}
    made = {top + end: (summary(make), make(parameters, emitted))
            for end, make in generator.files_of(emitted).items()}
    more = {name: row for name, row in made.items() if row[1] and name not in always}
    bundle = Contents(emitted.manifest, {name: what for name, (what, _) in more.items()})
    words = {"top": top, "name": bundle.class_name}
    files = {f"{top}.v": emitted.verilog, f"{top}.json": emitted.manifest_text()}
    files |= {name: text for name, (_, text) in more.items()}
    files |= {kind.file.format_map(words): kind.text(bundle) for kind in KINDS}
    about = [(file.format_map(words), what, use.format_map(words))
             for file, what, use in (*_GIVEN, *((name, row[0], "") for name, row in more.items()),
                                     *((kind.file, kind.what, kind.use) for kind in KINDS),
                                     (_PAGE, "this page", ""))]
    return files | {_PAGE: readme(bundle, about)}
