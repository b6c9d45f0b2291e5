"""The ports of an engine: what the accelerator gives it, and what it wants back.

An engine is a component with these streams, :mod:`lowbit.golden.accelerator.engine` its golden
half. The feeds read its operands from the buffers: a beat for each word of patterns, of
activations, of scales, and of offsets where they belong to no group.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from amaranth.hdl import Const, Module, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from lowbit.golden.accelerator.isa import FIELDS, Op
from lowbit.golden.accelerator.parameters import AccelParameters

from ..common.struct import StructComponent

__all__ = ["Engine"]


class Engine(StructComponent):
    """Base of the engines; :attr:`parameters` are the accelerator's.

    Ports
    -----
    weight:
        a ``word`` of patterns; the ``plane`` of its step (from the number of planes less one down
        to 0 where exponents are found, else up), ``table_last``: the step's last word; ``first``
        and ``last`` word of its group, which ``start`` or ``finish`` an LMMA; ``codes`` and
        :attr:`notes`: fields of the LMMA.
    activation:
        ``values`` of all rows, a step; ``first`` of a group: its ``exponents`` (where there are
        such), one a row.
    scale:
        a ``word`` of scales; where offsets belong to groups, whether there are ``offsets`` and the
        ``offset`` word.
    offset:
        where offsets belong to row blocks: a ``word``, or that there are no ``offsets``.
    partial:
        partial sums of all rows (zeros with ``init``), a word; ``fresh``, where
        :attr:`tells_fresh`: they are such zeros.
    result:
        results of all rows, a word; where the sums of an LMMA stay in the engine, none.
    special, ... :
        registers that belong to the engine; they do not change while a program runs.
    """

    #: fields of LMMA that go with each word of patterns
    notes: ClassVar[tuple[str, ...]] = ()
    #: feeds whose last words free the slots of an LMMA, when all of them have been read
    frees: ClassVar[tuple[str, ...]] = ("scales",)
    #: the engine wants to know whether results begin from zero
    tells_fresh: ClassVar[bool] = False

    def __init__(self, p: AccelParameters) -> None:
        self.parameters = p
        compute, rows = p.compute, p.M * p.p_word
        bits = FIELDS[Op.LMMA]
        weight = {"word": p.w_word, "plane": bits["planes"], "first": 1, "last": 1,
                  "table_last": 1, "codes": 2, "start": 1, "finish": 1,
                  **{name: bits[name] for name in self.notes}}
        activation = {"values": p.M * p.a_word, "first": 1}
        if compute.exponent_bits:
            activation["exponents"] = p.M * compute.exponent_bits
        scale = {"word": p.s_word}
        if p.o_word and compute.offsets_of_groups:
            scale |= {"offsets": 1, "offset": p.o_word}
        streams = {"weight": weight, "activation": activation, "scale": scale}
        if p.o_word and not compute.offsets_of_groups:
            streams["offset"] = {"offsets": 1, "word": p.o_word}
        ports: dict[str, Any] = {
            name: In(stream.Signature(data.StructLayout(fields)))
            for name, fields in streams.items()}
        ports |= {"partial": In(stream.Signature(rows)), "result": Out(stream.Signature(rows))}
        if self.tells_fresh:
            ports["fresh"] = In(1)
        super().__init__(ports | {name.lower(): In(32) for name in compute.settings})

    @classmethod
    def refuses(cls, p: AccelParameters, lmma: Any) -> Value:
        """Is there something wrong with the fields of an LMMA for this engine? As
        :meth:`lowbit.golden.accelerator.engine.Engine.refuses`."""
        return Const(0, 1)

    @classmethod
    @abstractmethod
    def scan(cls, m: Module, p: AccelParameters, word: Value, take: Value, first: Value,
             last: Value) -> Value:
        """The exponent of a group of a row's activations, the cycle after its ``last`` word;
        ``take``: ``word`` counts."""
