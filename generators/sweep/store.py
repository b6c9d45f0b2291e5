"""Measurements on disk, each a file that appears whole: a sweep that ends in any way goes on there,
and another one that meets the same design under the same conditions does not repeat it.

The key is the design, the measurement, what it reads of the conditions, the tools, and all
sources of the project that figures come from: those of the cost model, and its coefficients, for
estimates alone. Failures are not kept: the next sweep tries again.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import lowbit.golden
import lowbit.hdl
from lowbit.golden.parameters import Parameters

from ..errors import UsageError
from ..files import write_whole
from ..flow import timing, yosys
from .metrics import MEASUREMENTS, Conditions, Figures

__all__ = ["Store", "sweep_cache"]


def sweep_cache() -> Path:
    """``$XDG_CACHE_HOME/lowbit/sweep`` or ``~/.cache/lowbit/sweep``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lowbit" / "sweep"


@cache
def _sources(estimated: bool) -> str:
    """Hash of golden models, designs, and generators; of the cost model where it is asked."""
    total = hashlib.sha256()
    here = Path(__file__).resolve().parents[1]
    cost = here / "cost"
    for root in (*lowbit.golden.__path__, *lowbit.hdl.__path__, str(here)):
        for path in sorted(Path(root).rglob("*")):
            if path.suffix in (".py", ".lib", ".tcl", ".cpp", ".h") and cost not in path.parents:
                total.update(path.read_bytes())
    for path in sorted(cost.iterdir()) if estimated else ():
        if path.suffix in (".py", ".json"):
            total.update(path.read_bytes())
    return total.hexdigest()


@cache
def _tools() -> tuple[str, ...]:
    sta = timing.find_sta()
    return (f"pyosys {yosys.yosys_version()}", timing.sta_version(sta) if sta else "no OpenSTA")


class Store:
    """Figures of designs under some conditions."""

    def __init__(self, folder: Path, conditions: Conditions) -> None:
        self.folder, self.conditions = folder, conditions
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create the folder of sweeps {folder}: {error.strerror}; set "
                             "XDG_CACHE_HOME to a writable folder") from None

    def _path(self, p: Parameters, name: str) -> Path:
        used = {field: getattr(self.conditions, field) for field in MEASUREMENTS[name].uses}
        if "library" in used:
            used["library"] = [*self.conditions.library.hashes, *_tools()]
        key = [p.generator, p.resolved(), p.as_dict(), name, repr(sorted(used.items())),
               _sources(bool(used.get("estimated")))]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"

    def get(self, p: Parameters, name: str) -> Figures | None:
        """The figures of a measurement; None where there are none, or none that can be read."""
        try:
            found: Any = json.loads(self._path(p, name).read_text())
            figures: Figures = found["figures"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return figures if set(figures) >= set(MEASUREMENTS[name].figures) else None

    def put(self, p: Parameters, name: str, figures: Figures) -> None:
        """Keep them."""
        text = json.dumps({"design": f"{p.generator} {p.flags()}".rstrip(), "measurement": name,
                           "figures": figures})
        write_whole(self._path(p, name), lambda path: _write(path, text))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
