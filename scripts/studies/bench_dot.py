#!/usr/bin/env python3
"""Area of the direct dot products beside the units that they replace.

    .venv/bin/python scripts/studies/bench_dot.py [--liberty FILE ...] [--quick] [--json]
        [--only cells,integers,blocks,recode,core]

Tables: ``cells``: one output of the core (products, sum, accumulator), per multiply-accumulate,
against an FP16 processing element; ``integers``: the same against a multiply-accumulate that is
written as ``a * w`` and left to synthesis; ``blocks``: the accumulator of a block of 32 beside its
products; ``recode``: digits of integer weights made by the packer, or by the core; ``core``: whole
cores, per multiply-accumulate. Every table has its baselines, from the same recipes.

An interrupted run goes on where it was: see :mod:`measure`. "best" is the smallest area of the
recipes named in the heading, the same on both sides of every ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from measure import Design, Measure, Row, Table, main, parts

from lowbit.generators.compare.plain import plain_mac
from lowbit.generators.verilog.emit import emit_component
from lowbit.golden.lut.direct_parameters import DirectFrame, DotCoreParameters
from lowbit.hdl.lut.direct_column import DirectCell, dot_products

BASELINE = {acc: f"fp16_pe --acc {acc}" for acc in ("fp32", "fp16")}


class Products(wiring.Component):
    """What a cell has before its accumulator."""

    def __init__(self, p: DirectFrame) -> None:
        self.p = p
        reach = p.groups * p.form.largest * p.entry_limit
        super().__init__({
            "lines": In(p.groups * p.form.lines), "negative": In(p.groups * len(p.form.digits)),
            "active": In(1), "entries": In(p.groups * p.step_bits),
            "sum": Out(reach.bit_length() + 2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, carry = dot_products(m, self.p, self.lines, self.negative, self.entries,
                                    self.active)
        m.d.comb += self.sum.eq(total + carry)
        return m


def best(measure: Measure, design: Design, names: Sequence[str]) -> float:
    return min(float(measure(design, name)["area"]) for name in names)


def cell(measure: Measure, p: DotCoreParameters) -> Design:
    return measure.add(f"cell of {p.flags()}", emit_component(DirectCell(p.frame), top="dot_cell"))


def cell_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Per multiply-accumulate over the FP16 PE whose accumulator has FP32, the smallest one."""
    found = {acc: best(measure, measure.design(command), names)
             for acc, command in BASELINE.items()}
    rows: list[Row] = [{"design": BASELINE[acc], "area": area, "per_mac": area,
                        "to_pe": area / found["fp32"]} for acc, area in found.items()]
    for acc in ("fp16", "fp32"):
        for w_format in ("int4", "e2m1", *(() if quick else ("int2", "ternary", "int8"))):
            p = DotCoreParameters(w_format=w_format, acc=acc)
            area = best(measure, cell(measure, p), names)
            rows.append({"design": f"cell, {w_format} x fp16, K {p.K}, {acc}",
                         "bits": p.frame.entry_bits, "acc_bits": p.frame.acc_bits, "area": area,
                         "per_mac": area / p.K, "to_pe": area / p.K / found["fp32"]})
    return rows


def integer_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Integer products, 32-bit accumulators."""
    rows: list[Row] = []
    for w_format, a_format in (("int8", "int8"), ("int4", "int8"), ("int2", "int8"),
                               ("ternary", "int8"), ("int4", "int4"), ("e2m1", "e2m1")):
        for K in ((1,) if quick else (1, 4, 8)):
            p = DotCoreParameters(w_format=w_format, a_format=a_format, K=K, acc_width=32)
            area = best(measure, cell(measure, p), names)
            row: Row = {"design": f"{w_format} x {a_format}, K {K}", "area": area,
                        "per_mac": area / K}
            if w_format.startswith("int"):
                name = f"a * w of {w_format} x {a_format}, K {K}"
                plain = Design(name, plain_mac(p.frame.entry_bits, int(w_format[3:]), 32, K),
                               "plain_mac")
                row["plain"] = best(measure, plain, names) / K
                row["to_plain"] = row["per_mac"] / row["plain"]
            rows.append(row)
    return rows


def block_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """The accumulator of a block of 32 products beside these."""
    rows: list[Row] = []
    for w_format, a_format in (("int4", "int4"), ("e2m1", "e2m1"), ("int8", "mxint8")):
        p = DotCoreParameters(w_format=w_format, a_format=a_format, K=32, max_k=32)
        whole = best(measure, cell(measure, p), names)
        products = best(measure, measure.add(
            f"products of {p.flags()}", emit_component(Products(p.frame), top="products")), names)
        rows.append({"design": f"dot 32, {w_format} x {a_format}", "area": whole,
                     "per_mac": whole / 32, "products": products,
                     "accumulator": (whole - products) / products,
                     "to_int4": whole / rows[0]["area"] if rows else 1.0})
    return rows


def recode_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Small cores, integer activations: recoders beside the bit of a weight that they save."""
    rows: list[Row] = []
    for w_format in ("int4",) if quick else ("int4", "int8"):
        command = f"dot_core --M 2 --N 4 --K 4 --a-format int8 --w-format {w_format} --lanes 1"
        row: Row = {"design": command}
        for recode in ("packer", "edge"):
            design = measure.design(f"{command} --recode {recode}")
            row[recode] = best(measure, design, names)
            row[f"path_{recode}"] = measure(design, "sized")["path_ns"]
        row["more"] = (row["edge"] - row["packer"]) / 16
        rows.append(row)
    return rows


def core_rows(measure: Measure, names: Sequence[str], quick: bool) -> list[Row]:
    """Whole cores, module by module: activation unit, weight registers, lanes and all."""
    columns = 8 if quick else 64
    pe = best(measure, measure.design(BASELINE["fp32"]), names)
    rows: list[Row] = []
    for flags in ("--w-format int4 --acc fp16 --exponent given",
                  "--w-format int4 --acc fp32 --exponent given",
                  "--w-format int4 --a-format int8", "--preset mxfp4"):
        command = f"dot_core {flags} --M 2 --N {columns} --K 4 --lanes 1"
        areas = parts(measure, command, names, {"dot_cell": "cells"})["best"]
        whole = sum(areas.values())
        macs = 2 * columns * 4
        rows.append({"design": command, "area": whole, "over_cells": whole / areas["cells"],
                     "per_mac": whole / macs, "to_pe": whole / macs / pe})
    return rows


TABLES: dict[str, Table] = {
    "cells": Table("One output per multiply-accumulate (um2), over an FP16 PE", cell_rows,
                   {"bits": "5", "acc_bits": "9", "area": "10.0f", "per_mac": "9.0f",
                    "to_pe": "7.3f"},
                   "bars: int4 0.30 (fp16) and 0.36 (fp32); goals 0.20 and 0.27"),
    "integers": Table("Integer products, 32-bit accumulator, per multiply-accumulate (um2)",
                      integer_rows, {"area": "10.0f", "per_mac": "9.0f", "plain": "9.0f",
                                     "to_plain": "9.3f"},
                      "plain: sum of a * w in Verilog, without the multiplexer of a way out"),
    "blocks": Table("Dot products of 32 with the accumulator of their block (um2)", block_rows,
                    {"area": "10.0f", "per_mac": "9.0f", "products": "10.0f",
                     "accumulator": "12.3f", "to_int4": "8.3f"},
                    "accumulator: over the products; bars 0.18, and 1.10 for e2m1 to int4"),
    "recode": Table("Digits of integer weights by the packer, or by the core: cores (um2), their "
                    "paths sized for 1 ns (ns)", recode_rows,
                    {"packer": "9.0f", "edge": "9.0f", "more": "8.1f", "path_packer": "12.2f",
                     "path_edge": "10.2f"},
                    "more: area with --recode edge, for each weight of a beat"),
    "core": Table("Whole cores, per multiply-accumulate (um2), over an FP16 PE", core_rows,
                  {"area": "10.0f", "over_cells": "11.2f", "per_mac": "9.0f", "to_pe": "7.3f"},
                  "one output lane; over_cells: over products and accumulators"),
}


if __name__ == "__main__":
    sys.exit(main("bench_dot", __doc__ or "", TABLES, "fewer formats, N = 8, K = 1"))
