"""C of the accelerator's instruction set: opcodes, errors, places of fields, and encoders."""

from __future__ import annotations

from lowbit.golden.accelerator.isa import (
    BLOCK,
    FIELDS,
    FLAGS,
    INSTRUCTION_BITS,
    OPCODE_BITS,
    Error,
    Op,
    layout,
)

__all__ = ["instructions"]

_PUT = """\
/* Put the lowest `bits` of `value` into the instruction `at`, from its bit `low` on. */
static inline void {name}_put(uint32_t at[{words}], unsigned low, unsigned bits, uint32_t value)
{{
    uint64_t field = ((uint64_t)value & ((UINT64_C(1) << bits) - 1)) << (low % 32u);
    at[low / 32u] |= (uint32_t)field;
    if (field >> 32)
        at[low / 32u + 1u] |= (uint32_t)(field >> 32);
}}
"""


def instructions(name: str) -> list[str]:
    """Lines of a header; macros begin with ``name`` in upper case, functions with ``name``."""
    start, words = name.upper(), INSTRUCTION_BITS // 32
    lines = [f"/* Instructions of {INSTRUCTION_BITS} bits: {words} little-endian words, from a "
             f"multiple of {BLOCK} bytes on. */",
             f"#define {start}_INSTRUCTION_WORDS {words}u",
             f"#define {start}_BLOCK {BLOCK}u    /* bytes that offsets and pitches count */", "",
             "/* Opcodes */"]
    lines += [f"#define {start}_OP_{op.name} {op.value}u" for op in Op]
    lines += ["", "/* Flags: tokens taken from, and given to, the unit before and after */"]
    lines += [f"#define {start}_{flag.upper()} {1 << i:#x}u" for i, flag in enumerate(FLAGS)]
    lines += ["", "/* STATUS.code */"]
    lines += [f"#define {start}_ERROR_{error.name} {error.value}u" for error in Error]
    lines += ["", "/* Fields: lowest bit, and bits */"]
    for op in Op:
        at = OPCODE_BITS
        for field, bits in layout(op).items():
            if field not in FLAGS:
                macro = f"{start}_{op.name}_{field.upper()}"
                lines += [f"#define {macro}_LOW {at}u", f"#define {macro}_BITS {bits}u"]
            at += bits
    lines += ["", _PUT.format(name=name, words=words)]
    for op in Op:
        lines += _encoder(name, op, words)
    return lines


def _encoder(name: str, op: Op, words: int) -> list[str]:
    start, at = name.upper(), OPCODE_BITS + len(FLAGS)
    arguments = [f"uint32_t at[{words}]", "uint32_t flags",
                 *(f"uint32_t {field}" for field in FIELDS[op])]
    head, lines = f"static inline void {name}_{op.name.lower()}(", []
    for i, argument in enumerate(arguments):
        text = argument + (")" if i == len(arguments) - 1 else ",")
        if len(head) + len(text) + 1 > 96:
            lines.append(head.rstrip())
            head = "    "
        head += text + " "
    zeros = " = ".join(f"at[{i}]" for i in range(1, words))
    lines += [head.rstrip(), "{", f"    at[0] = {start}_OP_{op.name} | (flags & "
              f"{(1 << len(FLAGS)) - 1:#x}u) << {OPCODE_BITS};", f"    {zeros} = 0;"]
    for field, bits in FIELDS[op].items():
        lines.append(f"    {name}_put(at, {at}u, {bits}u, {field});")
        at += bits
    return [*lines, "}", ""]
