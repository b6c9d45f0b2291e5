"""Parameter classes as command-line options."""

from __future__ import annotations

import argparse
import dataclasses
import re
from typing import Any, NoReturn

from lowbit.golden.parameters import Parameters, default_text, flag_name

from .errors import UsageError

__all__ = ["ArgumentParser", "add_parameters", "parameter_names", "integer", "megahertz",
           "nanoseconds", "positive", "take_parameters"]


class ArgumentParser(argparse.ArgumentParser):
    """argparse with our error style: one line, exit status 2, no usage dump."""

    def error(self, message: str) -> NoReturn:
        # "argument --K: must be an integer; got x"
        message = re.sub(r"^argument (.*?): ", r"\1 ", message)
        raise UsageError(f"{message} (see {self.prog} --help)")


def integer(text: str) -> int:
    """argparse type: an integer, decimal or with 0x, 0o, 0b."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer; got {text}") from None


def positive(text: str) -> int:
    """argparse type: an integer of at least 1."""
    value = integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {text}")
    return value


def _positive_number(text: str, what: str, below: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < below:
        raise argparse.ArgumentTypeError(f"must be {what}, more than 0 and below "
                                         f"{below:.0e}; got {text}".replace("e+0", "e"))
    return value


def nanoseconds(text: str) -> float:
    """argparse type: a time in ns."""
    return _positive_number(text, "a time in ns", 1e6)


def megahertz(text: str) -> float:
    """argparse type: a frequency in MHz."""
    return _positive_number(text, "a frequency in MHz", 1e4)


def _describe(field: dataclasses.Field[Any]) -> str:
    meta = field.metadata
    words = [meta["help"]]
    if meta["low"] is not None:
        high = meta["high"]
        words.append(f"{meta['low']}..{high}" if high is not None else f"{meta['low']} or more")
    words.append(f"default {default_text(field)}")
    if meta["source"]:
        words.append(meta["source"])
    return "; ".join(words).replace("%", "%%")


def add_parameters(parser: argparse.ArgumentParser, cls: type[Parameters], *,
                   without: tuple[str, ...] = ()) -> None:
    """Add one option per field of ``cls``, but those ``without``: range, default and source in
    its help."""
    group = parser.add_argument_group("design parameters")
    for field in cls.declared():
        if field.name in without:
            continue
        flag, text, meta = flag_name(field.name), _describe(field), field.metadata
        kind: dict[str, Any]
        if isinstance(field.default, bool):
            kind = dict(action=argparse.BooleanOptionalAction)
        elif meta["choices"] is not None:
            kind = dict(metavar="|".join(meta["choices"]))
        else:
            kind = dict(type=integer, metavar=meta["metavar"] or "INT")
        group.add_argument(flag, dest=field.name, default=argparse.SUPPRESS, help=text, **kind)


def parameter_names(cls: type[Parameters]) -> set[str]:
    """Names of the parameters of a class."""
    return {field.name for field in dataclasses.fields(cls)}


def take_parameters(args: argparse.Namespace, cls: type[Parameters]) -> Parameters:
    """The parameter object that the parsed options describe."""
    names = parameter_names(cls)
    return cls(**{name: value for name, value in vars(args).items() if name in names})
