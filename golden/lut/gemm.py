"""A whole GEMM on the core: how it is cut into operations, and its golden result.

One :class:`Gemm` serves every backend: it gives the activations and weight beats of each operation
and puts the operations' results together. Cutting rows and columns into tiles changes no result:
rows and columns never meet, and the number of zero-point beats is agreed over all columns.

k is cut into steps of ``K * groups`` activations, every quantisation group starting a new one, and
the steps into *blocks*, one operation each, of at most ``max_k``. Without scales a block takes as
many steps as it may, and every block adds to the one before through the partial sum. With scales
a block never leaves its quantisation group, and only blocks of the same group follow each other
through the partial sum (docs/numerics.md, section 2).

Weights d q + m with a real minimum m need the sum of the activations of each group. The core gives
that too: one more column streams after the others, whose codes are all 2**b - 1.

A core with group scales takes scales and offsets itself: a block is then one of the groups (or
parts) of one operation, whose results are those of the whole product (:class:`Scales`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import FP32, FloatFormat, IntFormat, ScaleFormat
from ..group_scale import Codes, exact_codes
from ..grouped import GroupedWeights, check_codes
from ..groups import group_count
from ..parameters import ParameterError
from .core import Group, operation, scaled_operation
from .packing import Beats, check_zero, padded, split_steps, step_groups, weight_beats
from .parameters import LutCoreParameters
from .requantized import Requantized
from .table import make_tables

__all__ = ["Block", "Gemm", "Operands", "exact", "gemm", "check_scale", "psum_codes",
           "result_array"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Scales:
    """What a core with group scales multiplies the sums of codes with."""

    codes: Codes
    scale: Array                    #: (columns, groups) codes of ``p.scale_format``
    offset: Array | None            #: (columns, groups) codes of ``p.offset_format``

    @classmethod
    def of(cls, p: LutCoreParameters, x: Operands, groups: int) -> Scales:
        """r = d q + m. Without scales the product is that of 2 q - (2**b - 1), or 2 (q - z); of
        trits q - 1."""
        columns, codes, offset = len(x.q), Codes.ODD, None
        unscaled = 2 if p.radix == 2 else 1
        scale = np.full((columns, groups), unscaled, np.float32) if x.scale is None else \
            check_scale(x.scale, columns, groups, halves=False)
        held = exact(scale, p.scale_format, "scales", "or use --group-scale fp32")
        if p.radix == 3:
            return cls(codes, held, None)
        zero = None if x.zero is None else check_zero(x.zero, x.bits, columns, groups)
        if x.minimum is not None:
            codes, offset = Codes.UNSIGNED, np.asarray(x.minimum, np.float32)
            if zero is not None or offset.shape != (columns, groups):
                raise ParameterError(f"minima must be float32 of shape ({columns}, {groups}), and "
                                     "take the place of zero points")
        elif zero is not None and (zero == 1 << (x.bits - 1)).all():
            codes = Codes.SIGNED
        elif zero is not None:
            codes, offset = Codes.UNSIGNED, -scale * zero.astype(np.float32)
        return cls(codes, held, cls._offset_codes(p, offset))

    @classmethod
    def direct(cls, p: LutCoreParameters, columns: int, groups: int, scale: Array | None,
               minimum: Array | None) -> Scales:
        """Of weights that are integers: s w + m; without scales 1."""
        scale = np.ones((columns, groups), np.float32) if scale is None else \
            check_scale(scale, columns, groups, halves=False)
        return cls(Codes.ODD, exact(scale, p.scale_format, "scales", "or use --group-scale fp32"),
                   cls._offset_codes(p, minimum))

    @staticmethod
    def _offset_codes(p: LutCoreParameters, offset: Array | None) -> Array | None:
        if offset is None:
            return None
        if p.offset_format is None:
            raise ParameterError("zero points and minima need a design that takes them: one with "
                                 "--offset integer or real")
        return exact(offset, p.offset_format, "offsets",
                     "or use --offset integer or --group-scale fp32")


def exact(values: Array, fmt: ScaleFormat, what: str, instead: str) -> Array:
    """Codes of float32 numbers; :class:`ParameterError` for those that the format has not, which
    says what to do ``instead`` of rounding them."""
    if not np.isfinite(values).all():
        raise ParameterError(f"{what} must be finite")
    codes, bad = exact_codes(fmt, values)
    if bad.any():
        raise ParameterError(f"{what} must be {fmt.name} numbers for this design; got "
                             f"{values[bad][0]} at index {np.argwhere(bad)[0].tolist()}; round "
                             f"them, {instead}")
    return codes


@dataclass(frozen=True)
class Block:
    """One operation's share of k."""

    steps: slice        #: steps of the reduction
    group: int          #: quantisation group (of the first step)
    chained: bool       #: adds to the result of the block before


def check_scale(scale: Array, columns: int, groups: int, halves: bool = True) -> Array:
    """Scales as float32 (columns, groups), from (columns,) or (columns, groups) floats.

    :class:`ParameterError` for another type or shape, and for a scale that is not finite or, with
    ``halves``, whose half float32 cannot hold (s' = s / 2 must be exact).
    """
    scale = np.asarray(scale)
    if scale.dtype not in (np.float32, np.float16) or \
            scale.shape not in ((columns,), (columns, groups)):
        raise ParameterError(f"scales must be float32 of shape ({columns},) or ({columns}, "
                             f"{groups}); got {scale.dtype} of shape {scale.shape}")
    scale = scale.astype(np.float32)
    bad = ~np.isfinite(scale)
    if bad.any():
        raise ParameterError(f"scales must be finite; got {scale[bad][0]} at index "
                             f"{np.argwhere(bad)[0].tolist()}")
    bad = scale / np.float32(2) * np.float32(2) != scale
    if halves and bad.any():
        raise ParameterError("scales must have halves that float32 holds exactly; got "
                             f"{scale[bad][0]} at index {np.argwhere(bad)[0].tolist()}")
    return np.broadcast_to(scale if scale.ndim == 2 else scale[:, None], (columns, groups))


@dataclass(frozen=True)
class Operands(Requantized):
    """What a GEMM multiplies: r = s(q - z), or s q + m with a minimum m."""

    codes: Array                    #: (rows, k) integers, or raw floating codes
    q: Array                        #: (columns, k) unsigned weight codes
    bits: int                       #: bits of a weight code
    zero: Array | None = None       #: (columns,) or (columns, groups) z; None: z' = 0
    scale: Array | None = None      #: (columns,) or (columns, groups) float32 s
    group_size: int | None = None   #: activations that share z, s and m; None: all
    minimum: Array | None = None    #: (columns, groups) float32 m, with ``scale``; no ``zero``

    @classmethod
    def of(cls, codes: Array, weights: GroupedWeights) -> Operands:
        """Operands of weights in groups; activations (rows, k) in the order of the model's inputs.

        Zero points that the core has no beats for, those outside 0 .. 2**b - 1, become minima, and
        codes of a floating type the integers that their values are multiples of.
        :class:`ParameterError` where there are none, and for a second scale of the channels.
        """
        if weights.levels is not None:
            weights = weights.with_integers()
        if weights.order is not None:
            if codes.shape[1:] != (weights.inputs,):
                raise ParameterError("activations and weights must have the same k; got shapes "
                                     f"{codes.shape} and {(len(weights.codes), weights.inputs)}")
            codes = codes[:, weights.order]
        zero = weights.zero
        if zero is not None and not (zero.min() >= 0 and zero.max() < 1 << weights.bits):
            weights, zero = weights.with_minimum(), None
        return cls(codes, weights.codes, weights.bits, zero, weights.scale, weights.group_size,
                   weights.minimum)


class Gemm:
    """Sum of a * q' (with zero points: a * (q' - z')) over k, with scales its dequantised form.

    ``columns`` counts those of the result, ``streamed`` those that go through the core: one more
    with minima, for the sums of activations.

    Raises :class:`ParameterError` for operands that do not fit each other, or the core.
    """

    def __init__(self, p: LutCoreParameters, x: Operands) -> None:
        self.p = p
        self.scales: Scales | None = None
        self.rows, self.columns, k = len(x.codes), len(x.q), x.codes.shape[1]
        if x.q.shape[1:] != (k,):
            raise ParameterError("activations and weights must have the same k; got shapes "
                                 f"{x.codes.shape} and {x.q.shape}")
        if p.radix == 3:
            self._check_ternary(x, p.unpack == "sherry")
        elif x.bits > p.w_bits:
            raise ParameterError(f"weights of {x.bits} bits need as many bit-planes; this design "
                                 f"has {p.w_bits}")
        zero = None if p.scales_groups or p.radix == 3 else x.zero
        if zero is not None and not p.has_zero_beats:
            raise ParameterError("zero points need a design that takes them; leave "
                                 "--no-zero-point out")
        groups, q = group_count(k, x.group_size), x.q
        self.scale = self.offset = None
        if p.scales_groups:
            self.scales = Scales.of(p, x, groups)
        else:
            self.scale = None if x.scale is None else \
                check_scale(x.scale, self.columns, groups, halves=p.radix == 2)
            self.offset = None if x.minimum is None else self._offset(x, groups)
        self.streamed = self.columns
        self.requantizer = x.requantizer(p, self.columns, x.scale is not None)
        if self.offset is not None:
            q = np.concatenate([q, np.full_like(q[:1], (1 << x.bits) - 1)])
            self.streamed += 1
        bits = x.bits
        if p.parallel_planes > 1:
            unsigned = self.scales is not None and self.scales.codes == Codes.UNSIGNED
            q, zero, bits = self._padded(q, zero, bits, groups, unsigned)
        self._beats = weight_beats(q, bits, p.K, p.groups, zero, group_size=x.group_size,
                                   radix=p.radix, planes=p.parallel_planes)
        self._steps = split_steps(x.codes, p.K, p.groups, x.group_size)
        self._edges = np.searchsorted(self._beats.step, np.arange(self._steps.shape[1] + 1))
        self.blocks = self._cut(step_groups(k, p.K, p.groups, x.group_size))
        self.check_chained(x.scale is not None)

    def _padded(self, q: Array, zero: Array | None, bits: int, groups: int,
                unsigned: bool) -> tuple[Array, Array | None, int]:
        """Codes, zero points and their bits for a core of parallel planes."""
        planes = self.p.parallel_planes
        codes, wide = padded(check_codes(q, bits), bits, planes, unsigned=unsigned)
        if zero is not None:
            zero = padded(check_zero(zero, bits, len(q), groups), bits, planes)[0]
        return codes, zero, wide

    def check_chained(self, scaled: bool) -> None:
        """Refuse blocks that add to others where the design takes no partial sums."""
        p = self.p
        if p.requantizes and len(self.blocks) > 1:
            raise ParameterError(f"k is longer than --max-k {p.max_k}, and results of int8 are no "
                                 "partial sums; raise --max-k")
        if not p.preload and any(block.chained for block in self.blocks):
            what = "a quantisation group" if scaled else "k"
            raise ParameterError(f"{what} is longer than --max-k {p.max_k}, and the design takes "
                                 "no partial sums; raise --max-k, or leave --no-preload out")

    @staticmethod
    def _check_ternary(x: Operands, sparse: bool) -> None:
        """Codes of trits have two bits and the zero point 1: q - 1 is -1, 0 or +1. ``sparse``:
        exactly one of each four is 0."""
        if x.bits != 2 or x.zero is None or (np.asarray(x.zero) != 1).any() or x.q.max() > 2 \
                or x.minimum is not None:
            raise ParameterError("a design with --radix 3 takes ternary weights, codes 0, 1, 2 "
                                 "with zero points 1; quantise with --dtype ternary, or use "
                                 "--radix 2")
        if sparse:
            k = x.q.shape[1]
            if k % 4 or (x.group_size or 4) % 4:
                raise ParameterError("--unpack sherry packs four weights of a group: k and the "
                                     f"group size must be multiples of 4; got {k} and "
                                     f"{x.group_size}")
            zeros = (x.q.reshape(-1, 4) == 1).sum(-1)
            if (zeros != 1).any():
                raise ParameterError("--unpack sherry takes weights of which exactly one of each "
                                     f"four is 0; got four with {zeros[zeros != 1][0]}; quantise "
                                     "with --dtype sherry, or use --unpack trits5")

    def _offset(self, x: Operands, groups: int) -> Array:
        """What the sum of a group's activations, times 2**b - 1, counts: float32 (columns, groups).

        s q + m = (s / 2) q' + (2**b - 1) e with e = s / 2 + m / (2**b - 1); e is taken in float64
        and rounded to FP32.
        """
        assert x.minimum is not None
        if x.scale is None or x.zero is not None:
            raise ParameterError("minima need scales, and take the place of zero points")
        if x.minimum.dtype != np.float32 or x.minimum.shape != (self.columns, groups):
            raise ParameterError(f"minima must be float32 of shape ({self.columns}, {groups}); got "
                                 f"{x.minimum.dtype} of shape {x.minimum.shape}")
        if not np.isfinite(x.minimum).all():
            raise ParameterError("minima must be finite")
        assert self.scale is not None
        exact = self.scale.astype(np.float64) / 2 + x.minimum / np.float64((1 << x.bits) - 1)
        with np.errstate(over="ignore", under="ignore"):
            return exact.astype(np.float32)

    def _cut(self, of_step: Array) -> list[Block]:
        limit = self.p.max_k // (self.p.K * self.p.groups)
        if self.scale is None and self.scales is None:
            of_step = np.zeros_like(of_step)
        blocks = []
        for group in range(int(of_step[-1]) + 1):
            start, stop = np.searchsorted(of_step, [group, group + 1]).tolist()
            blocks += [Block(slice(i, min(i + limit, stop)), group,
                             i > start and self.scales is None)
                       for i in range(start, stop, limit)]
        return blocks

    def activations(self, block: Block, rows: slice = slice(None)) -> Array:
        """Codes (rows, steps * groups * K) of a block, zero-padded."""
        part = self._steps[rows, block.steps]
        return part.reshape(len(part), -1)

    def beats(self, block: Block, columns: slice = slice(None)) -> Beats:
        """Weight stream of a block for some columns."""
        b, start, stop = self._beats, block.steps.start, block.steps.stop
        span = slice(int(self._edges[start]), int(self._edges[stop]))
        first, last = np.zeros((2, span.stop - span.start), bool)
        first[0] = last[-1] = True
        return replace(b, plane=b.plane[span], patterns=b.patterns[span, :, columns],
                       step=b.step[span] - start, first=first, last=last,
                       group_last=b.group_last[span])

    def group_scales(self, block: Block) -> tuple[Codes, Array, Array | None]:
        """Kind of codes, scales and offsets (columns,) of a block."""
        x = self.scales
        assert x is not None
        return (x.codes, x.scale[:, block.group],
                None if x.offset is None else x.offset[:, block.group])

    def row_scales(self, block: Block, rows: slice = slice(None)) -> Array | None:
        """Scales of activations (rows,) in a block, where they have some."""
        return None

    @property
    def factor(self) -> Array:
        """What a group's results count: s', float32 (columns, groups)."""
        assert self.scale is not None
        return np.asarray(self.scale / np.float32(2) if self.p.radix == 2 else self.scale)

    def codes(self, results: list[Array]) -> list[Array]:
        """Of each block's results, those that are complete: one of each scale, or only one."""
        if self.scales is not None:
            return results
        following = [block.chained for block in self.blocks[1:]] + [False]
        return [r for r, more in zip(results, following, strict=True) if not more]

    def result(self, results: list[Array]) -> Array:
        """The (rows, columns) array that a user wants, from each block's results in order.

        int64 or float32; with scales the float32 sum of s' (trits: s) times each group's
        result, which integers enter rounded to float32; with minima each group's term then gains e
        times the last streamed column. Every multiply and add rounds once.
        """
        complete = self.codes(results)
        if self.scale is None:
            return result_array(self.p, complete[0])
        factor = self.factor
        total: Array | None = None
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for group, codes in enumerate(complete):
                sums = result_array(self.p, codes).astype(np.float32)
                term = sums[:, :self.columns] * factor[:, group]
                if self.offset is not None:
                    term = term + sums[:, self.columns:] * self.offset[:, group]
                total = term if total is None else total + term
        assert total is not None
        return FP32.to_array(FP32.canonical(FP32.from_array(total)))

    def run(self, progress: Callable[[int], None] = lambda done: None) -> list[Array]:
        """Each operation's results by the golden model: codes of ``p.out``, (rows, streamed
        columns). An operation is a block, or with group scales all of them.

        ``progress`` is told the number of blocks done.
        """
        results: list[Array] = []
        if self.scales is not None:
            groups = []
            for block in self.blocks:
                groups.append(Group(make_tables(self.activations(block), self.p),
                                    self.beats(block), *self.group_scales(block),
                                    self.row_scales(block)))
            results.append(scaled_operation(self.p, groups))
            progress(len(self.blocks))
            return results
        for block in self.blocks:
            psum = psum_codes(self.p, results[-1]) if block.chained else None
            tables = make_tables(self.activations(block), self.p)
            results.append(operation(self.p, tables, self.beats(block), psum, self.requantizer))
            progress(len(results))
        return results


def gemm(p: LutCoreParameters, codes: Array, q: Array, bits: int,
         zero: Array | None = None) -> Array:
    """Golden GEMM without scales, as codes of ``p.out`` (rows, columns): see :class:`Gemm`."""
    whole = Gemm(p, Operands(codes, q, bits, zero))
    return whole.codes(whole.run())[0]


def psum_codes(p: LutCoreParameters, results: Array) -> Array:
    """Results of one operation as partial sums of the next."""
    if isinstance(p.psum, FloatFormat) and isinstance(p.out, FloatFormat):
        return p.psum.convert(results, p.out)
    return results


def result_array(p: LutCoreParameters, codes: Array) -> Array:
    """Result codes as the array a user wants: int64, or float32."""
    if isinstance(p.out, IntFormat):
        return np.asarray(codes, np.int64)
    return p.out.to_float64(codes).astype(np.float32)
