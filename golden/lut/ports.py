"""Operations of the core as the beats of its streams: one Python integer per field and beat.

The one place that packs golden arrays into the port words of docs/lut.md; benches and ``gen run``
both drive the design through it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import pack_bits, rows_to_ints, unpack_bits
from ..coded_integers import CodedInt
from ..formats import FP32, INT8
from ..group_scale import Codes
from ..requantize import MULTIPLIER_BITS, SHIFT_BITS, Requantizer
from .packing import Beats
from .parameters import LutCoreParameters, LutParameters, ReductionParameters
from .table import Tables, row_exponents

__all__ = ["table_beats", "activation_beats", "weight_fields", "psum_beats", "result_words",
           "requantizer_beats", "results_of", "saturated_words", "scale_beats"]

Array = NDArray[Any]
Fields = list[dict[str, int]]


def _words(values: Array, width: int) -> list[int]:
    """(beats, n) integers to one packed integer per beat."""
    return rows_to_ints(pack_bits(np.asarray(values, np.int64).reshape(len(values), -1), width))


def _zip(columns: dict[str, list[int]]) -> Fields:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def table_beats(p: LutParameters, tables: Tables) -> Fields:
    """The ``table`` stream of one operation, one beat per set of ``groups`` tables."""
    rows, count, entries = tables.entries.shape
    steps = count // p.groups
    grouped = tables.entries.reshape(rows, steps, p.groups * entries).transpose(1, 0, 2)
    columns = {"entries": _words(grouped, p.entry_bits)}
    if p.is_aligned:
        columns["exponent"] = _words(np.broadcast_to(tables.exponent, (steps, rows)),
                                     p.exponent_bits)
    if p.is_quantized:
        scale = FP32.from_array(tables.scale)
        columns["scale"] = _words(np.broadcast_to(scale, (steps, rows)), 32)
    if p.activation.is_float:
        invalid = np.asarray(tables.invalid.reshape(rows, steps, p.groups).any(axis=2))
        columns["invalid"] = _words(invalid.T, 1)
    if p.can_saturate:
        saturated = np.asarray(tables.saturated.reshape(rows, steps, p.groups).any(axis=2))
        columns["saturated"] = _words(saturated.T, 1)
    return _zip(columns)


def activation_beats(p: ReductionParameters, codes: Array, exponent: Array | None = None,
                     scale: Array | None = None) -> Fields:
    """The ``activation`` stream of one operation: codes (rows, k), k a whole number of beats; with
    ``scale`` (rows,) of the group.

    Aligned: a scanning pass and then the pass that makes tables; or the exponents (rows,) with
    every beat, by default the least.
    """
    rows, k = codes.shape
    per_beat, fmt, bits = p.K * p.groups, p.activation, p.activation.bits
    beats = codes.reshape(rows, k // per_beat, per_beat).transpose(1, 0, 2)
    if isinstance(fmt, CodedInt):
        beats, bits = fmt.codes(beats), fmt.code_bits
    words = _words(beats, bits)
    scales: dict[str, int] = {}
    if scale is not None:
        assert isinstance(p, LutCoreParameters) and p.row_scale_format is not None
        scales = {"scale": _words(scale[None], p.row_scale_format.bits)[0]}
    if not p.is_aligned:
        return [{"values": word} | scales for word in words]
    made = [{"values": word, "first": int(i == 0)} | scales for i, word in enumerate(words)]
    if p.can_saturate:
        given = row_exponents(codes, p) if exponent is None else exponent
        packed = _words(np.asarray(given)[None], p.exponent_bits)[0]
        return [beat | {"exponent": packed} for beat in made]
    return ([{"values": word, "scan": 1, "first": 0} | scales for word in words]
            + [beat | {"scan": 0} for beat in made])


def weight_fields(p: LutCoreParameters, beats: Beats, codes: Codes = Codes.ODD,
                  start: bool = True, finish: bool = True) -> Fields:
    """The ``weight`` stream of one accumulation; with group scales it may start and finish an
    operation, and ``codes`` says what the weights' codes stand for."""
    if p.is_direct:
        columns = {"values": rows_to_ints(beats.words())}
    elif p.trit_code is not None:
        columns = {"packed": rows_to_ints(beats.packed(p.trit_code))}
    else:
        columns = {"patterns": rows_to_ints(beats.words(raw=not p.has_sign))}
    if p.plane_bits:
        # aligned entries step down from the top beat
        plane = beats.top_plane - beats.plane if p.is_aligned else beats.plane
        plane = plane // p.parallel_planes
        columns["plane"] = plane.tolist()
    columns.update(first=beats.first.astype(int).tolist(), last=beats.last.astype(int).tolist())
    if not p.is_direct:
        columns.update(table_last=beats.group_last.astype(int).tolist())
    if p.scales_groups:
        marks = {"codes": codes} if p.has_codes else {}
        columns.update({name: [int(value)] * len(beats) for name, value in (
            *marks.items(), ("start", start), ("finish", finish))})
    return _zip(columns)


def scale_beats(p: LutCoreParameters, scale: Array, offset: Array | None) -> Fields:
    """The ``scale`` stream of one accumulation: codes (N,), in the order of the results."""
    columns = {"scale": _of_columns(p, scale, p.scale_format.bits)}
    if p.offset_format is not None:
        columns["offset"] = _of_columns(p, np.zeros_like(scale) if offset is None else offset,
                                        p.offset_format.bits)
    return _zip(columns)


def requantizer_beats(p: LutCoreParameters, by: Requantizer) -> Fields:
    """The ``scale`` stream of one operation with results of int8, for N columns at most."""
    spare = (0, p.N - len(by.multiplier))
    return _zip({name: _of_columns(p, np.pad(values, spare), width) for name, values, width in (
        ("multiplier", by.multiplier, MULTIPLIER_BITS), ("shift", by.shift, SHIFT_BITS),
        ("zero", by.zero, INT8.bits))})


def _of_columns(p: LutCoreParameters, values: Array, width: int) -> list[int]:
    """Words of values (N,) for each output beat."""
    return _words(values.reshape(p.chains, p.chain_columns).T, width) * (p.M // p.out_lanes)


def _in_output_order(p: LutCoreParameters, values: Array) -> Array:
    """(rows, columns) to (beats, values): ``out_lanes`` rows at a time, the columns of each chain
    ascending; in a beat the chains, of each the rows."""
    blocks = values.reshape(-1, p.out_lanes, p.chains, p.chain_columns)
    return blocks.transpose(0, 3, 2, 1).reshape(-1, p.out_values)


def psum_beats(p: LutCoreParameters, psum: Array) -> Fields:
    """The ``psum`` stream of one operation; ``psum`` (M, N) codes or integers."""
    return [{"values": word} for word in _words(_in_output_order(p, psum), p.psum.bits)]


def result_words(p: LutCoreParameters, results: Array) -> list[int]:
    """The ``values`` of the ``result`` stream of one operation; ``results`` (M, N)."""
    return _words(_in_output_order(p, results), p.out.bits)


def saturated_words(p: LutCoreParameters, *tables: Tables) -> list[int]:
    """The ``saturated`` flags of the ``result`` stream of one operation (0 without them), from
    the tables of its accumulations."""
    rows = np.any([t.saturated.any(axis=1) & p.can_saturate for t in tables], axis=0)
    return _words(_in_output_order(p, np.repeat(rows[:, None], p.N, axis=1)), 1)


def results_of(p: LutCoreParameters, words: list[int]) -> Array:
    """Results (M, N) of one operation from its output words, int64 codes or integers."""
    size = -(-p.out_values * p.out.bits // 8)
    rows = np.frombuffer(b"".join(w.to_bytes(size, "little") for w in words), np.uint8)
    values = unpack_bits(rows.reshape(len(words), size), p.out.bits, p.out_values,
                         signed=not p.out.is_float)
    blocks = values.astype(np.int64).reshape(-1, p.chain_columns, p.chains, p.out_lanes)
    return blocks.transpose(0, 3, 2, 1).reshape(p.M, p.N)
