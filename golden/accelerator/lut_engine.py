"""The LUT engine: rows of activations times the weights of a column block, many at once.

The numbers are those of the core (:func:`lowbit.golden.lut.core.scaled_operation`), group by group;
here all row blocks, groups and planes of an instruction go through NumPy together.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bits import unpack_bits
from ..formats import FP32, FloatFormat, IntFormat, wrap_signed
from ..group_scale import Codes, added, wide
from ..lut.parameters import LutCoreParameters
from ..lut.row_scaled import RowScale, step
from ..lut.table import make_tables
from ..parameters import ParameterError
from .engine import Engine, Operands, Schedule
from .isa import Instruction
from .layout import Packed
from .lut_layout import pack

if TYPE_CHECKING:
    from .parameters import AccelParameters

__all__ = ["Expanded", "LutEngine", "expand", "multiply", "rounded"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Expanded:
    """The tables of rows of activations (rows, groups, steps, tables of a step)."""

    values: Array       #: int64 (rows, groups, tables, 2**K): by what a weight field holds
    row_sum: Array      #: int64 (rows, groups): sum of the activations
    exponent: Array     #: int64 (rows, groups): an integer t means t * 2**(exponent + offset)
    invalid: Array      #: bool (rows,): an activation that is not finite
    live: Array         #: bool (rows,): some entry is not 0
    _by_plane: dict[int, Array] = field(default_factory=dict)

    def by_plane(self, p: AccelParameters, planes: int) -> Array:
        """What a field reads in each beat: (live rows, groups * steps * planes * tables of a step *
        2**K), modulo the accumulator's width."""
        if planes not in self._by_plane:
            values = self.values[self.live]
            rows, groups, tables, size = values.shape
            kind = np.int32 if p.core.acc_bits <= 32 else np.int64
            out = np.empty((rows, groups, tables // p.groups, planes, p.groups, size), kind)
            values = values.reshape(out[:, :, :, 0].shape)
            for plane in range(planes):
                out[:, :, :, plane] = step(values, planes - 1 - plane) if p.core.is_aligned \
                    else values << plane
            self._by_plane[planes] = out.reshape(rows, -1)
        return self._by_plane[planes]


def expand(p: AccelParameters, codes: Array, exponent: Array) -> Expanded:
    """Tables of activations (rows, groups, k), raw codes or integers; exponents (rows, groups)."""
    rows, groups, k = codes.shape
    tables = make_tables(codes.reshape(-1, k), p.core, exponent.reshape(-1))
    entries = tables.entries.reshape(rows, groups, k // p.K, -1)
    unit = exponent + p.core.exponent_offset if p.core.is_aligned else np.zeros_like(exponent)
    return Expanded(np.concatenate([entries, -entries], axis=3), entries[..., -1].sum(axis=2),
                    unit, np.asarray(tables.invalid.reshape(rows, -1).any(axis=1)),
                    np.asarray(entries.any(axis=(1, 2, 3))))


def multiply(p: AccelParameters, x: Expanded, fields: Array, planes: int, codes: Codes,
             scale: Array, offset: Array | None, y: Array) -> Array:
    """FP32 codes (rows, N) of ``y`` plus the scaled products.

    ``fields``: uint8 (groups, beats, N * tables of a step) K-bit weight fields, the beats those of
    steps and, within them, planes; ``scale``, ``offset`` codes (groups, N); ``y`` (rows, N) FP32
    codes.
    """
    core, live = p.core, x.live
    of_scale = wide(core.scale_format, scale)
    of_offset = None if offset is None else wide(core.offset_format or FP32, offset)
    result = FP32.canonical(y)
    if not (np.isfinite(of_scale).all() and (of_offset is None or np.isfinite(of_offset).all())):
        live = np.ones_like(live)       # 0 times infinity is a result too
        x = replace(x, live=live, _by_plane={})
    if live.any():
        row_sum = wrap_signed(x.row_sum[live], core.acc_bits)
        unit = x.exponent[live]
        twice = _sums(p, x.by_plane(p, planes), fields, planes) \
            + codes.of_sum(planes) * row_sum[..., None]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            shares = rounded(twice, unit - 1, core.acc_bits + 9)
            shares *= of_scale
            if of_offset is not None:
                shares += rounded(row_sum[..., None], unit, core.acc_bits) * of_offset
        # a zero's sign is lost in the sum, which is never -0
        result[live] = added(shares.swapaxes(0, 1), y[live])
    return np.where(x.invalid[:, None], FP32.nan, result)


def _sums(p: AccelParameters, values: Array, fields: Array, planes: int) -> Array:
    """Accumulators (rows, groups, N) in units of the entries; ``values`` by beat."""
    groups, beats, _ = fields.shape
    size, rows = 1 << p.K, len(values)
    place = np.arange(groups * beats)[:, None] * p.groups + np.tile(np.arange(p.groups), p.N)
    at = fields.reshape(groups * beats, -1) + place * size
    read = np.take(values, at, axis=1).reshape(rows, groups, beats, p.N, p.groups)
    if p.groups > 1:
        read = read.sum(axis=4, dtype=read.dtype)
    sums = read.reshape(rows, groups, beats, p.N).sum(axis=2, dtype=read.dtype)
    sums = wrap_signed(sums, p.core.acc_bits)
    return sums << planes - 1 if p.core.is_aligned else sums


def rounded(integers: Array, exponent: Array, bits: int) -> Array:
    """Integers (rows, groups, ...) below 2**bits times 2**exponent (rows, groups), as float32.

    Rounded once, as :meth:`FloatFormat.round`: a double holds 53 bits, and all exponents of
    activations.
    """
    if bits <= 53 and np.abs(exponent).max() < 900:
        exact = integers * np.ldexp(1.0, exponent)[..., None]
        return np.asarray(exact.astype(np.float32))
    code = FP32.round((integers < 0).astype(np.int64), np.abs(integers), exponent[..., None])
    return FP32.to_array(code)


class LutEngine(Engine):
    """A LUT tensor core. A word of patterns is a plane of all columns; scales and offsets of a
    group come side by side, as the core takes them."""

    magic = b"LUTL"
    codes = frozenset((Codes.ODD, Codes.SIGNED, Codes.UNSIGNED))
    needs_offsets = "zero points and minima need a design with --offset"

    def __init__(self, p: AccelParameters) -> None:
        super().__init__(p)
        if self.design.is_float:
            raise ParameterError(f"--a-format must have aligned or integer entries; "
                                 f"got {p.a_format}")
        self.scale_bits = self.design.scale_format.bits
        self.activation: FloatFormat | IntFormat = self.design.activation

    @property
    def design(self) -> LutCoreParameters:
        return self.p.core

    @property
    def per_beat(self) -> int:
        return self.p.K * self.p.groups

    @property
    def planes(self) -> int:
        return self.p.w_bits

    @property
    def exponent_bits(self) -> int:
        return self.design.exponent_bits if self.design.is_aligned else 0

    @property
    def drain(self) -> int:
        return self.design.drain_beats

    @property
    def scale_words(self) -> int:
        return self.drain

    @property
    def offset_bits(self) -> int:
        fmt = self.design.offset_format
        return 0 if fmt is None else fmt.bits

    @property
    def out_lanes(self) -> int:
        return self.design.out_lanes

    @property
    def result_latency(self) -> int:
        return self.design.result_latency

    def derived_fields(self) -> dict[str, Any]:
        core = self.design.derived_fields()
        return {name: core[name] for name in ("entry_width", "acc_width") if name in core}

    def refuses(self, i: Instruction) -> bool:
        return False

    def scan(self, codes: Array) -> Array:
        scale = self.design.row_scale
        assert isinstance(scale, RowScale)
        return scale.scanned_exponent(codes)

    def expand(self, codes: Array, exponents: Array) -> Expanded:
        return expand(self.p, codes, exponents)

    def multiply(self, of: Operands) -> tuple[Array | None, Any]:
        p, groups = self.p, of.i["groups"]
        fields = unpack_bits(of.weights, p.K, p.N * p.groups)
        y = multiply(p, of.x, fields, of.i["planes"] + 1, Codes(of.i["codes"]),
                     self._physical(of.scales, groups),
                     None if of.offsets is None else self._physical(of.offsets, groups),
                     self._physical(of.y, len(of.y)))
        return y.reshape(len(y), p.chains, self.drain).swapaxes(1, 2), None

    def _physical(self, words: Array, count: int) -> Array:
        """Values of words of a column of each chain, as (count, N) in the order of the core."""
        return words.reshape(count, self.drain, self.p.chains).swapaxes(1, 2).reshape(count, -1)

    def described(self) -> dict[str, str]:
        p, drain, offset = self.p, self.drain, self.design.offset_format
        words = f"for each group {drain} words, each {p.chains} times"
        found = {"weights": f"for each group, step and plane {p.w_word // 8} bytes: {p.K} bits a "
                            "table and column",
                 "scales": f"{words} {self.design.scale_format.name}",
                 "columns": f"number c * {drain} + t of weights, scales and offsets is column t * "
                            f"{p.chains} + c of the matrix; plane 0, the lowest bit, comes first"}
        return found if offset is None else found | {"offsets": f"{words} {offset.name}"}

    def pack(self, weights: Any, slot_words: int | None = None) -> Packed:
        return pack(self.p, weights, slot_words)

    def schedule(self) -> Schedule:
        return _Schedule(self.design)


class _Schedule(Schedule):
    def __init__(self, core: LutCoreParameters) -> None:
        self.core = core
        self.restart(0)

    def restart(self, when: int) -> None:
        self.head = self.results = self.weights_end = self.core_free = when

    def run(self, i: Instruction, start: int, storing: int) -> int:
        core = self.core
        count = (i["planes"] + 1) << i["steps"]
        groups = i["groups"] * i["row_blocks"]
        period = max(count, core.drain_start + core.drain_beats)
        # the table of the first beat is made while its weights wait
        begin = max(self.weights_end, start + 3)
        end = max(begin + count, self.core_free) + (groups - 1) * period
        # the feeds take the next instruction when this one's partial sums may be read: after the
        # results of the one before
        self.head = max(start + 2, self.results + 1)
        self.weights_end = end
        self.core_free = end + core.drain_start + core.drain_beats
        self.results = self.core_free + core.lane_stages[2] - 2
        # scales are asked for as they are used
        return self.core_free + core.lane_stages[0] - 1
