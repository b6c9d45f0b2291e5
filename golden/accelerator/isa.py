"""The instruction set: 128-bit instructions, and the one table of their fields.

Every instruction has an opcode and four dependency flags in its lowest byte. Load, execute and
store run instructions of their own, each in order, and meet through tokens: an instruction takes
one from the unit before (``pop_prev``) or after it (``pop_next``) when it starts, and gives one
(``push_prev``, ``push_next``) when all it wrote is there (VTA's scheme). The order of units is
load, execute, store.

Offsets and pitches in memory count 64 bytes from one of eight base addresses (registers).
Addresses in buffers count words (:class:`~.parameters.AccelParameters`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache

from ..parameters import ParameterError

__all__ = ["BLOCK", "Error", "FIELDS", "FLOAT_CODES", "Instruction", "Op", "UNITS", "decode",
           "encode", "from_bytes", "to_bytes", "OPCODE_BITS", "FLAGS", "TOKENS", "INSTRUCTION_BITS"]

#: bytes that offsets, pitches and lengths in memory count
BLOCK = 64
INSTRUCTION_BITS = 128
#: tokens that may wait between two units, in one direction
TOKENS = 63
OPCODE_BITS = 4
#: ``codes`` of an LMMA whose weights are FP4 with special values; others: those of
#: :class:`lowbit.golden.group_scale.Codes`
FLOAT_CODES = 3
#: dependency flags, above the opcode
FLAGS = ("pop_prev", "pop_next", "push_prev", "push_next")


class Op(IntEnum):
    """Opcodes."""

    END = 0         #: wait for all before, then the program is done
    LDA = 1         #: rows of activations, and the exponent of each group of them
    LDW = 2         #: weight patterns
    LDS = 3         #: group scales
    LDO = 4         #: group offsets
    LDP = 5         #: partial sums (FP32 rows)
    LMMA = 6        #: rows of activations times weights, into partial sums
    ST = 7          #: rows of results
    SYNC = 8        #: wait for all before; no token is left


class Error(IntEnum):
    """What STATUS.code says about the last program."""

    NONE = 0
    OPCODE = 1      #: no such instruction
    FIELD = 2       #: a field that is zero where it may not be, or beyond what the design has
    BOUNDS = 3      #: a word beyond a buffer's end
    READ = 4        #: the bus answered a read with an error
    WRITE = 5       #: the bus answered a write with an error
    DEADLOCK = 6    #: every unit waits for a token
    NO_END = 7      #: the program was over without END
    ABORTED = 8     #: by CTRL.abort
    TOKENS = 9      #: more tokens than a counter holds


#: which unit runs an instruction; END and SYNC belong to none
UNITS = {Op.LDA: "load", Op.LDW: "load", Op.LDS: "load", Op.LDO: "load", Op.LDP: "load",
         Op.LMMA: "execute", Op.ST: "store"}

_MEMORY = {"base": 3, "offset": 32}
_BLOCK = _MEMORY | {"blocks": 16, "dst": 16}
#: bits of each field, lowest first, above the flags
FIELDS: dict[Op, dict[str, int]] = {
    Op.END: {"irq": 1},
    Op.SYNC: {},
    # words of a row; groups of 2**steps words, each with an exponent; row r of M goes to bank
    # r % M, the rows of a bank follow each other
    Op.LDA: _MEMORY | {"rows": 7, "words": 16, "steps": 4, "dst": 16, "pitch": 16},
    Op.LDW: _BLOCK,
    Op.LDS: _BLOCK,
    Op.LDO: _BLOCK,
    Op.LDP: _MEMORY | {"rows": 7, "dst": 12, "words": 10, "pitch": 16},
    # row blocks of M rows, ``a_pitch`` words of activations apart; ``keep``: the sums stay in the
    # engine, and the next LMMA goes on with them
    Op.LMMA: {"a": 16, "a_pitch": 16, "w": 16, "s": 12, "p": 12, "row_blocks": 7, "groups": 10,
              "steps": 4, "planes": 3, "codes": 2, "offsets": 1, "init": 1, "keep": 1},
    Op.ST: _MEMORY | {"rows": 7, "src": 12, "words": 10, "pitch": 16, "fp16": 1},
}


@dataclass(frozen=True)
class Instruction:
    """An opcode and its fields, flags among them; fields that are left out are 0."""

    op: Op
    fields: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.fields.get(name, 0)

    def __hash__(self) -> int:
        return hash(encode(self))


@cache
def layout(op: Op) -> dict[str, int]:
    """Bits of all fields of an instruction above its opcode, flags first."""
    return dict.fromkeys(FLAGS, 1) | FIELDS[op]


def encode(instruction: Instruction) -> int:
    """128 bits; :class:`ParameterError` names a field that does not fit or does not exist."""
    op, at, word = instruction.op, OPCODE_BITS, int(instruction.op)
    fields = layout(op)
    for name in instruction.fields:
        if name not in fields:
            raise ParameterError(f"{op.name} has no field {name}")
    for name, bits in fields.items():
        value = int(instruction[name])
        if not 0 <= value < 1 << bits:
            raise ParameterError(f"{op.name} {name} must be 0..{(1 << bits) - 1}; got {value}")
        word |= value << at
        at += bits
    return word


def decode(word: int) -> Instruction:
    """The inverse of :func:`encode`; ``ValueError`` for an unknown opcode. Bits above the last
    field are ignored, as the hardware does."""
    op, at, fields = Op(word & (1 << OPCODE_BITS) - 1), OPCODE_BITS, {}
    for name, bits in layout(op).items():
        fields[name] = word >> at & (1 << bits) - 1
        at += bits
    return Instruction(op, fields)


def to_bytes(program: Iterable[Instruction]) -> bytes:
    """A program as it lies in memory."""
    return b"".join(encode(i).to_bytes(INSTRUCTION_BITS // 8, "little") for i in program)


def from_bytes(data: bytes) -> list[Instruction]:
    """The inverse of :func:`to_bytes`."""
    size = INSTRUCTION_BITS // 8
    return [decode(int.from_bytes(data[i:i + size], "little")) for i in range(0, len(data), size)]
