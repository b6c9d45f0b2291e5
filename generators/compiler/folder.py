"""A compiled model as a folder: the image, the programs, their listing, what they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from lowbit.golden.accelerator.assembly import disassemble
from lowbit.golden.accelerator.isa import from_bytes
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import Codes
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..files import MARK, write_folder
from ..version import version
from ..weights.messages import line
from .image import matrix_of
from .program import CallShape, Placed, Program

__all__ = ["FILES", "check_folder", "describe", "listing", "load", "save"]

FORMAT, VERSION = "lowbit program", 1
WEIGHTS, CODE, LISTING, DESCRIPTION = FILES = (
    "weights.bin", "program.bin", "listing.txt", "program.json")


def describe(program: Program) -> dict[str, Any]:
    """What program.json says, without the files."""
    weights = {name: dict(
        n=w.matrix.n, k=w.matrix.k, bits=w.matrix.planes, group=w.group,
        codes=Codes(w.matrix.codes).name.lower(), offsets=w.matrix.has_offsets, slot=w.slot,
        address=w.address, bytes=w.matrix.size) for name, w in program.weights.items()}
    calls = []
    for shape in program.calls.values():
        programs = {}
        for rows in program.rows:
            call = program.call(shape.names, rows)
            programs[str(rows)] = dict(
                address=call.address, bytes=len(call.code), instructions=call.instructions,
                x=dict(bytes=call.activation_bytes, pitch=call.pitch),
                results={out.name: dict(place=out.place, pitch=out.pitch)
                         for out in call.outputs})
        calls.append(dict(names=shape.names, k=call.k, n=[out.n for out in call.outputs],
                          order=shape.order, fused=shape.fused, programs=programs))
    return dict(
        format=FORMAT, version=VERSION, made=f"{MARK} {version()}", source=program.source,
        architecture=program.architecture, generator=program.p.generator,
        parameters=program.p.as_dict(),
        bases={"0": "weights", "1": "activations", "2": "results"}, weights=weights, calls=calls)


def listing(program: Program) -> str:
    """All programs in assembly."""
    lines = [f"; {MARK} {version()}: {program.source} for {program.p.generator} "
             f"{program.p.flags()}".rstrip(),
             "; b0 weights, b1 activations, b2 results; offsets and pitches in 64 bytes"]
    for (names, rows), (at, size) in program.compiled.items():
        code = program.code[at:at + size]
        lines += ["", f"; {at:#x}: {', '.join(names)}; rows: {rows}",
                  disassemble(program.p, from_bytes(code)).rstrip()]
    return "\n".join(lines) + "\n"


def check_folder(path: Path) -> None:
    """:class:`UsageError` where a program cannot be written: a file, a folder of other things."""
    if not path.parent.is_dir():
        raise UsageError(f"-o must lie in an existing directory; {path.parent} does not exist")
    if path.exists() and not path.is_dir():
        raise UsageError(f"-o must name a folder; {path} is a file")
    if path.is_dir() and (others := sorted({p.name for p in path.iterdir()} - set(FILES))):
        raise UsageError(f"-o {path} holds what gen compile did not write ({others[0]}); name "
                         "another folder")


def save(program: Program, path: Path) -> dict[str, int]:
    """Write the folder whole or not at all; sizes of its files. Same program, same bytes."""
    check_folder(path)
    contents: dict[str, Any] = {WEIGHTS: program.image, CODE: program.code,
                                LISTING: listing(program).encode()}
    files = {name: dict(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
             for name, data in contents.items()}
    text = json.dumps(describe(program) | dict(files=files), indent=1) + "\n"
    contents[DESCRIPTION] = text.encode()
    write_folder(path, contents)
    return {name: len(data) for name, data in contents.items()}


def load(path: Path) -> Program:
    """The program of a folder, its image mapped; :class:`UsageError` for one that is damaged."""
    try:
        text = (path / DESCRIPTION).read_text(encoding="utf-8")
        found = json.loads(text)
        if (found["format"], found["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it is of version {found['version']}; this is {VERSION}")
        for name in (WEIGHTS, CODE):
            size = (path / name).stat().st_size
            if size != found["files"][name]["bytes"]:
                raise ValueError(f"{name} has {size} bytes and must have "
                                 f"{found['files'][name]['bytes']}")
        code = (path / CODE).read_bytes()
        if hashlib.sha256(code).hexdigest() != found["files"][CODE]["sha256"]:
            raise ValueError(f"{CODE} is not what was written")
        return _program(found, np.memmap(path / WEIGHTS, np.uint8, "r"), code)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, ParameterError) as error:
        why = error if isinstance(error, ValueError) else f"{DESCRIPTION} does not say {error}"
        raise UsageError(f"{path} is not a program of gen compile: {line(why)}") from None


def _program(found: dict[str, Any], image: Any, code: bytes) -> Program:
    p = AccelParameters(**found["parameters"])
    weights = {}
    for name, w in found["weights"].items():
        matrix = matrix_of(p, w["n"], w["k"], w["bits"], w["group"], Codes[w["codes"].upper()],
                           w["offsets"], w["slot"])
        weights[name] = Placed(matrix, w["group"], w["slot"], w["address"])
    calls = [CallShape(tuple(c["names"]), tuple(c["order"]), c["fused"]) for c in found["calls"]]
    compiled = {(tuple(c["names"]), int(rows)): (at["address"], at["bytes"])
                for rows in found["calls"][0]["programs"] for c in found["calls"]
                for at in [c["programs"][rows]]}
    return Program(p, weights, calls, image, code, compiled, source=found["source"],
                   architecture=found["architecture"])
