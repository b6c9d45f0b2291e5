"""Engines of equal area on one memory: LUT, FP16 multiply-accumulate, BitMoD.

Each is as many copies (a fraction too) of a measured tile as fit the area of the measured LUT core
with its group scales, at one clock, with as many bytes a cycle from memory. A call takes the longer
of its multiply-accumulates and its bytes: a roofline, with buffers that never make anything cross
twice. The LUT core works on whole blocks of M rows; the others are taken to be full at any batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.bitmod.datatypes import DataType, get_data_type
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters

from ..compiler.image import matrix_of
from ..compiler.model import Shape
from .workload import Call, Step, Workload

__all__ = ["NAMES", "Engine", "accelerator", "areas", "bitmod_type", "call_bytes", "engines",
           "roofline", "weight_bits"]

#: kinds of engines, and what their weights are in memory
NAMES = {"lut": "LUT", "fp16": "FP16 MAC, FP16 weights",
         "dequantised": "FP16 MAC, weights dequantised for nothing", "bitmod": "BitMoD"}


@dataclass(frozen=True)
class Engine:
    """Copies of a measured design in the area that is given."""

    kind: str
    design: str
    record: str
    area: float             #: of one, in µm²
    copies: float
    outputs: int            #: multiply-accumulates a cycle of one copy, at full width
    M: int = 1              #: rows that are always worked on together

    def macs(self, shape: Shape) -> float:
        """Multiply-accumulates a cycle of all copies."""
        cycles = shape.bits if self.kind == "lut" else \
            bitmod_type(shape.bits).terms if self.kind == "bitmod" else 1
        return self.copies * self.outputs / cycles


@cache
def areas() -> Any:
    """Recorded areas (scripts/docs/areas.py)."""
    return json.loads(resources.files(__package__).joinpath("areas.json").read_text("utf-8"))


def bitmod_type(bits: int) -> DataType:
    """The narrowest type of BitMoD that takes weights of so many bits; 3 at least."""
    wide = max(bits, 3)
    return get_data_type(f"bitmod{wide}" if wide <= 4 else f"int{wide}")


def weight_bits(p: AccelParameters, shape: Shape, kind: str) -> float:
    """Bits of a weight in memory, scales and all."""
    group = shape.group or shape.k
    if kind == "fp16":
        return 16.0
    if kind == "bitmod":
        form = bitmod_type(shape.bits)
        selector = max(len(form.special_values) - 1, 0).bit_length()
        return form.bits + (8 + selector) / group + 32 / shape.k
    return matrix_of(p, 8, shape.k, shape.bits, group, shape.codes, shape.offsets,
                     None).data / shape.k


def accelerator(p: AccelParameters) -> Any:
    """The record of an accelerator whose core is that of the design; None: there is none."""
    return next((row for row in areas()["accel"]
                 if AccelParameters(**row["parameters"]).core == p.core), None)


def engines(p: AccelParameters) -> tuple[list[Engine], list[str]]:
    """Engines of the area of the design's core, and what is missing for want of a record."""
    found, missing = areas(), []
    row = accelerator(p)
    if row is None:
        known = ", ".join(one["design"] for one in found["accel"])
        return [], [f"no area of the core of accel {p.flags()} is recorded; there are {known}"]
    area = row["core"]
    out = [Engine("lut", f"core of {row['design']}, with its table unit and group scales",
                  row["record"], area, 1, p.M * p.N * p.per_beat, p.M)]
    for kind, name in (("fp16", "fp16"), ("dequantised", "fp16"), ("bitmod", "bitmod")):
        row = found.get(name)
        if row is None:
            missing.append(f"no area of {NAMES[kind]} is recorded")
            continue
        size = row["parameters"]["rows"] * row["parameters"]["columns"]
        if name == "bitmod":
            size *= BitmodTileParameters(**row["parameters"]).lanes
        out.append(Engine(kind, row["design"], row["record"], row["um2"], area / row["um2"], size))
    return out, missing


def call_bytes(p: AccelParameters, call: Call, rows: int, kind: str) -> tuple[float, float]:
    """Bytes that a call must read (weights, activations) and write (FP32 results), once each."""
    weights = sum(s.n * s.k * weight_bits(p, s, kind) / 8 for s in call.products)
    return (weights + rows * call.k * p.a_bits / 8, 4.0 * rows * sum(s.n for s in call.products))


def roofline(p: AccelParameters, engine: Engine, work: Workload, step: Step) -> float:
    """Cycles of a step's linear layers."""
    cycles = 0.0
    for call in work.calls:
        rows = step.rows(call)
        whole = -(-rows // engine.M) * engine.M
        core = sum(whole * s.n * s.k / engine.macs(s) for s in call.products)
        cycles += call.count * max(core, max(call_bytes(p, call, rows, engine.kind))
                                   / (p.axi_data / 8))
    return cycles
