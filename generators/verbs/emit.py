"""``gen GENERATOR [parameters] -o out.v``: Verilog, and its manifest beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import UsageError
from ..family import Generator
from ..files import check_target, void, write_whole
from ..options import add_parameters, nanoseconds, take_parameters
from ..verilog.emit import Emitted, emit
from ..verilog.ports import check_identifier

SUMMARY = "write a generator's Verilog and manifest"
TAKES_GENERATOR = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("output")
    group.add_argument("-o", metavar="FILE.v", required=True,
                       help="Verilog file; the manifest is written beside it as FILE.json; "
                       "- prints the Verilog only")
    group.add_argument("--top", metavar="NAME", help="name of the top module; "
                       f"default PREFIX + {generator.name}")
    group.add_argument("--prefix", metavar="TEXT", default="",
                       help="put before the name of every module but a named --top")
    group.add_argument("--clock", type=nanoseconds, metavar="NS",
                       help="clock period that you aim at; the manifest passes it on")
    group.add_argument("--force", action="store_true",
                       help="overwrite files that gen did not write")


def write_both(verilog: Path, manifest: Path, emitted: Emitted) -> None:
    """Both files, or neither: the manifest is renamed first and taken back if the Verilog fails.
    """
    backup = manifest.read_bytes() if manifest.exists() else None

    def write(temporary: Path, text: str) -> None:
        void(temporary.write_text(text))

    write_whole(manifest, lambda temporary: write(temporary, emitted.manifest_text()))
    try:
        write_whole(verilog, lambda temporary: write(temporary, emitted.verilog))
    except BaseException:
        if backup is None:
            manifest.unlink(missing_ok=True)
        else:
            write_whole(manifest, lambda temporary: void(temporary.write_bytes(backup)))
        raise


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    if args.top is not None:
        check_identifier("--top", args.top)
    if args.prefix:
        check_identifier("--prefix", args.prefix)
    verilog = Path(args.o)
    manifest = verilog.with_suffix(".json") if verilog.name else verilog
    if args.o != "-":
        check_target(verilog, force=args.force)
        if manifest == verilog:
            raise UsageError(f"-o must not end in .json, which is the manifest's name; "
                             f"got {args.o}")
        check_target(manifest, force=args.force)
    emitted = emit(parameters, top=args.top, prefix=args.prefix, file=verilog.name,
                   clock_ns=args.clock)
    if args.o == "-":
        print(emitted.verilog, end="")
        return 0
    write_both(verilog, manifest, emitted)
    modules = emitted.manifest["modules"]
    print(f"{verilog}: {emitted.top}, {len(modules)} modules, {sum(modules.values())} instances, "
          f"{len(emitted.verilog) / 1000:.1f} kB; manifest {manifest}", file=sys.stderr)
    return 0
