"""The Python interface: ``import lowbit``. A tour with examples: docs/python.md.

Everything that ``gen`` does is a method or a function here, with the same names and the same
errors (:class:`UsageError`, :class:`ParameterError`; :class:`CheckFailed` where a check fails).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.parameters import Parameters

from . import registry
from .files import check_target, first_bytes, write_whole
from .progress import Progress
from .weights.file import write_tensors
from .weights.formats import QuantizeOptions, WeightFormat, find_format, load_tensor
from .wrapping import Wrap

if TYPE_CHECKING:
    from lowbit.golden.workload import Workload

    from .cost.report import Estimate
    from .flow.liberty import Library
    from .measuring import Measurement
    from .placing import Placement
    from .powering import Ppa
    from .running import Run
    from .verifying import Verification
    from .verilog.emit import Emitted

__all__ = ["Design", "Matrix", "design", "designs", "load", "quantize"]

Array = NDArray[Any]


def _library(files: str | Path | Sequence[str | Path], pdk: str | None) -> Library:
    """The cell library of one file or several, or of a PDK by name."""
    from .measuring import find_library

    listed = [files] if isinstance(files, str | Path) else list(files)
    return find_library([Path(file) for file in listed], pdk)


def designs() -> dict[str, str]:
    """Names of all generators, each with a line of what it is."""
    return {name: generator.summary for name, generator in registry.GENERATORS.items()}


def design(name: str, *, wrap: str | None = None, axis_width: int | None = None,
           **parameters: Any) -> Design:
    """A design by the name of its generator (``lut_core``) or by its manifest (``out.json``).

    ``parameters`` are those of ``gen NAME --help``, with underscores: ``a_format="int8"``; ``wrap``
    and ``axis_width`` put a wrapper around the Verilog (docs/wrappers.md).
    :class:`UsageError` for an unknown name; :class:`ParameterError` or ``TypeError`` for a
    parameter that breaks a rule.
    """
    if name.endswith(".json"):
        from .manifest import read_manifest

        generator, given, found = read_manifest(Path(name))
        parameters = given | parameters
        if wrap is None and found is not None:
            wrap, axis_width = found.kind, found.width
    else:
        generator = registry.find(name)
    return Design(generator.parameter_class()(**parameters),
                  None if wrap is None else Wrap(wrap, axis_width))


class Design:
    """A generator with parameters. Verilog, manifest and figures are made when asked for."""

    def __init__(self, parameters: Parameters, wrap: Wrap | None = None) -> None:
        self.parameters, self.wrap = parameters, wrap
        self._generator = registry.find(parameters.generator)

    @property
    def name(self) -> str:
        """The generator's name."""
        return self._generator.name

    def __repr__(self) -> str:
        words = (self.name, self.parameters.flags(), self.wrap.flags() if self.wrap else "")
        return f"<lowbit design: {' '.join(word for word in words if word)}>"

    def __str__(self) -> str:
        """Parameters and ports."""
        from .verilog.emit import emit_ports

        lines = [repr(self)[16:-1]]
        lines += [f"  {name} = {value}" for name, value in self.parameters.as_dict().items()
                  if value is not None]
        return "\n".join(lines + [
            f"  {port.direction:<6}  {port.width:>6}  {port.name}: {port.field.description()}"
            for port in emit_ports(self.parameters)])

    @cached_property
    def _emitted(self) -> Emitted:
        from .verilog.emit import emit

        return emit(self.parameters, wrap=self.wrap)

    @property
    def verilog(self) -> str:
        """The Verilog, as ``gen NAME -o`` writes it."""
        return self._emitted.verilog

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest: ports, streams, timing, formats, versions."""
        return self._emitted.manifest

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write Verilog to ``path`` (``out.v``) and the manifest beside it (``out.json``)."""
        from .verbs.emit import check_outputs, write_outputs

        target = Path(path)
        check_outputs(target, self._generator, force=force, option="path")
        write_outputs(target, self._generator, self.parameters, self._emitted)
        return target

    def verify(self, *, vectors: int = 256, seed: int = 1, simulator: str = "verilator",
               waves: str | Path | None = None) -> Verification:
        """Simulate the Verilog and compare at least ``vectors`` output words with the golden
        model, bit for bit. The result is true when it passed."""
        from .verifying import verify

        return verify(self.parameters, simulator=simulator, seed=seed, vectors=vectors,
                      waves=None if waves is None else Path(waves), wrap=self.wrap)

    def area(self, *, liberty: str | Path | Sequence[str | Path] = (), pdk: str | None = None,
             recipe: str = "plain", clock_ns: float = 1.0, flatten: bool = False,
             timing: bool | None = None) -> Measurement:
        """Cell area and longest path, in gate equivalents or with a cell library's cells."""
        from .measuring import measure

        return measure(self.parameters, _library(liberty, pdk), recipe=recipe, clock_ns=clock_ns,
                       flatten=flatten, timing=timing, wrap=self.wrap)

    def estimate(self, *, liberty: str | Path | Sequence[str | Path] = (),
                 pdk: str | None = None) -> Estimate:
        """Area and longest path by the cost model, in place of :meth:`area`, in no time."""
        from .cost.report import estimate
        from .errors import UsageError

        if self.wrap is not None:
            raise UsageError("estimates are of a design itself; leave wrap out")
        return estimate(self.parameters, _library(liberty, pdk))

    def ppa(self, a: Array | None = None, w: Any = None, *, activity: str = "normal",
            liberty: str | Path | Sequence[str | Path] = (), pdk: str | None = None,
            clock_ns: float = 1.0, seed: int = 1) -> Ppa:
        """Power, path and area of one netlist, under the product of ``a`` and ``w`` as of
        :meth:`run`, or under drawn operands (``gen ppa --activity``). A library with energies is
        needed."""
        from .errors import UsageError
        from .powering import Stimulus, measure_power, stimulus_of

        library = _library(liberty, pdk)
        if (a is None) != (w is None):
            raise UsageError("a and w belong together; give both, or an activity")
        if a is None:
            stimulus = stimulus_of(self.parameters, None, activity, seed)
        else:
            stimulus = Stimulus(self._workload(a, w), "operands of the call", seed=seed)
        return measure_power(self.parameters, library, stimulus, clock_ns=clock_ns)

    def _workload(self, a: Array, w: Any) -> Workload:
        """The product as a workload; :class:`UsageError` where the design takes none."""
        from .errors import UsageError

        if not self._generator.operands:
            able = [g.name for g in registry.GENERATORS.values() if g.operands]
            raise UsageError(f"{self.name} multiplies no matrices; {', '.join(able)} do")
        tensor = w.tensor if isinstance(w, Matrix) else np.asarray(w)
        return self._generator.operand_options().of_tensor(self.parameters, np.asarray(a), tensor)

    def place(self, device: str, *, seeds: Sequence[int] = (1,), clock_mhz: float = 100.0,
              folder: str | Path | None = None) -> Placement:
        """Resources, clock and slowest path after place and route on an FPGA: ``ecp5-85k`` or
        another device of ``gen fpga``. The clock is the median of the seeds."""
        from .flow.fpga import find_device
        from .placing import place

        return place(self.parameters, find_device(device), seeds=seeds, clock_mhz=clock_mhz,
                     wrap=self.wrap, folder=None if folder is None else Path(folder))

    def run(self, a: Array, w: Any, *, backend: str = "golden", compare: bool = False) -> Run:
        """``a`` (rows, k) times the transpose of ``w`` (columns, k): a :class:`Matrix`, or an
        array where the design takes floats. ``run(...).result`` is (rows, columns).

        ``backend``: the golden model, or the simulated Verilog (``rtl``); ``compare`` counts the
        outputs in which the two differ. Activations are as NumPy has them (float16, int8, int16),
        or raw codes of a format that NumPy does not have.
        """
        from .errors import UsageError
        from .running import BACKENDS, run_workload

        if backend not in BACKENDS:
            raise UsageError(f"backend must be {' or '.join(BACKENDS)}; got {backend}")
        workload = self._workload(a, w)
        with Progress("golden model") as progress:
            return run_workload(workload, backend=backend, compare=compare, progress=progress)


@dataclass(frozen=True, repr=False)
class Matrix:
    """A quantised weight matrix (columns of the product, k) of any weight format."""

    format: WeightFormat
    tensor: Any                         #: codes, scales, ...: what the format makes of a matrix
    error: ErrorReport | None = field(default=None)     #: None: it was read from a file

    @property
    def shape(self) -> tuple[int, int]:
        n, k = self.tensor.codes.shape
        return n, k

    @property
    def codes(self) -> Array:
        """uint8 (n, k)."""
        codes: Array = self.tensor.codes
        return codes

    def dequantize(self) -> Array:
        """The weights that the codes stand for, (n, k) floats."""
        values: Array = self.tensor.dequantize()
        return values

    def save(self, path: str | Path, name: str = "weight", *, force: bool = False) -> Path:
        """Write a tensor file, which ``gen run`` and :func:`load` read."""
        target = Path(path)
        check_target(target, force=force, option="path")
        write_whole(target, lambda file: write_tensors(
            file, [(name, self.format.entries(self.tensor))]))
        return target

    def __repr__(self) -> str:
        n, k = self.shape
        size = self.tensor.group_size
        groups = f"groups of {size}" if size else "whole channels"
        error = "" if self.error is None else \
            f", {self.error.bits_per_weight:.3f} bits a weight, " \
            f"normalised MSE {self.error.normalized_mse:.3e}"
        return f"<lowbit matrix: {n} x {k}, {self.format.name}, {groups}{error}>"


def quantize(weights: Array, dtype: str, *, group_size: int = 128,
             special_values: Sequence[float] | None = None,
             scale_bits: int | None = None) -> Matrix:
    """Quantise weights (n, k) to a format of ``gen quantize --dtype``: ``lut2``, ``bitmod4``."""
    kind = find_format(dtype)
    options = QuantizeOptions(group_size,
                              None if special_values is None else tuple(special_values), scale_bits)
    kind.check(options)
    with Progress("quantising") as progress:
        tensor, error = kind.quantize(np.asarray(weights), options, progress.share)
    return Matrix(kind, tensor, error)


def load(path: str | Path, name: str | None = None) -> Matrix:
    """A quantised matrix of a file, by name where it holds several: of a tensor file (.npz), or the
    own codes of a quantised model (.gguf, .safetensors, .index.json)."""
    source = Path(path)
    if first_bytes(source, 2) == b"PK":
        return Matrix(*load_tensor(source, name))
    from .families.lut.formats import format_of
    from .weights.kept import load_kept

    weights = load_kept(source, name).weights
    return Matrix(format_of(weights), weights)
