"""Programs as text: an instruction a line, and back.

LMMA is written as in the paper, with the design's shape and formats, the weights' type as unsigned
(``u4``), two's complement (``s4``), odd (``o4``) or floating (``f4``) codes::

    lmma.m2n64k4.fp16.u4.fp32.fp32 a0, w768, s0, p0, rows=8, pitch=144, groups=18, steps=8, init

First come places: words of a buffer (``a0``), blocks of 64 bytes from a base address (``b1+64``).
Then numbers, all of them; then switches; at last the dependency flags in brackets. ``;`` begins a
comment. An LMMA counts rows, not blocks of M rows; ``steps`` is a number of words, a power of two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..group_scale import Codes
from ..parameters import ParameterError
from .isa import FLAGS, FLOAT_CODES, Instruction, Op, encode
from .parameters import AccelParameters

__all__ = ["assemble", "disassemble", "text_of"]

#: buffers: letter -> field, in the order of the text
_PLACES: dict[Op, dict[str, str]] = {
    Op.LDA: {"a": "dst"}, Op.LDW: {"w": "dst"}, Op.LDS: {"s": "dst"}, Op.LDO: {"o": "dst"},
    Op.LDP: {"p": "dst"}, Op.LMMA: {"a": "a", "w": "w", "s": "s", "p": "p"}, Op.ST: {"p": "src"},
    Op.END: {}, Op.SYNC: {}}
_MEMORY = frozenset(_PLACES) - {Op.LMMA, Op.END, Op.SYNC}
_NUMBERS: dict[Op, dict[str, str]] = {
    op: {name: name for name in names.split()} for op, names in {
        Op.LDA: "rows words steps pitch", Op.LDW: "blocks", Op.LDS: "blocks", Op.LDO: "blocks",
        Op.LDP: "rows words pitch", Op.ST: "rows words pitch", Op.END: "", Op.SYNC: ""}.items()}
_NUMBERS[Op.LMMA] = {"rows": "row_blocks", "pitch": "a_pitch", "groups": "groups",
                     "steps": "steps"}
_SWITCHES: dict[Op, tuple[str, ...]] = {Op.LMMA: ("offsets", "init", "keep"), Op.ST: ("fp16",),
                                        Op.END: ("irq",)}
#: letter of a type of weights -> codes; a device refuses those that its engine does not take
_CODES = {"o": Codes.ODD, "s": Codes.SIGNED, "u": Codes.UNSIGNED, "f": FLOAT_CODES}
_LETTERS = {int(codes): letter for letter, codes in _CODES.items()}


def _shape(p: AccelParameters) -> str:
    return f"m{p.M}n{p.N}k{p.K}" + (f"g{p.groups}" if p.groups > 1 else "")


def text_of(p: AccelParameters, i: Instruction) -> str:
    """An instruction of a design as a line."""
    op, words = i.op, [i.op.name.lower()]
    if op is Op.LMMA:
        bits = (i["planes"] + 1) * p.compute.plane_bits
        words = [f"lmma.{_shape(p)}.{p.a_format}.{_LETTERS[i['codes']]}{bits}.fp32.fp32"]
    operands = [f"{letter}{i[name]}" for letter, name in _PLACES[op].items()]
    if op in _MEMORY:
        operands.append(f"b{i['base']}+{i['offset']}")
    for name, field in _NUMBERS[op].items():
        value = 1 << i[field] if name == "steps" else i[field]
        operands.append(f"{name}={value * p.M if field == 'row_blocks' else value}")
    operands += [name for name in _SWITCHES.get(op, ()) if i[name]]
    flags = [name for name in FLAGS if i[name]]
    if operands:
        words.append(", ".join(operands))
    if flags:
        words.append(f"[{', '.join(flags)}]")
    return " ".join(words)


def disassemble(p: AccelParameters, program: Iterable[Instruction]) -> str:
    """A program as text, an instruction a line."""
    return "".join(text_of(p, i) + "\n" for i in program)


def assemble(p: AccelParameters, text: str) -> list[Instruction]:
    """The instructions of a text; :class:`ParameterError` names the line, the field, the rule, the
    value."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if code := line.partition(";")[0].strip():
            try:
                found.append(_Line(p, code).instruction())
            except ParameterError as error:
                raise ParameterError(f"line {number}: {error}") from None
    return found


@dataclass(frozen=True)
class _Line:
    p: AccelParameters
    text: str

    def instruction(self) -> Instruction:
        match = re.fullmatch(r"(\S+)\s*([^\[\]]*?)\s*(?:\[([^\[\]]*)\])?", self.text)
        if match is None:
            raise ParameterError("must be a name, operands, and flags in brackets; "
                                 f"got {self.text}")
        name, operands, flags = match.groups()
        word, *types = name.split(".")
        op = {op.name.lower(): op for op in Op}.get(word)
        if op is None:
            raise ParameterError(f"instruction must be one of "
                                 f"{', '.join(op.name.lower() for op in Op)}; got {word}")
        fields = self._types(types) if op is Op.LMMA else {}
        if types and op is not Op.LMMA:
            raise ParameterError(f"{word} has no types; got {name}")
        rest = [part.strip() for part in operands.split(",")] if operands else []
        self._places(op, rest, fields)
        self._named(op, rest, fields)
        for flag in [part.strip() for part in (flags or "").split(",") if part.strip()]:
            if flag not in FLAGS:
                raise ParameterError(f"flag must be one of {', '.join(FLAGS)}; got {flag}")
            fields[flag] = 1
        instruction = Instruction(op, fields)
        encode(instruction)
        return instruction

    def _types(self, types: list[str]) -> dict[str, int]:
        p = self.p
        if len(types) != 5:
            raise ParameterError("lmma needs a shape and four types, as "
                                 f"lmma.{_shape(p)}.{p.a_format}.u4.fp32.fp32; "
                                 f"got {self.text.split()[0]}")
        for what, got, design in (
                ("shape", types[0], _shape(p)), ("type of activations", types[1], p.a_format),
                ("type of sums", types[3], "fp32"), ("type of results", types[4], "fp32")):
            if got != design:
                raise ParameterError(f"lmma {what} must be {design}, as the design has it; "
                                     f"got {got}")
        match = re.fullmatch(r"([osuf])(\d{1,2})", types[2])
        step = p.compute.plane_bits
        planes, rest = divmod(int(match[2]), step) if match else (0, 0)
        if match is None or rest or not 1 <= planes <= 8:
            raise ParameterError(f"lmma type of weights must be u, s, o or f and {step} to "
                                 f"{8 * step} bits{', an even number' * (step > 1)}; "
                                 f"got {types[2]}")
        return {"codes": int(_CODES[match[1]]), "planes": planes - 1}

    def _places(self, op: Op, rest: list[str], fields: dict[str, int]) -> None:
        wanted: list[tuple[str, str, tuple[str, ...]]] = [
            (rf"{letter}(\d+)", f"{letter} and a word of the buffer", (field,))
            for letter, field in _PLACES[op].items()]
        if op in _MEMORY:
            wanted.append((r"b(\d+)\+(\d+)", "a base and blocks from it, as b0+64",
                           ("base", "offset")))
        for number, (pattern, rule, names) in enumerate(wanted, 1):
            got = rest.pop(0) if rest else "nothing"
            match = re.fullmatch(pattern, got)
            if match is None:
                raise ParameterError(f"{op.name} operand {number} must be {rule}; got {got}")
            fields |= zip(names, map(int, match.groups()), strict=True)

    def _named(self, op: Op, rest: list[str], fields: dict[str, int]) -> None:
        numbers, switches = _NUMBERS[op], _SWITCHES.get(op, ())
        for part in rest:
            name, equals, value = part.partition("=")
            if name not in (numbers if equals else switches):
                raise ParameterError(f"{op.name} takes {', '.join((*numbers, *switches)) or 'none'}"
                                     f" here; got {part or 'nothing'}")
            field = numbers.get(name, name)
            if field in fields:
                raise ParameterError(f"{op.name} {name} must be given once; got {part}")
            if equals and not re.fullmatch(r"\d{1,12}", value):
                raise ParameterError(f"{op.name} {name} must be a number; got {value or 'nothing'}")
            fields[field] = self._value(op, name, field, int(value)) if equals else 1
        if missing := [name for name, field in numbers.items() if field not in fields]:
            raise ParameterError(f"{op.name} {missing[0]} must be given; got {self.text}")

    def _value(self, op: Op, name: str, field: str, value: int) -> int:
        if name == "steps":
            if value < 1 or value & (value - 1):
                raise ParameterError(f"{op.name} steps must be a power of two; got {value}")
            return value.bit_length() - 1
        if field == "row_blocks":
            if value % self.p.M:
                raise ParameterError(f"{op.name} rows must be a multiple of M = {self.p.M}; "
                                     f"got {value}")
            return value // self.p.M
        return value
