"""What a compile came to: precomputes and tables, bytes against their bound, cycles, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lowbit.golden.accelerator.isa import from_bytes
from lowbit.golden.accelerator.layout import Matrix

from .cost import Cost, cost
from .program import CallShape, Program

__all__ = ["Line", "kind_of_names", "lines_of", "report", "text"]

COST = ("cycles", "beats", "bytes_read", "bytes_written", "instructions")


@dataclass
class Line:
    """A call, or the calls of all layers that are alike.

    Tables a row: what each column block would expand and scan by itself, then by product (split),
    by call (share), and what of that no operation of the host before it writes (fuse).
    """

    name: str
    fused: str | None
    products: int = 0               #: of one call
    count: int = 0
    by_block: int = 0
    by_product: int = 0
    by_call: int = 0
    alone: int = 0
    costs: dict[int, Cost] | None = None
    bounds: dict[int, int] | None = None


def kind_of_names(names: tuple[str, ...]) -> str:
    """Names of a call, numbers taken out, what they share said once."""
    parts = [["*" if part.isdigit() else part for part in name.removesuffix(".weight").split(".")]
             for name in names]
    same = 0
    while len(parts) > 1 and all(len(p) > same + 1 and p[same] == parts[0][same] for p in parts):
        same += 1
    head = ".".join(parts[0][:same])
    return ".".join(filter(None, [head, ", ".join(".".join(p[same:]) for p in parts)]))


def _add(program: Program, line: Line, call: CallShape, cached: dict[Any, Cost]) -> None:
    p = program.p
    matrices: list[Matrix] = [program.weights[name].matrix for name in call.names]
    tables = matrices[0].k // p.K
    line.count += 1
    line.products = len(matrices)
    line.by_block += sum(-(-m.n // p.N) * tables for m in matrices)
    line.by_product += tables * len(matrices)
    line.by_call += tables
    line.alone += 0 if call.fused else tables
    line.costs, line.bounds = line.costs or {}, line.bounds or {}
    for rows in program.rows:
        key = rows, call.order, tuple((m.n, m.k, m.planes, m.group_size, m.has_offsets,
                                       program.weights[name].slot)
                                      for name, m in zip(call.names, matrices, strict=True))
        if key not in cached:
            cached[key] = cost(p, from_bytes(program.call(call.names, rows).code))
        line.costs[rows] = line.costs.get(rows, Cost()) + cached[key]
        bound = sum(m.data + 4 * rows * m.n for m in matrices) \
            + rows * matrices[0].k * p.a_bits // 8
        line.bounds[rows] = line.bounds.get(rows, 0) + bound


def lines_of(program: Program) -> list[Line]:
    """A line for each kind of call, and the total."""
    found: dict[object, Line] = {}
    cached: dict[Any, Cost] = {}
    total = Line("total", None)
    for call in program.calls.values():
        name = kind_of_names(call.names)
        line = found.setdefault((name, call.fused), Line(name, call.fused))
        _add(program, line, call, cached)
        _add(program, total, call, cached)
    total.products = len(program.weights)
    return [*found.values(), total]


def report(program: Program, *, files: Mapping[str, int], counts: dict[str, dict[str, int]],
           seconds: dict[str, float], rss: int) -> dict[str, Any]:
    """All of it, JSON-ready."""
    lines = []
    for line in lines_of(program):
        assert line.costs is not None and line.bounds is not None
        lines.append(dict(
            name=line.name, calls=line.count, products=line.products, fused=line.fused,
            tables_a_row=dict(by_column_block=line.by_block, split=line.by_product,
                              shared=line.by_call, not_fused=line.alone),
            rows={str(rows): {name: getattr(one, name) for name in COST}
                  | dict(bound=line.bounds[rows], utilisation=round(one.utilisation, 4))
                  for rows, one in line.costs.items()}))
    return dict(source=program.source, architecture=program.architecture,
                design=program.p.flags(), matrices=len(program.weights),
                calls=len(program.calls), rows=program.rows, files=dict(files), operations=counts,
                lines=lines, seconds={name: round(value, 3) for name, value in seconds.items()},
                peak_memory=rss)


def text(found: dict[str, Any]) -> str:
    """The report for people."""
    passes = found["operations"]
    last = passes["emit"]
    fused = sum(last.get(f"lut.{name}_precompute", 0) for name in ("rmsnorm", "silu_mul"))
    shared = last.get("lut.precompute", 0) + fused
    head = ["call", "count", "fused with", "by block", "split", "shared", "alone"]
    for rows in found["rows"]:
        head += [f"{rows} rows: MB" if rows > 1 else "1 row: MB", "of bound", "cycles", "busy"]
    table = [head]
    for line in found["lines"]:
        tables = line["tables_a_row"].values()
        row = [line["name"], str(line["calls"]), line["fused"] or "-", *map("{:,}".format, tables)]
        for one in line["rows"].values():
            moved = one["bytes_read"] + one["bytes_written"]
            row += [f"{moved / 1e6:.3f}", f"{moved / one['bound']:.3f}", f"{one['cycles']:,}",
                    f"{100 * one['utilisation']:.1f} %"]
        table.append(row)
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = [f"{found['source']}: {found['architecture']}, {found['matrices']} matrices in "
             f"{found['calls']} calls, for accel {found['design']}".rstrip(),
             f"precomputes: {passes['split'].get('lut.precompute', 0)} split, {shared} shared, "
             f"{fused} of them fused",
             "tables a row, bytes and cycles:"]
    for row in table:
        lines.append("  ".join(cell.ljust(w) if i in (0, 2) else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
                     .rstrip())
    sizes = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in found["files"].items())
    lines.append(f"{sizes}; {sum(found['seconds'].values()):.1f} s, "
                 f"{found['peak_memory'] / 1e6:.0f} MB of memory at most")
    return "\n".join(lines)
