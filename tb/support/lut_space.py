"""The configurations of the LUT family that are verified: factors, their values, and what is legal.

The regression covers all legal pairs of these values (:func:`regression`): the core's array those
of the core, and that of the table unit, which the core has inside, what is left of its own
(:func:`elsewhere`). The campaign (scripts/studies/campaign.py) draws from the full product.
Legality is the parameter classes' own.

The search for the regression's rows takes a minute, so they are recorded in a file;
``python -m lowbit.tb.support.lut_space`` writes it, and a test looks for a pair that they miss.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lowbit.golden.formats import FloatFormat
from lowbit.golden.lut.parameters import (
    LutCoreParameters,
    LutDotParameters,
    LutParameters,
    LutTableParameters,
)
from lowbit.golden.parameters import ParameterError, Parameters
from lowbit.tb.support.covering import (
    Pair,
    Row,
    missing,
    pairs_of,
    pairwise,
    random_legal,
    shortened,
)

__all__ = ["SPACES", "TERNARY", "build", "row_of", "complaint", "regression_complaint",
           "is_cheap", "elsewhere", "search", "forgotten", "regression", "product", "completed",
           "label"]

#: generator -> rows of its covering array, each a digit for every factor: the place of its value
RECORD = Path(__file__).with_name("lut_regression.json")
#: changes of a row that make the array short
MOVES = 20000

#: what a table is
_TABLE: dict[str, tuple[Any, ...]] = dict(
    target=("asic", "fpga"),
    adder=("ripple", "operator"),
    a_format=("int8", "int16", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2"),
    datapath=(None, "float", "aligned"),
    K=(2, 3, 4, 5, 6),
    groups=(1, 2, 3),
    table=("half", "full"),
    acc=(None, "fp32", "fp16"),
    entry_width=(None, 16),
    table_acc=(None, "fp32", "fp16"),
)
_READ: dict[str, tuple[Any, ...]] = dict(
    select=("onehot", "binary"), negation=("offline", "hardware"),
    table_source=("external", "internal"))

#: the parts alone: the core has them inside, with every K
_PART = _TABLE | dict(K=(3, 4, 6))

#: how long sums get
_SUMS: dict[str, tuple[Any, ...]] = dict(
    w_bits=(1, 2, 3, 4, 8), zero_point=(True, False), max_k=(36, 4096),
    acc_width=(None, 30), exponent=("scan", "given"))

#: factors and values of each generator; ``size`` is (M, N)
SPACES: dict[type[LutParameters], dict[str, tuple[Any, ...]]] = {
    LutTableParameters: _PART | _SUMS | dict(M=(1, 2, 3), pipeline=(1, 2),
                                             reset=("sync", "async_low")),
    LutDotParameters: _PART | _READ,
    LutCoreParameters: _TABLE | _READ | _SUMS | dict(
        size=((1, 1), (1, 12), (2, 3), (2, 12), (4, 5)),
        chains=(1, 2),
        group_scale=("none", "fp16", "fp32"),
        offset=("none", "integer", "real"),
        table_format=("exact", "int8"),
        preload=(True, False),
        out_format=(None, "fp32", "fp16", "int32", "int64", "int8"),
        lanes=(None, 1, 2),
        buffer=("single", "double"),
        pipeline=(0, 1, 2),
        segment=(None, 0, 4),
        reset=("sync", "async_low")),
}


#: cores of ternary weights: what they change, beside few values of the rest
TERNARY: dict[str, tuple[Any, ...]] = dict(
    radix=(3,), K=(1, 2, 3, 4), groups=(1, 2, 5),
    a_format=("int8", "fp16", "fp8_e4m3"), datapath=(None, "float"),
    unpack=("none", "trits5", "sherry"), select=("onehot", "binary"),
    table_source=("external", "internal"), target=("asic", "fpga"),
    size=((1, 9), (3, 5)), max_k=(60,), group_scale=("none", "fp16"), offset=("none", "real"),
    table_format=("exact", "int8"), buffer=("single", "double"))


#: what the table unit does itself, around what it shares with the core: pairs of these it covers
#: itself, wherever else they occur
OWN = ("M", "pipeline", "reset", "datapath", "table")


def _space(cls: type[LutParameters], radix: int) -> dict[str, tuple[Any, ...]]:
    return SPACES[cls] if radix == 2 else TERNARY


def build(cls: type[LutParameters], row: Row) -> LutParameters:
    """The parameter object of a combination; raises :class:`ParameterError` if it is illegal."""
    values = dict(row)
    if "size" in values:
        values["M"], values["N"] = values.pop("size")
    return cls(**values)


def row_of(p: LutParameters) -> Row:
    """The combination that a parameter object was built from."""
    values = p.as_dict()
    if "N" in values:
        values["size"] = (values["M"], values["N"])
    return {name: values[name] for name in _space(type(p), p.radix)}


def complaint(cls: type[LutParameters], row: Row) -> list[str] | None:
    """None if the combination is legal, else the factors that the refusal names."""
    try:
        build(cls, row)
    except ParameterError as error:
        names = [flag.replace("-", "_") for flag in re.findall(r"--([A-Za-z-]+)", str(error))]
        names = ["size" if name in ("M", "N") and "size" in row else name for name in names]
        return [name for name in names if name in row]
    return None


def is_cheap(p: LutParameters) -> bool:
    """Small enough for the regression.

    Exact sums of floats are as wide as the range of the activations (bf16: 262 bits), and a
    table unit has one rounder of that width for every entry, a core with groups one in every
    cell; a step 2**plane of a float is a shifter for every entry; a read is a multiplexer of all
    entries in every cell. Large ones take minutes to build.
    """
    entries = getattr(p, "M", 1) * p.groups * p.entries
    if isinstance(p, LutCoreParameters):
        if entries * p.N > 400 or (p.is_float and p.plane_bits and entries > 64):
            return False
    elif entries > (32 if p.is_float else 96):
        return False
    if not p.is_float:
        return True
    assert isinstance(p.activation, FloatFormat)
    range_bits = p.activation.precision + p.activation.max_exponent_field
    cost = 0
    if getattr(p, "table_source", "internal") == "internal":
        cost = p.entries * range_bits
    if isinstance(p, LutCoreParameters) and (p.groups > 1 or p.acc_format != p.table_float):
        cost = max(cost, p.M * p.N * range_bits // 2)
    return cost <= 700


def regression_complaint(cls: type[LutParameters], row: Row) -> list[str] | None:
    """As :func:`complaint`, but a configuration must be cheap as well."""
    blamed = complaint(cls, row)
    if blamed is None and not is_cheap(build(cls, row)):
        blamed = [name for name in ("a_format", "datapath", "K", "table", "table_source",
                                    "size", "M", "groups", "w_bits") if name in row]
    return blamed


def elsewhere(cls: type[LutParameters]) -> set[Pair]:
    """Pairs of a table unit's factors that rows of the core hold with that unit inside."""
    if cls is not LutTableParameters:
        return set()
    factors = SPACES[cls]
    own = {f for f, name in enumerate(factors) if name in OWN}
    return {(f, i, g, j) for p in regression(LutCoreParameters)
            if isinstance(p, LutCoreParameters) and p.table_source == "internal"
            for f, i, g, j in pairs_of(factors, p.as_dict()) if not (f in own and g in own)}


def _has_all_values(factors: Mapping[str, Sequence[Any]], rows: Sequence[Row]) -> bool:
    return all(any(row[name] == value for row in rows)
               for name, values in factors.items() for value in values)


def search(cls: type[LutParameters], radix: int = 2) -> list[str]:
    """A pairwise covering array of the cheap legal configurations, rows as in :data:`RECORD`;
    each value occurs, also where all its pairs are :func:`elsewhere`."""
    factors, judge = _space(cls, radix), functools.partial(regression_complaint, cls)
    held = elsewhere(cls)
    for seed in itertools.count(1):
        rows = shortened(factors, judge, pairwise(factors, judge, seed, held), MOVES, seed, held)
        if _has_all_values(factors, rows):
            break
    return ["".join(str(values.index(row[name])) for name, values in factors.items())
            for row in rows]


def forgotten(cls: type[LutParameters], radix: int = 2) -> Row | None:
    """A cheap legal configuration with a pair of values that the record misses, if any."""
    return missing(_space(cls, radix), functools.partial(regression_complaint, cls),
                   [row_of(p) for p in regression(cls, radix)], elsewhere=elsewhere(cls))


def regression(cls: type[LutParameters], radix: int = 2) -> list[LutParameters]:
    """The recorded covering array; of radix 3 there is one of the core."""
    key = cls.generator + (f" --radix {radix}" if radix != 2 else "")
    try:
        return [build(cls, {name: values[int(digit)] for (name, values), digit in
                            zip(_space(cls, radix).items(), row, strict=True)})
                for row in json.loads(RECORD.read_text())[key]]
    except (IndexError, ValueError) as error:      # other factors, or other values are legal
        raise ValueError(f"{RECORD.name} is out of date ({error}); write it again with: "
                         "python -m lowbit.tb.support.lut_space") from None


def product() -> list[Row]:
    """The campaign's full product: what an entry is (activation format; exact integers, floats,
    aligned, or INT8 codes), stored table and negation, select, planes, K, groups, zero point.

    :func:`completed` draws the other factors.
    """
    space = SPACES[LutCoreParameters]
    kinds = [dict(a_format=a_format, datapath=datapath, table_format=table_format)
             for a_format in space["a_format"] for datapath in space["datapath"]
             for table_format in space["table_format"]
             if (table_format == "int8" and datapath is None)
             or (table_format == "exact" and a_format.startswith("int") == (datapath is None))]
    styles = [dict(table=table, negation=negation, select=select)
              for table in space["table"] for negation in space["negation"]
              for select in space["select"] if (table, negation) != ("full", "hardware")]
    sizes = [dict(zip(("w_bits", "K", "groups", "zero_point"), values, strict=True))
             for values in itertools.product(*(space[name] for name in
                                               ("w_bits", "K", "groups", "zero_point")))]
    return [kind | style | size for kind in kinds for style in styles for size in sizes]


def completed(row: Row, seed: int) -> LutCoreParameters:
    """The configuration of a row of :func:`product`, the other factors drawn with ``seed``."""
    factors = {name: (row[name],) if name in row else values
               for name, values in SPACES[LutCoreParameters].items()}
    chosen = random_legal(factors, functools.partial(complaint, LutCoreParameters),
                          random.Random(seed))
    p = build(LutCoreParameters, chosen)
    assert isinstance(p, LutCoreParameters)
    return p


def label(p: Parameters) -> str:
    """A short name of a configuration: the flags that differ from the defaults."""
    return p.flags().replace("--", "").replace(" ", "_") or "default"


if __name__ == "__main__":
    found = {"lut_core": search(LutCoreParameters),
             "lut_core --radix 3": search(LutCoreParameters, 3)}
    for part in (LutTableParameters, LutDotParameters):     # what the core's array leaves to them
        RECORD.write_text(json.dumps(found, indent=1) + "\n")
        found[part.generator] = search(part)
    RECORD.write_text(json.dumps(found, indent=1) + "\n")
