"""``gen GENERATOR [parameters] -o out.v``: Verilog, and its manifest beside it; ``--bundle DIR``:
a folder with what the tools of others ask for as well."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from lowbit.golden.parameters import Parameters

from ..bundle.kinds import bundle_files
from ..errors import UsageError
from ..family import Generator
from ..files import check_new_folder, check_target, write_folder, write_whole
from ..options import add_parameters, nanoseconds, take_parameters
from ..verilog.emit import Emitted, emit
from ..verilog.ports import check_identifier
from ..wrapping import Wrap, add_wrap, take_wrap

SUMMARY = "write a generator's Verilog and manifest"
TAKES_GENERATOR = True


def configure(parser: argparse.ArgumentParser, generator: Generator) -> None:
    add_parameters(parser, generator.parameter_class())
    group = parser.add_argument_group("output")
    group.add_argument("-o", metavar="FILE.v",
                       help="Verilog file; the manifest is written beside it as FILE.json; "
                       "- prints the Verilog only")
    group.add_argument("--bundle", metavar="DIR", type=Path,
                       help="in place of -o: a new folder with Verilog, manifest, file list, "
                       "constraints, FuseSoC core, LibreLane configuration, templates for Verilog, "
                       "Amaranth and LiteX, and a page")
    group.add_argument("--top", metavar="NAME", help="name of the top module; "
                       f"default PREFIX + {generator.name}")
    group.add_argument("--prefix", metavar="TEXT", default="",
                       help="put before the name of every module but a named --top")
    group.add_argument("--clock", type=nanoseconds, metavar="NS",
                       help="clock period that you aim at: the manifest passes it on, constraints "
                       "ask for it (10 without)")
    group.add_argument("--force", action="store_true",
                       help="overwrite files that gen did not write")
    add_wrap(group)


def check_outputs(verilog: Path, generator: Generator, *, force: bool, option: str = "-o") -> None:
    """Refuse early what cannot be written: the Verilog file or one beside it."""
    check_target(verilog, force=force, option=option)
    for path in _beside(verilog, generator).values():
        if path == verilog:
            other = "the manifest" if path.suffix == ".json" else "another file"
            raise UsageError(f"{option} must not end in {path.suffix}, which is {other}'s name; "
                             f"got {verilog}")
        check_target(path, force=force, option=option)


def write_outputs(verilog: Path, generator: Generator, parameters: Parameters,
                  emitted: Emitted) -> list[Path]:
    """Write all files, or none: those renamed before one that fails are taken back. Their paths,
    the Verilog's last."""
    texts = {".json": emitted.manifest_text()}
    more = {end: text(parameters, emitted) for end, text in generator.files_of(emitted).items()}
    texts |= {end: text for end, text in more.items() if text}
    paths = _beside(verilog, generator)
    outputs = [*((paths[end], text) for end, text in texts.items()), (verilog, emitted.verilog)]
    backups: list[tuple[Path, bytes | None]] = []
    try:
        for path, text in outputs:
            before = path.read_bytes() if path.exists() else None
            write_whole(path, partial(_write, text=text))
            backups.append((path, before))
    except BaseException:
        for path, data in backups:
            if data is None:
                path.unlink(missing_ok=True)
            else:
                write_whole(path, partial(_write, text=data))
        raise
    return [path for path, _ in outputs]


def _beside(verilog: Path, generator: Generator) -> dict[str, Path]:
    """Paths of the other files by the ends of their names."""
    if not verilog.name:
        return {}
    return {end: verilog.with_name(verilog.stem + end)
            for end in (".json", *generator.more_files())}


def _write(temporary: Path, text: str | bytes) -> None:
    temporary.write_bytes(text if isinstance(text, bytes) else text.encode())


def _bundle(args: argparse.Namespace, parameters: Parameters, wrap: Wrap | None) -> int:
    check_new_folder(args.bundle, "--bundle")
    emitted = emit(parameters, top=args.top, prefix=args.prefix, clock_ns=args.clock, wrap=wrap)
    files = bundle_files(emitted, parameters, args.generator)
    write_folder(args.bundle, {name: text.encode() for name, text in files.items()})
    print(f"{args.bundle}: {emitted.top}, {len(files)} files; README.md says what they are",
          file=sys.stderr)
    return 0


def run(args: argparse.Namespace) -> int:
    parameters = take_parameters(args, args.generator.parameter_class())
    if args.top is not None:
        check_identifier("--top", args.top)
    if args.prefix:
        check_identifier("--prefix", args.prefix)
    wrap = take_wrap(args)
    if (args.o is None) == (args.bundle is None):
        raise UsageError("the following arguments are required: -o FILE.v or --bundle DIR"
                         if args.o is None else "-o and --bundle both name an output; leave one "
                         "out")
    if args.bundle is not None:
        return _bundle(args, parameters, wrap)
    verilog = Path(args.o)
    if args.o != "-":
        check_outputs(verilog, args.generator, force=args.force)
    emitted = emit(parameters, top=args.top, prefix=args.prefix, file=verilog.name,
                   clock_ns=args.clock, wrap=wrap)
    if args.o == "-":
        print(emitted.verilog, end="")
        return 0
    manifest, *more, _ = write_outputs(verilog, args.generator, parameters, emitted)
    modules = emitted.manifest["modules"]
    print(f"{verilog}: {emitted.top}, {len(modules)} modules, {sum(modules.values())} instances, "
          f"{len(emitted.verilog) / 1000:.1f} kB; manifest {manifest}"
          + "".join(f", {path.name}" for path in more), file=sys.stderr)
    return 0
