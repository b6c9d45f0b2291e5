"""The accelerator that a model is compiled for, from its manifest."""

from __future__ import annotations

from pathlib import Path

from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from ..files import read_json
from ..options import parameter_names

__all__ = ["read_target"]


def read_target(path: Path) -> AccelParameters:
    """The parameters in a manifest of ``accel``; those that it leaves out are at their default.

    :class:`UsageError` names what is wrong with the file, or an engine that no model is compiled
    for.
    """
    found = read_json(path, "--target", "a manifest of gen")
    if not isinstance(found, dict) or not isinstance(found.get("parameters"), dict):
        raise UsageError(f"--target {path} is not a manifest of gen: it has no parameters")
    if found.get("generator") != AccelParameters.generator:
        raise UsageError(f"--target must be the manifest of an accelerator (accel); {path} is of "
                         f"{found.get('generator')}")
    unknown = sorted(set(found["parameters"]) - parameter_names(AccelParameters))
    if unknown:
        raise UsageError(f"--target {path} has parameters that accel of this version does not: "
                         f"{', '.join(unknown)}")
    given = {name: value for name, value in found["parameters"].items() if value is not None}
    try:
        p = AccelParameters(**given)
    except (ParameterError, TypeError) as error:
        raise UsageError(f"--target {path}: {error}") from None
    if p.engine != "lut":
        raise UsageError(f"--target {path}: models are compiled for --engine lut; got {p.engine}")
    return p
