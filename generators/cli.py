"""The ``gen`` command: ``gen GENERATOR [parameters] -o out.v`` and ``gen VERB ...``.

Exit status: 0 done, 1 a check failed, 2 wrong usage (one line, no traceback).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from pathlib import Path

from . import registry
from .errors import USER_ERRORS, CheckFailed, UsageError
from .manifest import read_manifest
from .options import ArgumentParser
from .version import version

__all__ = ["main", "VERBS"]

#: verb -> module in generators/verbs; each has SUMMARY, configure(parser) and run(args) -> int.
#: A verb that takes a generator as its first word sets TAKES_GENERATOR = True, and its
#: configure(parser, generator) adds that generator's parameters; GENERATORS names those that it
#: takes, if not all. TAKES_WRAP = True: it has the options of wrapping.py.
VERBS = {name: f"lowbit.generators.verbs.{name}" for name in
         ("list", "verify", "area", "ppa", "fpga", "compare", "sweep", "run", "inspect", "pack",
          "quantize", "compile", "estimate", "llm")}


def _overview() -> str:
    lines = ["usage: gen GENERATOR [parameters] -o out.v     Verilog and its manifest",
             "       gen VERB ...", "", "generators:"]
    lines += [f"  {g.name:<16}{g.summary}" for g in registry.GENERATORS.values()]
    lines += ["", "verbs:"]
    for name, module in VERBS.items():
        lines.append(f"  {name:<16}{importlib.import_module(module).SUMMARY}")
    lines += ["", "gen NAME --help shows the options of a generator or verb."]
    return "\n".join(lines)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if argv[0] == "--version":
        print(f"gen {version()}")
        return 0
    word, rest = argv[0], argv[1:]
    if word in VERBS:
        verb = importlib.import_module(VERBS[word])
    else:
        registry.find(word, VERBS)
        word, rest = "emit", argv
        verb = importlib.import_module("lowbit.generators.verbs.emit")
    if getattr(verb, "TAKES_GENERATOR", False):
        generators = ", ".join(getattr(verb, "GENERATORS", registry.GENERATORS))
        names = [w for w in rest if not w.startswith("-")]
        if rest and rest[0] in ("-h", "--help"):
            print(f"usage: gen {word} GENERATOR|DESIGN.json [options]\n\n{verb.SUMMARY}\n\n"
                  f"generators: {generators}\nDESIGN.json: a manifest, of a design that gen wrote")
            return 0
        if not names or names[0] != rest[0]:
            raise UsageError(f"gen {word} needs a generator as its first word: {generators}")
        if rest[0].endswith(".json"):
            generator, given, wrap = read_manifest(Path(rest[0]))
            if wrap is not None:
                if not getattr(verb, "TAKES_WRAP", False):
                    flags = generator.parameter_class()(**given).flags()
                    raise UsageError(f"gen {word} takes designs without a wrapper, and {rest[0]} "
                                     f"has {wrap.flags()}; name the design: " +
                                     f"gen {word} {generator.name} {flags}".strip())
                given |= dict(wrap=wrap.kind, axis_width=wrap.width)
        else:
            generator, given = registry.find(rest[0]), {}
        prog = f"gen {generator.name}" if word == "emit" else f"gen {word} {generator.name}"
        parser = ArgumentParser(prog=prog, description=generator.summary, allow_abbrev=False)
        verb.configure(parser, generator)
        parser.set_defaults(**given)
        args = parser.parse_args(rest[1:])
        args.generator = generator
    else:
        parser = ArgumentParser(prog=f"gen {word}", description=verb.SUMMARY, allow_abbrev=False)
        verb.configure(parser)
        args = parser.parse_args(rest)
    status: int = verb.run(args)
    if sys.stdout is not None:
        sys.stdout.flush()
    return status


def _drop_output() -> None:
    """What is left in the buffer of standard output cannot be written: let it go quietly."""
    if sys.stdout is not None:
        with contextlib.suppress(io.UnsupportedOperation):      # no file: a caller's own stream
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: object) -> None:
    """One line on standard error: a control character (in a file's name, say) is shown escaped."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(message))
    print(f"gen: {text}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Entry point of the ``gen`` script; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a name that the terminal's encoding does not have is shown escaped, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _dispatch(sys.argv[1:] if argv is None else argv)
    except USER_ERRORS as error:
        _complain(error)
        return 2
    except CheckFailed as error:
        _complain(error)
        return 1
    except BrokenPipeError:
        # the reader of our output has gone (gen ... | head)
        _drop_output()
        return 0
    except OSError as error:
        # for example, a full disk
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        _drop_output()
        return 2
    except MemoryError as error:
        # NumPy says for which array
        _complain(f"not enough memory: {error}" if str(error) else "not enough memory")
        return 2
    except KeyboardInterrupt:
        print("gen: interrupted", file=sys.stderr)
        return 130
