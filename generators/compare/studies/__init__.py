"""The studies, one a file with its ``STUDY``."""

from __future__ import annotations

import importlib

from ..study import Study

__all__ = ["STUDIES", "load"]

#: files of this folder, in the order of ``gen compare all``
STUDIES = ("lut", "bitmod", "ternary", "fpint", "formats", "systolic")


def load(name: str) -> Study:
    study = importlib.import_module(f"{__name__}.{name}").STUDY
    assert isinstance(study, Study)
    return study
