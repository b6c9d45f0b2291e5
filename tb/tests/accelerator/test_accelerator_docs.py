"""docs/accelerator.md has the instruction set and the codes as they are."""

from __future__ import annotations

import re
from pathlib import Path

from lowbit.golden.accelerator.isa import FIELDS, UNITS, Error

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "accelerator.md").read_text("utf-8")


def test_instructions() -> None:
    rows = {name: (unit, bits.strip()) for name, unit, bits in re.findall(
        r"^\| (\w+ \d) \| ([^| ]+) \|([^|]*)\|[^|]*\|$", PAGE, re.M)}
    assert len(rows) == len(FIELDS)
    for op, fields in FIELDS.items():
        unit, bits = rows[f"{op.name} {int(op)}"]
        assert unit == UNITS.get(op, "–")
        assert bits == ", ".join(f"{name} {width}" for name, width in fields.items()), op.name


def test_codes() -> None:
    named: dict[str, str] = {}
    for codes, names in re.findall(r"^\| ([\d, ]+) \| ([A-Z_, ]+) \|", PAGE, re.M):
        named |= dict(zip(codes.split(", "), names.split(", "), strict=True))
    assert named == {str(int(code)): code.name for code in Error if code}
