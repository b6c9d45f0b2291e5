"""Random programs for the accelerator, and programs with one thing wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.accelerator.isa import BLOCK, Error, Instruction, Op, to_bytes
from lowbit.golden.accelerator.layout import pack
from lowbit.golden.accelerator.linear import (
    Activations,
    Product,
    linear,
    row_blocks_of_bytes,
    rows_per_pass,
)
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FloatFormat
from lowbit.tb.benches.accelerator.weights import draws_of
from lowbit.tb.benches.stimulus import activations

__all__ = ["Program", "Programs"]

Array = NDArray[Any]
#: weight beats of a program, at most
MAX_BEATS = 1500


@dataclass
class Program:
    """A program and its data in memory."""

    instructions: list[Instruction]
    address: int
    bases: list[int]
    words: int                          #: words of results
    results: tuple[int, int]            #: first and last address (plus one) that it writes
    expected: Error = Error.NONE
    fails: range = field(default_factory=lambda: range(0))     #: addresses that answer SLVERR
    settings: dict[str, int] = field(default_factory=dict)     #: registers of the engine
    behind: list[Instruction] = field(default_factory=list)    #: behind END: never done

    @property
    def length(self) -> int:
        """What the register PROG_LEN is told."""
        return len(self.instructions) + len(self.behind)


class Programs:
    """Draws programs and puts them into ``memory``."""

    def __init__(self, p: AccelParameters, memory: NDArray[np.uint8], seed: int) -> None:
        self.p, self.memory = p, memory
        self.rng, self.random = np.random.default_rng(seed), random.Random(seed)

    def draw(self, *, behind: bool = False) -> Program:
        """A few matrices that share their activations, one or two layers; ``behind``: now and then
        with more instructions behind its END."""
        p, rng = self.p, self.random
        self.at = rng.randrange(4) * BLOCK
        bases = [0] * 8
        program: list[Instruction] = []
        words = 0
        first = last = 0
        draws = draws_of(p, self.rng, rng)
        for layer in range(rng.choice((1, 1, 2))):
            size = p.per_beat << rng.randint(*p.steps_range)
            most = max(p.a_depth * p.per_beat // size, 1)
            k = size * rng.randint(1, min(most, max(1, 256 // size)))
            if rng.random() < 0.3 and 2 * p.a_depth < MAX_BEATS and not p.compute.keeps:
                k = size * rng.randint(most + 1, 2 * most)      # more than the buffer holds
            rows = rng.choice((1, 2, 3, p.M, p.M + 1, 2 * p.M, rows_per_pass(p, k) + 1))
            rows = max(1, min(rows, MAX_BEATS // (k // p.per_beat) * p.M // 2, 24))
            x, pitch = self._activations(rows, k, rng.randrange(2))
            products = []
            budget = MAX_BEATS
            for _ in range(rng.choice((1, 2, 3))):
                planes = draws.planes()
                beats = -(-rows // p.M) * (k // p.per_beat) * planes
                blocks = min(max(budget // beats, 1), 3)
                n = rng.randint(1, blocks * p.N)
                budget -= -(-n // p.N) * beats
                matrix = pack(p, draws.weights(n, k, planes, size), draws.slot_words(planes, size))
                place = self._put(np.frombuffer(matrix.image, np.uint8))
                # FP16 rows of a column block must fill blocks of memory
                fp16 = rng.random() < 0.3 and p.N % 32 == 0
                out = -(-n * (2 if fp16 else 4) // BLOCK) + rng.randrange(2)
                psum = None
                if rng.random() < 0.2 and not fp16:
                    values = self._floats(rows, out * 16)
                    psum = Activations(3, self._put(values.view(np.uint8)) // BLOCK, out)
                result = self._room(rows * out * BLOCK)
                first, last = (first or result), result + rows * out * BLOCK
                products.append(Product(matrix, 1, place // BLOCK, 2, result // BLOCK, out, fp16,
                                        psum))
                words += rows * n
                if budget <= 0:
                    break
            if layer:
                program.append(Instruction(Op.SYNC))
            program += linear(p, rows, Activations(0, x // BLOCK, pitch), products)
        more = rng.choices(program, k=rng.randint(1, 40)) if behind and rng.random() < 0.4 else []
        program.append(Instruction(Op.END, {"irq": 1}))
        return self._place(Program(program, 0, bases, words, (first, last),
                                   settings=draws.settings, behind=more))

    def wrong(self, kind: str) -> Program:
        """A program that ends with an error; ``kind``: one of :attr:`KINDS`."""
        program = self._place(getattr(self, f"_{kind}")(self.draw()))
        if kind == "fetch_error":
            at = program.address + self.random.randrange(len(program.instructions)) * 16
            program.fails = range(at, at + 1)
        if kind == "opcode":
            at = self.random.randrange(len(program.instructions))
            self.memory[program.address + 16 * at] = self.random.randrange(9, 16)
        return program

    #: what may be wrong
    KINDS = ("opcode", "field", "bounds_a", "bounds_w", "bounds_p", "bounds_load", "bounds_store",
             "no_end", "empty", "deadlock", "tokens", "read", "write", "slave_error",
             "store_error", "fetch_error")

    # -- data ---------------------------------------------------------------------------------
    def _room(self, size: int) -> int:
        at = self.at
        self.at += -(-size // BLOCK) * BLOCK
        if self.at > len(self.memory):
            raise ValueError("the bench's memory is too small for its programs")
        return at

    def _put(self, data: Array) -> int:
        raw = np.ascontiguousarray(data).reshape(-1)
        at = self._room(len(raw))
        self.memory[at:at + len(raw)] = raw
        return at

    def _place(self, program: Program) -> Program:
        raw = np.frombuffer(to_bytes([*program.instructions, *program.behind]), np.uint8)
        program.address = self._put(raw)
        return program

    def _activations(self, rows: int, k: int, gap: int) -> tuple[int, int]:
        p, fmt = self.p, self.p.compute.activation
        if isinstance(fmt, FloatFormat):
            codes = np.array(activations(self.rng, fmt, rows, k), np.int64)
            if self.random.random() < 0.3:
                codes[self.random.randrange(rows), self.random.randrange(k)] = fmt.nan
        else:
            codes = self.rng.integers(fmt.low, fmt.high + 1, (rows, k))
        pitch = row_blocks_of_bytes(p, k) + gap
        image = np.zeros((rows, pitch * BLOCK), np.uint8)
        raw = codes.astype(f"<i{p.a_bits // 8}").view(np.uint8).reshape(rows, -1)
        image[:, :raw.shape[1]] = raw
        return self._put(image), pitch

    def _floats(self, rows: int, columns: int) -> Array:
        return self.rng.normal(0, 10, (rows, columns)).astype("<f4")

    # -- what is wrong ------------------------------------------------------------------------
    def _change(self, program: Program, op: Op, code: Error, **fields: int) -> Program:
        """The first instruction ``op`` with other fields; an LMMA that has results."""
        at = next(i for i, x in enumerate(program.instructions) if x.op is op and not x["keep"])
        old = program.instructions[at]
        program.instructions[at] = Instruction(op, old.fields | fields)
        return replace(program, expected=code)

    def _opcode(self, program: Program) -> Program:
        return replace(program, expected=Error.OPCODE)

    def _field(self, program: Program) -> Program:
        no_codes = next(codes for codes in range(4) if codes not in self.p.compute.codes)
        op, fields = self.random.choice((
            (Op.LDA, {"rows": 0}), (Op.LDA, {"words": 0}), (Op.LDW, {"blocks": 0}),
            (Op.LMMA, {"groups": 0}), (Op.LMMA, {"row_blocks": 0}), (Op.LMMA, {"steps": 15}),
            (Op.LMMA, {"codes": no_codes}), (Op.LMMA, {"keep": 1, "push_next": 1}),
            (Op.ST, {"words": 0}), (Op.ST, {"rows": 0})))
        return self._change(program, op, Error.FIELD, **fields)

    def _bounds_a(self, program: Program) -> Program:
        step = 1 << self.p.steps_range[1]
        return self._change(program, Op.LMMA, Error.BOUNDS,
                            a=min(self.p.a_depth // step * step + step, (1 << 16) - step))

    def _bounds_w(self, program: Program) -> Program:
        return self._change(program, Op.LMMA, Error.BOUNDS, w=min(self.p.w_depth, (1 << 16) - 1))

    def _bounds_p(self, program: Program) -> Program:
        return self._change(program, Op.LMMA, Error.BOUNDS, p=min(self.p.p_depth, (1 << 12) - 1))

    def _bounds_load(self, program: Program) -> Program:
        ratio = self.p.ratio(self.p.w_word)
        return self._change(program, Op.LDW, Error.BOUNDS,
                            dst=min(self.p.w_depth, (1 << 16) - 1) // ratio * ratio)

    def _bounds_store(self, program: Program) -> Program:
        return self._change(program, Op.ST, Error.BOUNDS, src=min(self.p.p_depth, (1 << 12) - 1))

    def _no_end(self, program: Program) -> Program:
        program.instructions.pop()
        return replace(program, expected=Error.NO_END)

    def _empty(self, program: Program) -> Program:
        program.instructions.clear()
        return replace(program, expected=Error.NO_END)

    def _deadlock(self, program: Program) -> Program:
        return self._change(program, Op.LMMA, Error.DEADLOCK, pop_next=1)

    def _tokens(self, program: Program) -> Program:
        load = next(x for x in program.instructions if x.op is Op.LDW)
        many = [Instruction(Op.LDW, load.fields | {"push_next": 1, "pop_next": 0, "blocks": 1})
                for _ in range(70)]
        program.instructions[:0] = many
        return replace(program, expected=Error.TOKENS)

    def _read(self, program: Program) -> Program:
        return self._change(program, Op.LDW, Error.READ, base=7, offset=len(self.memory) // BLOCK)

    def _write(self, program: Program) -> Program:
        return self._change(program, Op.ST, Error.WRITE, base=7, offset=len(self.memory) // BLOCK)

    def _slave_error(self, program: Program) -> Program:
        load = next(x for x in program.instructions if x.op is Op.LDW)
        at = load["offset"] * BLOCK
        return replace(program, expected=Error.READ, fails=range(at, at + BLOCK))

    def _store_error(self, program: Program) -> Program:
        store = next(x for x in program.instructions if x.op is Op.ST)
        at = store["offset"] * BLOCK
        return replace(program, expected=Error.WRITE, fails=range(at, at + 1))

    def _fetch_error(self, program: Program) -> Program:
        return replace(program, expected=Error.READ)
