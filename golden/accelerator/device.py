"""The golden simulator: programs on memory and buffers, in exact arithmetic, without time.

Fetch and the three units are actors that take turns: which goes next is drawn from a seed where
more than one can. A program whose tokens order everything that must be ordered gives the same
memory for every seed; seeds that differ show one that does not.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bits import unpack_bits
from ..formats import FP16, FP32
from .engine import Operands
from .isa import BLOCK, INSTRUCTION_BITS, TOKENS, UNITS, Error, Instruction, Op, decode
from .parameters import AccelParameters

__all__ = ["Device", "Fault"]

Array = NDArray[Any]
_ORDER = ("load", "execute", "store")
#: an instruction, the tokens (from, to) that it takes, and those that it gives
_Queued = tuple[Instruction, list[tuple[str, str]], list[tuple[str, str]]]
#: the units before and after each
_NEIGHBOURS = {"load": (None, "execute"), "execute": ("load", "store"), "store": ("execute", None)}


class Fault(Exception):
    """What stops a program."""

    def __init__(self, code: Error) -> None:
        super().__init__(code.name)
        self.code = code


class Device:
    """An accelerator and its memory.

    ``memory``: uint8, read and written by programs and by whoever holds it; ``bases``: the eight
    base addresses in bytes, ``settings`` registers that belong to the engine. :meth:`run` runs a
    program; afterwards ``code`` and ``irq`` hold what the registers say, ``executed`` the number
    of instructions of each opcode.
    """

    def __init__(self, p: AccelParameters, memory: Array) -> None:
        self.p, self.memory = p, memory
        self.engine = p.compute
        self.bases = [0] * 8
        self.settings = dict.fromkeys(self.engine.settings, 0)
        self.kept: Any = None       # sums that stay in the engine for the next LMMA
        self.code, self.irq = Error.NONE, False
        self.executed: Counter[Op] = Counter()
        self.bytes_read = self.bytes_written = 0
        kind = np.int64
        self.a = np.zeros((p.a_depth, p.M, p.per_beat), kind)
        self.e = np.zeros((p.e_depth, p.M), kind)
        self.w = np.zeros((p.w_depth, p.w_word // 8), np.uint8)
        self.s = np.zeros((p.s_depth, p.s_word // self.engine.scale_bits), kind)
        self.o = np.zeros((p.s_depth, p.chains), kind)
        self.results = np.zeros((p.p_depth, p.M, p.chains), kind)
        self._expanded: dict[tuple[int, ...], Any] = {}
        self._do: dict[Op, Callable[[Instruction], None]] = {
            Op.LDA: self._lda, Op.LDW: self._ldw, Op.LDS: self._lds, Op.LDO: self._ldo,
            Op.LDP: self._ldp, Op.LMMA: self._lmma, Op.ST: self._st}

    def forget(self) -> None:
        """Activations as after power-on: rows that nothing writes then cost no time."""
        self.a[:] = 0
        self._expanded.clear()

    # -- programs -----------------------------------------------------------------------------
    def run(self, address: int, instructions: int, seed: int | None = None) -> Error:
        """Run the program at ``address``; ``seed`` draws the order of what may go next."""
        rng = None if seed is None else random.Random(seed)
        self.code, self.irq = Error.NONE, False
        queues: dict[str, deque[_Queued]] = {unit: deque() for unit in _ORDER}
        tokens: Counter[tuple[str, str]] = Counter()
        pc, fetched = 0, -1
        following: Instruction | None = None
        try:
            while True:
                ready = [unit for unit, queue in queues.items()
                         if queue and all(tokens[way] for way in queue[0][1])]
                if fetched != pc:
                    following = self._fetch(address, pc) if pc < instructions else None
                    fetched = pc
                if following is not None and following.op in UNITS:
                    if len(queues[UNITS[following.op]]) < self.p.queue:
                        ready.insert(0, "fetch")
                elif not any(queues.values()):
                    if following is None:
                        raise Fault(Error.NO_END)
                    self.executed[following.op] += 1
                    if following.op is Op.END:
                        self.irq = bool(following["irq"])
                        if pc + 1 < instructions:
                            self.kept = None        # what is behind is dropped, and they with it
                        return self.code
                    tokens.clear()
                    pc += 1
                    continue
                if not ready:
                    raise Fault(Error.DEADLOCK)
                actor = ready[0] if rng is None else rng.choice(ready)
                if actor == "fetch":
                    assert following is not None
                    self._check(following)
                    unit = UNITS[following.op]
                    queues[unit].append((following, _pops(unit, following),
                                         _pushes(unit, following)))
                    pc += 1
                else:
                    instruction, pops, pushes = queues[actor].popleft()
                    for way in pops:
                        tokens[way] -= 1
                    self._do[instruction.op](instruction)
                    self.executed[instruction.op] += 1
                    for way in pushes:
                        tokens[way] += 1
                        if tokens[way] > TOKENS:
                            raise Fault(Error.TOKENS)
        except Fault as fault:
            self.code, self.irq = fault.code, True
            self.kept = None
        return self.code

    def _fetch(self, address: int, pc: int) -> Instruction:
        size = INSTRUCTION_BITS // 8
        try:
            return decode(int.from_bytes(self._read(address + pc * size, size).tobytes(), "little"))
        except ValueError:
            raise Fault(Error.OPCODE) from None

    def _check(self, i: Instruction) -> None:
        """What is refused before an instruction goes to its unit."""
        p, low = self.p, (1 << i["steps"]) - 1
        present = {Op.LDA: ("rows", "words"), Op.LDP: ("rows", "words"), Op.ST: ("rows", "words"),
                   Op.LMMA: ("row_blocks", "groups")}.get(i.op, ("blocks",))
        bad = any(i[name] == 0 for name in present)
        if i.op in (Op.LDA, Op.LMMA):
            smallest, largest = p.steps_range
            bad |= not smallest <= i["steps"] <= largest
        if i.op is Op.LDA:
            bad |= bool((i["words"] | i["dst"]) & low)
        if i.op is Op.LMMA:
            engine = self.engine
            bad |= bool((i["a"] | i["a_pitch"]) & low) or i["planes"] >= engine.planes
            bad |= i["codes"] not in engine.codes or bool(i["offsets"] and not p.o_word)
            # what stays belongs to one row block, and gives no results
            bad |= bool(i["keep"] and not (engine.keeps and i["row_blocks"] == 1
                                           and not i["push_next"]))
            bad |= engine.refuses(i)
        bad |= i.op is Op.LDO and not p.o_word
        words = {Op.LDW: p.w_word, Op.LDS: p.s_word, Op.LDO: p.o_word}.get(i.op, 0)
        bad |= bool(words and i["dst"] % p.ratio(words))
        if bad:
            raise Fault(Error.FIELD)

    # -- memory -------------------------------------------------------------------------------
    def _read(self, address: int, size: int) -> Array:
        if address + size > len(self.memory):
            raise Fault(Error.READ)
        return self.memory[address:address + size]

    def _address(self, i: Instruction, row: int) -> int:
        base = self.bases[i["base"]] // BLOCK
        return (base + i["offset"] + row * i["pitch"]) * BLOCK

    def _row(self, i: Instruction, row: int, size: int) -> Array:
        """Bytes of a row of an instruction; whole blocks are read."""
        address = self._address(i, row)
        whole = -(-size // BLOCK) * BLOCK
        self.bytes_read += whole
        return self._read(address, whole)[:size]

    # -- load ---------------------------------------------------------------------------------
    def _lda(self, i: Instruction) -> None:
        p, words, steps = self.p, i["words"], 1 << i["steps"]
        if i["dst"] + -(-i["rows"] // p.M) * words > p.a_depth:
            raise Fault(Error.BOUNDS)
        self._expanded.clear()
        for row in range(i["rows"]):
            at, bank = i["dst"] + row // p.M * words, row % p.M
            data = self._row(i, row, words * p.a_word // 8)
            signed = not self.engine.activation.is_float
            codes = unpack_bits(data, p.a_bits, words * p.per_beat, signed=signed).astype(np.int64)
            self.a[at:at + words, bank] = codes.reshape(words, -1)
            if self.engine.exponent_bits:
                of_groups = codes.reshape(-1, steps * p.per_beat)
                first = at // steps
                self.e[first:first + len(of_groups), bank] = self.engine.scan(of_groups)

    def _block(self, i: Instruction, word: int, depth: int) -> Array:
        """Whole words (n, bytes) of a block."""
        data = self._row(i, 0, i["blocks"] * BLOCK)
        words = len(data) * 8 // word
        if i["dst"] + words > depth:
            raise Fault(Error.BOUNDS)
        return data[:words * word // 8].reshape(words, -1)

    def _ldw(self, i: Instruction) -> None:
        words = self._block(i, self.p.w_word, self.p.w_depth)
        self.w[i["dst"]:i["dst"] + len(words)] = words

    def _lds(self, i: Instruction) -> None:
        words = self._block(i, self.p.s_word, self.p.s_depth)
        self.s[i["dst"]:i["dst"] + len(words)] = unpack_bits(
            words, self.engine.scale_bits, self.s.shape[1])

    def _ldo(self, i: Instruction) -> None:
        words = self._block(i, self.p.o_word, self.p.s_depth)
        self.o[i["dst"]:i["dst"] + len(words)] = unpack_bits(
            words, self.engine.offset_bits, self.p.chains)

    def _result_rows(self, i: Instruction, first: int) -> list[tuple[slice, int]]:
        """Where the words of each row of results are, and in which bank."""
        p = self.p
        if first + (-(-i["rows"] // p.M) - 1) * p.drain + i["words"] > p.p_depth:
            raise Fault(Error.BOUNDS)
        starts = [first + row // p.M * p.drain for row in range(i["rows"])]
        return [(slice(at, at + i["words"]), row % p.M) for row, at in enumerate(starts)]

    def _ldp(self, i: Instruction) -> None:
        size = i["words"] * self.p.p_word // 8
        for row, (at, bank) in enumerate(self._result_rows(i, i["dst"])):
            codes = self._row(i, row, size).view("<u4").astype(np.int64)
            self.results[at, bank] = codes.reshape(i["words"], -1)

    # -- execute ------------------------------------------------------------------------------
    def _lmma(self, i: Instruction) -> None:
        p, engine = self.p, self.engine
        steps, planes, groups = 1 << i["steps"], i["planes"] + 1, i["groups"]
        blocks, words, drain = i["row_blocks"], groups << i["steps"], p.drain
        scales = groups * engine.scale_words
        offsets = scales if engine.offsets_of_groups else drain
        ends = [(i["a"] + (blocks - 1) * i["a_pitch"] + words, p.a_depth),
                (i["w"] + words * planes, p.w_depth), (i["s"] + scales, p.s_depth)]
        if not i["keep"]:
            ends.append((i["p"] + blocks * drain, p.p_depth))
            if i["offsets"]:
                ends.append((i["s"] + offsets, p.s_depth))
        if any(end > depth for end, depth in ends):
            raise Fault(Error.BOUNDS)
        rows = slice(i["p"], i["p"] + blocks * drain)
        # (row blocks, words, M, chains) to (rows, words, chains)
        there = self.results[rows] if not i["keep"] else np.zeros((blocks * drain, p.M, p.chains),
                                                                  np.int64)
        y = there.reshape(blocks, drain, p.M, p.chains).swapaxes(1, 2)
        y = np.zeros_like(y) if i["init"] else y
        found, self.kept = engine.multiply(Operands(
            i, self._ready(i["a"], i["a_pitch"], blocks, groups, steps),
            self.w[i["w"]:i["w"] + words * planes].reshape(groups, steps * planes, -1),
            self.s[i["s"]:i["s"] + scales],
            self.o[i["s"]:i["s"] + offsets] if i["offsets"] else None,
            y.reshape(blocks * p.M, drain, p.chains), self.settings, self.kept))
        if found is not None:
            self.results[rows] = found.reshape(blocks, p.M, drain, p.chains).swapaxes(1, 2) \
                .reshape(-1, p.M, p.chains)

    def _ready(self, a: int, pitch: int, blocks: int, groups: int, steps: int) -> Any:
        """Activations do not change between loads, and column blocks share what is made of them."""
        key = (a, pitch, blocks, groups, steps)
        if key not in self._expanded:
            p, words = self.p, groups * steps
            starts = a + np.arange(blocks) * pitch
            codes = self.a[starts[:, None] + np.arange(words)]      # (blocks, words, M, per beat)
            exponent = self.e[starts[:, None] // steps + np.arange(groups)]
            self._expanded[key] = self.engine.expand(
                codes.transpose(0, 2, 1, 3).reshape(blocks * p.M, groups, -1),
                exponent.transpose(0, 2, 1).reshape(blocks * p.M, groups))
        return self._expanded[key]

    # -- store --------------------------------------------------------------------------------
    def _st(self, i: Instruction) -> None:
        for row, (at, bank) in enumerate(self._result_rows(i, i["src"])):
            codes = self.results[at, bank].reshape(-1)
            data = (FP16.convert(codes, FP32).astype("<u2") if i["fp16"]
                    else codes.astype("<u4")).view(np.uint8)
            address = self._address(i, row)
            if address + len(data) > len(self.memory):
                raise Fault(Error.WRITE)
            self.memory[address:address + len(data)] = data
            self.bytes_written += len(data)


#: unit -> flag -> tokens (from, to): a unit at the end has no one beyond it
_TAKES = {unit: {flag: (other, unit) for flag, other in zip(("pop_prev", "pop_next"), ends,
                                                            strict=True) if other}
          for unit, ends in _NEIGHBOURS.items()}
_GIVES = {unit: {flag: (unit, other) for flag, other in zip(("push_prev", "push_next"), ends,
                                                            strict=True) if other}
          for unit, ends in _NEIGHBOURS.items()}


def _pops(unit: str, i: Instruction) -> list[tuple[str, str]]:
    """Tokens that an instruction takes."""
    return [way for flag, way in _TAKES[unit].items() if i[flag]]


def _pushes(unit: str, i: Instruction) -> list[tuple[str, str]]:
    """Tokens that it gives."""
    return [way for flag, way in _GIVES[unit].items() if i[flag]]
