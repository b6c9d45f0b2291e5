"""What a family of designs is to the rest of the program: its generators and its weight formats.

A family lives in a folder of its own name in ``golden``, ``hdl``, ``tb/benches`` and
``generators/families``; the ``__init__`` of the last one has its descriptor, ``FAMILY``. The
descriptor only names things (``module:attribute``); they are imported on use, so that
``gen --help`` stays fast and the dependency rule (golden <- hdl <- generators <- tb) holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lowbit.golden.parameters import Parameters

if TYPE_CHECKING:
    from lowbit.hdl.common.design import Design

    from .operands import OperandOptions
    from .verilog.emit import Emitted
    from .weights.formats import WeightFormat

__all__ = ["Family", "Generator", "summary"]


def summary(function: Callable[..., Any]) -> str:
    """What a function says that it gives, as a phrase: the first line of its docstring."""
    line = (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return line[:1].lower() + line[1:]


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Generator:
    """How to get from a name to a parameter class, a component, a testbench and a workload."""

    name: str
    summary: str
    parameters: str      #: parameter class
    component: str       #: Amaranth component class; called with the parameter object
    bench: str           #: cocotb test module (a name only: benches are not imported here)
    #: repeated modules that a simulation builds once, inner ones first (flow/blocks.py)
    blocks: tuple[str, ...] = ()
    operands: str = ""   #: class of the options of ``gen run``; none: it multiplies no matrices
    #: more files of ``gen``: dictionary of what a name has after the Verilog file's (".h") ->
    #: function of parameters and :class:`Emitted` that gives the text
    files: str = ""

    def parameter_class(self) -> type[Parameters]:
        cls = _load(self.parameters)
        assert issubclass(cls, Parameters)
        return cls

    def component_class(self) -> Callable[[Any], Design[Any]]:
        """The class of the design, called with its parameters; Amaranth is imported with it."""
        from lowbit.hdl.common.design import Design

        cls = _load(self.component)
        assert issubclass(cls, Design)
        factory: Callable[[Any], Design[Any]] = cls
        return factory

    def operand_options(self) -> OperandOptions:
        """The operands of ``gen run``."""
        options: OperandOptions = _load(self.operands)()
        return options

    def more_files(self) -> dict[str, Callable[[Any, Emitted], str]]:
        """Files beside the Verilog and its manifest."""
        return dict(_load(self.files)) if self.files else {}

    def files_of(self, emitted: Emitted) -> dict[str, Callable[[Any, Emitted], str]]:
        """Those of an emitted design; none around a wrapper, since they are about the design's own
        ports."""
        return {} if "wrap" in emitted.manifest else self.more_files()


@dataclass(frozen=True)
class Family:
    """Generators that share parameters and models, and the weight formats that they bring."""

    name: str
    generators: tuple[Generator, ...]
    formats: str = ""    #: dictionary of weight formats by name

    def load_formats(self) -> dict[str, WeightFormat]:
        return dict(_load(self.formats)) if self.formats else {}
