"""Parameters as command-line options: what --help says of their defaults."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lowbit.generators.options import ArgumentParser, add_parameters
from lowbit.golden.parameters import Parameters, parameter


@dataclass(frozen=True, kw_only=True)
class Example(Parameters):
    one: int = parameter(1, "first", low=0, high=9)
    none: int = parameter(0, "second", low=0, high=9)
    on: bool = parameter(True, "third")
    off: bool = parameter(False, "fourth")
    width: int | None = parameter(None, "fifth", low=1)


@pytest.mark.parametrize("text", [
    "first; 0..9; default 1", "second; 0..9; default 0", "third; default on",
    "fourth; default off", "fifth; 1 or more; default derived"])
def test_help_shows_the_default(text):
    parser = ArgumentParser(prog="gen example")
    add_parameters(parser, Example)
    assert text in " ".join(parser.format_help().split())
