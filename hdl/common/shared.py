"""A repeated component as a shared module: emitted once, instantiated many times.

Amaranth emits a module per *instance*. A :class:`Shared` wraps a component that occurs many times:
while a design is being emitted it becomes an instance of one shared Verilog module; everywhere
else (Amaranth's simulator, a flat conversion) it is the component itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from amaranth.hdl import Elaboratable, ResetInserter, Signal
from amaranth.lib import wiring

__all__ = ["Cleared", "Shared", "Emission", "emitting"]


class Emission(Protocol):
    """What :class:`Shared` needs of the emission under way (``generators/verilog/convert.py``)."""

    def instance(self, shared: Shared) -> Any:
        """Register the module if it is new; return an instance of it."""


_emission: ContextVar[Emission | None] = ContextVar("emission", default=None)


@contextmanager
def emitting(emission: Emission) -> Iterator[None]:
    """Within this context :class:`Shared` elaborates to an instance of the module."""
    token = _emission.set(emission)
    try:
        yield
    finally:
        _emission.reset(token)


class Shared(Elaboratable):
    """One instance of ``component`` as the shared module ``name``.

    Use it exactly as the component: the ports (and any other attribute) of the component are
    attributes of it. Shared modules may contain shared modules.

    Parameters
    ----------
    component:
        the component; its ports become the ports of the instance.
    name:
        of the module; all instances of one name must be the same hardware.
    key:
        what makes two instances of one name the same hardware: hashable, every parameter in it.
        Default ``component.parameters``.
    """

    # Amaranth warns about an object that is created but never elaborated; until the arguments are
    # checked there is nothing to elaborate.
    _MustUse__silence = True

    def __init__(self, component: wiring.Component, name: str, key: Hashable = None) -> None:
        if key is None:
            key = getattr(component, "parameters", None)
        if key is None:
            raise TypeError(f"shared module '{name}' needs a key: its component has no "
                            "`parameters`")
        hash(key)
        self.component = component
        self.name = name
        self.key: Hashable = (type(component), key)
        self._MustUse__silence = False

    @property
    def signature(self) -> wiring.Signature:
        return self.component.signature

    def __getattr__(self, attribute: str) -> Any:
        if attribute == "component":    # not set yet: __init__ failed
            raise AttributeError(attribute)
        return getattr(self.component, attribute)

    def elaborate(self, platform: Any) -> Any:
        emission = _emission.get()
        if emission is None:
            return self.component
        # Only the first component of a name is elaborated; Amaranth warns about the others
        # ("created but never used") unless they are marked as used.
        self.component._MustUse__used = True
        return emission.instance(self)


class Cleared(Shared):
    """A shared module with a reset of its own beside the design's.

    ``clear``, a register of the module around it: in its cycles the component is as in reset.
    """

    def __init__(self, component: wiring.Component, name: str, clear: Signal,
                 key: Hashable = None) -> None:
        super().__init__(component, name, key)
        self.clear = clear

    def elaborate(self, platform: Any) -> Any:
        found = super().elaborate(platform)
        return found if found is not self.component else ResetInserter(self.clear)(found)
