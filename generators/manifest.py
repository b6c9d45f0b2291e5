"""A design from its manifest: ``gen verify|area|run DESIGN.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import UsageError
from .family import Generator
from .files import read_json
from .options import parameter_names
from .registry import GENERATORS
from .wrapping import Wrap, wrap_of

__all__ = ["read_manifest"]


def read_manifest(path: Path) -> tuple[Generator, dict[str, Any], Wrap | None]:
    """The generator, the parameters and the wrapper of the design that a manifest describes.

    :class:`UsageError` where the file is no manifest, or of a design that this version does not
    know.
    """
    manifest = read_json(path, kind="a manifest of gen")
    if not isinstance(manifest, dict) or not {"generator", "parameters"} <= set(manifest) \
            or not isinstance(manifest["parameters"], dict):
        raise UsageError(f"{path} is not a manifest of gen: it names no generator and parameters")
    name = manifest["generator"]
    if name not in GENERATORS:
        raise UsageError(f"{path} describes a design of '{name}', which this version does not "
                         "know; gen list shows all generators")
    given = {field: value for field, value in manifest["parameters"].items() if value is not None}
    unknown = set(given) - parameter_names(GENERATORS[name].parameter_class())
    if unknown:
        raise UsageError(f"{path} has parameters that {name} of this version does not: "
                         f"{', '.join(sorted(unknown))}; emit the design again")
    try:
        return GENERATORS[name], given, wrap_of(manifest)
    except (TypeError, KeyError, AttributeError):
        raise UsageError(f"{path} has a wrapper (wrap) that is none of gen's; "
                         "emit the design again") from None
