"""A netlist through recorded cycles: its outputs compared with the RTL's, its toggles counted.

The simulator (``simulator.cpp``) is compiled once and kept in the cache of simulator builds; a
netlist is data to it, so that no design waits for a compiler.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CheckFailed, UsageError
from ..builds import BuildError, build_folder, compiler_version, short_log
from ..tools import need_programs, tool_environment
from .netlist import Gate, Netlist
from .recording import Recording

__all__ = ["Activity", "Counts", "simulate_netlist"]

Array = NDArray[Any]

_SOURCE = Path(__file__).with_name("simulator.cpp")
#: in this unit toggles of outputs are shared among the inputs that changed at once
SHARES = 60


@dataclass(frozen=True)
class Counts:
    """Counters of all instances of a kind, (instances, ...); a *row* is a state of its variables.

    ``rows``: cycles in a row; ``inputs`` (variables, rows): toggles of a variable, by the row that
    it led to; ``outputs`` (outputs, variables, rows): those of an output by the variable that
    caused it, shared where several changed.
    """

    rows: Array
    inputs: Array
    outputs: Array


@dataclass(frozen=True)
class Activity:
    """What happened in ``cycles`` counted cycles."""

    cycles: int
    toggles: Array                  #: of each net
    instances: dict[str, list[Gate]] = field(repr=False)     #: by the name of their cell
    counts: dict[str, Counts] = field(repr=False)
    compared: int                   #: output bits that equal the RTL's
    unknown: int                    #: output bits that depend on the start


@functools.cache
def _library(build_dir: Path | None) -> ctypes.CDLL:
    need_programs("verilator", build=True)
    folder = build_folder(build_dir)
    key = hashlib.sha256((_SOURCE.read_text() + compiler_version()).encode()).hexdigest()[:24]
    final = folder / f"netlist-{key}.so"
    if not final.exists():
        handle, name = tempfile.mkstemp(dir=folder, prefix=".netlist-", suffix=".so")
        os.close(handle)
        try:
            done = subprocess.run(["c++", "-std=c++17", "-O2", "-shared", "-fPIC", "-o", name,
                                   str(_SOURCE)], env=tool_environment(), capture_output=True,
                                  text=True, check=False)
            if done.returncode:
                raise BuildError(f"c++ could not build the netlist simulator:\n"
                                 f"{short_log(done.stderr)}")
            Path(name).replace(final)
        finally:
            Path(name).unlink(missing_ok=True)
    return ctypes.CDLL(str(final))


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    """Lists one after another, and where each begins."""
    flat = np.fromiter(itertools.chain.from_iterable(lists), np.int32)
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return flat, starts


def simulate_netlist(netlist: Netlist, recording: Recording, *, seed: int = 1,
                     build_dir: Path | None = None) -> Activity:
    """Counts of the recorded cycles after the reset.

    Raises :class:`CheckFailed` where an output differs from the recorded one: then the activity
    would be of something else. Data of a stream are compared where they are valid: before, they
    may be of registers that nothing has written yet, which synthesis makes one where they are
    alike. Nor are bits compared that depend on what registers started with.
    """
    ports = netlist.ports
    clock = recording.clock
    for name in recording.inputs:
        if name not in ports or ports[name][0] != "input":
            raise UsageError(f"the netlist has no input {name}")
    clocks = netlist.clocks
    if clocks and (clock not in ports or clocks != set(ports[clock][1])):
        raise UsageError("the netlist has gates in its clock, or several clocks; the netlist "
                         "simulation takes one clock port that drives all flip-flops")
    instances = [*netlist.gates, *netlist.flip_flops]
    flat_in, in_at = _flat([gate.inputs for gate in instances])
    flat_out, out_at = _flat([gate.outputs for gate in instances])
    tables = np.fromiter(itertools.chain.from_iterable(gate.kind.outputs for gate in instances),
                         np.uint64)
    following = np.array([[g.kind.next, g.kind.clear, g.kind.preset]
                          for g in netlist.flip_flops], np.uint64).reshape(-1, 3)
    shapes = [(len(gate.kind.variables), len(gate.kind.outputs)) for gate in instances]
    counts_at = np.cumsum([0, *((1 << n) * (1 + n + n * m) for n, m in shapes)]).astype(np.int64)
    in_nets = [net for name in recording.inputs for net in ports[name][1]]
    out_nets = [net for name in recording.outputs for net in ports[name][1]]
    stimulus = np.concatenate([*recording.inputs.values(),
                               np.zeros((recording.cycles, 0), np.uint8)], axis=1)
    seen = np.zeros((recording.cycles, len(out_nets)), np.uint8)
    toggles = np.zeros(netlist.nets, np.uint64)
    counters = np.zeros(int(counts_at[-1]), np.uint32)
    pointers = {name: np.ascontiguousarray(array) for name, array in dict(
        stimulus=stimulus, in_nets=np.array(in_nets, np.int32),
        out_nets=np.array(out_nets, np.int32)).items()}

    def at(array: Array) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    wide, word = ctypes.c_int64, ctypes.c_int32
    first = max(recording.start, 1)
    status = _library(build_dir).run(
        word(len(netlist.gates)), word(len(instances)), at(flat_in), at(in_at), at(flat_out),
        at(out_at), at(tables), at(following), at(counts_at), word(netlist.nets),
        ctypes.c_uint64(2 * seed + 1 << 20), wide(recording.cycles), wide(first),
        word(len(in_nets)), at(pointers["in_nets"]), at(pointers["stimulus"]),
        word(len(out_nets)), at(pointers["out_nets"]), at(seen), at(toggles), at(counters))
    if status:
        raise CheckFailed("the netlist's asynchronous resets do not settle")
    compared, unknown = _compare(recording, seen)
    kinds: dict[str, list[int]] = {}
    for index, gate in enumerate(instances):
        kinds.setdefault(gate.kind.cell.name, []).append(index)
    counts = {}
    for name, members in kinds.items():
        n, m = shapes[members[0]]
        size = 1 << n
        block = counters[counts_at[members][:, None] + np.arange(size * (1 + n + n * m))]
        counts[name] = Counts(block[:, :size], block[:, size:size * (1 + n)].reshape(-1, n, size),
                              block[:, size * (1 + n):].reshape(-1, m, n, size))
    if clock in ports and netlist.flip_flops:
        toggles[ports[clock][1][0]] = 2 * (recording.cycles - first)
    return Activity(recording.cycles - first, toggles,
                    {name: [instances[i] for i in members] for name, members in kinds.items()},
                    counts, compared, unknown)


def _compare(recording: Recording, seen: Array) -> tuple[int, int]:
    compared = unknown = at = 0
    for name, expected in recording.outputs.items():
        found = seen[recording.start:, at:at + expected.shape[1]]
        at += expected.shape[1]
        there = np.ones_like(found, bool)
        if name in recording.valids:
            there &= recording.outputs[recording.valids[name]][recording.start:] == 1
        known = there & (found < 2)
        wrong = known & (found != expected[recording.start:])
        if wrong.any():
            cycle, bit = np.argwhere(wrong)[0]
            raise CheckFailed(f"the netlist differs from the RTL: output {name}, bit {bit}, in "
                              f"cycle {cycle + recording.start}; its activity would be of "
                              "something else")
        compared += int(known.sum())
        unknown += int((there & ~known).sum())
    if not compared:
        raise CheckFailed("all outputs of the netlist depend on what its registers start with; its "
                          "activity would mean nothing")
    return compared, unknown
