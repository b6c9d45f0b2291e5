"""What the accelerator asks of its engine: words of operands, the arithmetic of LMMA, its cycles.

An :class:`Engine` is the golden half of an engine; its hardware is a component with the ports of
``hdl/accelerator/engine.py``. Nothing else of the accelerator knows which engine there is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from ..formats import FP16, FloatFormat, IntFormat
from ..parameters import Parameters
from .isa import Instruction

if TYPE_CHECKING:
    from .layout import Packed
    from .parameters import AccelParameters

__all__ = ["Engine", "Operands", "Schedule"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Operands:
    """What an LMMA ``i`` reads, as words of the buffers hold it."""

    i: Instruction
    x: Any              #: rows of activations, of :meth:`Engine.expand`
    weights: Array      #: uint8 (groups, words of a group, bytes)
    scales: Array       #: int64 (words, entries of a word)
    offsets: Array | None   #: the same, of the words that the engine takes; None: without
    y: Array            #: int64 FP32 codes (rows, drain, chains) that are at ``p``
    settings: Mapping[str, int]     #: registers of :attr:`Engine.settings`
    kept: Any           #: what the LMMA before has left in the engine


class Engine(ABC):
    """Shapes of words and arithmetic of an engine of the design ``p``."""

    #: value of the register ID: four letters
    magic: ClassVar[bytes]
    #: registers that belong to this engine alone
    settings: ClassVar[tuple[str, ...]] = ()
    #: values of LMMA's field ``codes``
    codes: ClassVar[frozenset[int]]
    #: bits of a weight code that a word of patterns holds
    plane_bits: ClassVar[int] = 1
    #: bits of a scale's entry, one for each column, in memory
    scale_bits: int
    #: offsets follow the scales, group by group; else there are ``drain`` words a column block
    offsets_of_groups: ClassVar[bool] = True
    #: sums of a row block may stay for the next LMMA (``keep``), and no other way continues them
    keeps: ClassVar[bool] = False
    #: a group of weights may be cut into shorter ones with the same scale
    cuts_groups: ClassVar[bool] = True
    #: what is said of weights with offsets where there are none
    needs_offsets: ClassVar[str]
    #: format of activations in memory
    activation: FloatFormat | IntFormat = FP16

    def __init__(self, p: AccelParameters) -> None:
        self.p = p

    # -- words --------------------------------------------------------------------------------
    @property
    @abstractmethod
    def design(self) -> Parameters:
        """Parameters of the component inside; :class:`ParameterError` where there is none."""

    @property
    @abstractmethod
    def per_beat(self) -> int:
        """Activations of a row that are taken at once: a step."""

    @property
    @abstractmethod
    def planes(self) -> int:
        """Words of patterns of a step, at most."""

    @property
    @abstractmethod
    def exponent_bits(self) -> int:
        """Bits of the exponent that load finds for each group of a row; 0: none is wanted."""

    @property
    @abstractmethod
    def drain(self) -> int:
        """Words of results of a row."""

    @property
    @abstractmethod
    def scale_words(self) -> int:
        """Words of scales of a group."""

    @property
    @abstractmethod
    def offset_bits(self) -> int:
        """Bits of an offset; 0: there are none."""

    @property
    @abstractmethod
    def out_lanes(self) -> int:
        """Results that leave the component side by side."""

    @property
    @abstractmethod
    def result_latency(self) -> int:
        """Cycles from the last word of weights to the first word of results in the buffer."""

    @property
    def w_word(self) -> int:
        """Bits of a word of patterns: ``plane_bits`` of all columns' weights of a step."""
        return self.p.N * self.per_beat * self.plane_bits

    @property
    def s_word(self) -> int:
        """Bits of a word of scales."""
        return self.p.N // self.scale_words * self.scale_bits

    @property
    def o_word(self) -> int:
        """Bits of a word of offsets, of as many columns as a word of results has."""
        return self.p.chains * self.offset_bits

    @property
    def smallest_slot(self) -> int:
        """Words of scales and offsets that a slot holds at least."""
        return max(self.scale_words, self.drain if self.o_word else 0)

    def derived_fields(self) -> dict[str, Any]:
        """Values of parameters that may be left out."""
        return self.design.derived_fields()

    # -- what it does -------------------------------------------------------------------------
    @abstractmethod
    def refuses(self, i: Instruction) -> bool:
        """Is there something wrong with an LMMA, beside what is wrong with any engine?"""

    @abstractmethod
    def scan(self, codes: Array) -> Array:
        """Exponents (groups,) of groups of a row's activations, codes (groups, size)."""

    @abstractmethod
    def expand(self, codes: Array, exponents: Array) -> Any:
        """Activations codes (rows, groups, size) with exponents (rows, groups), made ready."""

    @abstractmethod
    def multiply(self, of: Operands) -> tuple[Array | None, Any]:
        """Codes (rows, drain, chains) of the results, None where the sums stay in the engine; and
        what stays."""

    @abstractmethod
    def schedule(self) -> Schedule:
        """The engine's cycles, from a start at cycle 0."""

    @abstractmethod
    def described(self) -> dict[str, str]:
        """What lies in memory, in words: ``weights`` and ``scales`` of a group, ``offsets`` (where
        there are some), and which ``columns`` are where."""

    @abstractmethod
    def pack(self, weights: Any, slot_words: int | None = None) -> Packed:
        """A matrix in memory; see :mod:`.layout`."""


class Schedule(ABC):
    """When the engine is done with LMMAs, one after another.

    ``head``: the cycle from which the next one may start; ``results``: when the last results so
    far are written.
    """

    head: int
    results: int

    @abstractmethod
    def restart(self, when: int) -> None:
        """At rest from the cycle ``when`` on."""

    @abstractmethod
    def run(self, i: Instruction, start: int, storing: int) -> int:
        """An LMMA that starts at ``start`` (with its tokens): the cycle in which its operands have
        been read. Moves :attr:`head` and :attr:`results`. ``storing``: up to that cycle a store
        reads the buffer of results as well."""
