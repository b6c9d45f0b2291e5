"""A comparison as text for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from .evaluate import Compared, Found, Quoted
from .measurements import Measure
from .plots import KINDS
from .recorded import MODELS, RECORD
from .study import Row

__all__ = ["UNEXPLAINED", "as_csv", "as_markdown", "as_text", "conditions"]

#: a quotient of ours over a published ratio beyond this, or below its inverse, needs a reason
FAR = 1.25
#: what stands where one has none
UNEXPLAINED = "not explained"
COLUMNS = ("design", "scope", "area", "recipe", "plain", "flip-flops", "MAC/cycle", "area per MAC",
           "to base", "path, ns")


#: heads of errors: distributions, then models
ERRORS = (*KINDS.values(), *(title for title, _ in MODELS.values()))


def _errors(compared: Compared, form: str) -> list[str]:
    """Figures under :data:`ERRORS`."""
    found = compared.errors[form]
    return [f"{found[kind]:.2e}" if kind in found else "–" for kind in (*KINDS, *MODELS)]


def _under(compared: Compared) -> list[str]:
    """What the figures of models mean, and which are not there."""
    lines = [f"{title}: {meaning}." for title, meaning in MODELS.values()]
    missing = [form for form, found in compared.errors.items() if not MODELS.keys() <= found.keys()]
    if missing:
        lines.append(f"–: not recorded; {RECORD} measures {', '.join(missing)}.")
    return lines


def conditions(measure: Measure, recipes: Sequence[str]) -> str:
    """The line that figures mean nothing without."""
    libraries = ", ".join(f"{entry['library']} (sha256 {entry['sha256'][:12]})"
                          for entry in measure.library.describe())
    return (f"{measure.tools[0]}, {libraries}, cells as one flat netlist, larger designs module by "
            f"module; area in "
            f"{measure.library.area_unit}: the smallest of {', '.join(recipes)}; paths: sized for "
            f"{measure.clock_ns:g} ns, ideal wires")


def _reason(quoted: Quoted) -> str:
    """Why ours is another figure; "" where it is near the published one."""
    near = 1 / FAR <= quoted.quotient <= FAR
    return quoted.reference.why or ("" if near else UNEXPLAINED)


def _cells(found: Found) -> list[str]:
    path = "" if found.path_ns is None else f"{found.path_ns:.2f}"
    return [found.row.label, found.row.scope, f"{found.best:,.0f}", found.recipe,
            f"{found.areas['plain']:,.0f}", f"{found.flip_flops:,}", f"{found.work:g}",
            f"{found.cost:,.0f}", f"{found.to_base:.3f}", path]


def _quoted(compared: Compared) -> list[list[str]]:
    return [[q.reference.claim, q.reference.source, f"{q.reference.published:g}", f"{q.ours:.3g}",
             f"{q.quotient:.2f}", q.reference.ours, q.reference.base] for q in compared.quoted]


def as_text(compared: Compared) -> str:
    """Tables of a terminal's width."""
    study = compared.study
    parts = [study.title, study.question, "",
             _table(COLUMNS, [_cells(found) for found in compared.rows], left=2)]
    if study.errors:
        rows = [[weights.label, weights.form, f"{compared.point_cost(weights):,.0f}",
                 *_errors(compared, weights.form)] for weights in study.errors]
        parts += ["", _table(("design", "weights", "area x cycles", *ERRORS), rows, left=2),
                  *_under(compared)]
    if compared.quoted:
        rows = [row[:5] for row in _quoted(compared)]
        parts += ["", _table(("published", "in", "there", "here", "quotient"), rows, left=2)]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Columns of equal width, the first ``left`` of them flush left."""
    wide = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(wide[i]) if i < left else cell.rjust(wide[i])
                               for i, cell in enumerate(row)).rstrip() for row in [head, *rows])


def _made_of(row: Row) -> str:
    """What a row measures, in words."""
    if row.verilog:
        what = row.command
    else:
        what = f"`{row.command}`" + (f", module `{row.module}`" if row.module else "")
    times = f", {row.times} of it" if row.times > 1 else ""
    return what + times + "".join(f", with {share:g} of “{label}”" for label, share in row.plus)


def as_markdown(compared: Compared, under: str) -> str:
    """One study as a section; ``under`` is the line of conditions."""
    study = compared.study
    lines = [f"## {study.title}", "", study.question, "",
             f"![{study.title}]({study.name}.svg)", "",
             _pipes(COLUMNS, [_cells(found) for found in compared.rows], left=2), "",
             "*to base*: area for a multiply-accumulate a cycle, over that of "
             f"“{study.base_label}”. {under}.", "",
             *(f"- {row.label}: {_made_of(row)}" for row in study.rows), ""]
    if study.errors:
        rows = [[weights.label, weights.form, f"{compared.point_cost(weights):,.0f}",
                 *_errors(compared, weights.form)] for weights in study.errors]
        lines += [f"![{study.title}]({study.name}_error.svg)", "",
                  _pipes(("design", "weights", "area × cycles", *ERRORS), rows, left=2), "",
                  *(line + "\n" for line in _under(compared))]
    if compared.quoted:
        lines += [_pipes(("published", "in", "there", "here", "quotient", "ours", "base"),
                         _quoted(compared), left=2), ""]
        lines += [f"- {q.reference.claim}: {reason}" for q in compared.quoted
                  if (reason := _reason(q))]
        lines += ["", "Published figures are of other technologies and tools: compare ratios only.",
                  ""]
    return "\n".join(lines)


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    rule = ["---" if i < left else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def as_csv(compared: Compared) -> str:
    """All figures, unrounded: one line a row and recipe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["study", "label", "scope", "command", "module", "times", "recipe", "area",
                     "best", "flip_flops", "macs_per_cycle", "to_base", "path_ns"])
    for found in compared.rows:
        row = found.row
        for recipe, area in found.areas.items():
            writer.writerow([compared.study.name, row.label, row.scope, row.command, row.module,
                             row.times, recipe, repr(area), int(recipe == found.recipe),
                             found.flip_flops, repr(found.work), repr(found.to_base),
                             "" if found.path_ns is None else found.path_ns])
    return out.getvalue()
