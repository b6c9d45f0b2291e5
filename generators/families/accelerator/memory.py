"""What an emitted accelerator expects of memory, and what it has inside, as a page."""

from __future__ import annotations

from lowbit.golden.accelerator.isa import BLOCK, INSTRUCTION_BITS
from lowbit.golden.accelerator.parameters import AccelParameters

from ...verilog.emit import Emitted

__all__ = ["memory_page"]

_TEXT = """\
# Memory of {top}

One AXI4 master of {axi_data} bits with addresses of {axi_address} bits; nothing has a fixed place.
Bursts are of whole beats, at most 4096 bytes, and cross no 4 KiB boundary. What lies beyond memory
should answer with an error: the program then ends with READ or WRITE.

## In memory

Everything begins at a multiple of {block} bytes. Offsets, pitches and lengths in instructions count
{block} bytes, from one of eight base addresses (`BASE_LO`, `BASE_HI`). Numbers are little-endian.

| what | where | form |
|---|---|---|
| program | `PROG_LO`, `PROG_HI` | instructions of {instruction} bytes, up to END |
| activations | LDA | rows of `{a_format}`, each from a multiple of {block} bytes on |
| weights | LDW | for each group, step and plane {w_bytes} bytes: {K} bits a table and column |
| group scales | LDS | for each group {drain} words, each {chains} times {scale} |
{offsets}| partial sums | LDP | rows of FP32 |
| results | ST | rows of FP32, or of FP16 |

A step is {per_beat} activations; a group is {smallest} to {largest} of them, and 2**n steps. In a
block of {N} columns, number c * {drain} + t of weights, scales and offsets is column
t * {chains} + c of the matrix. `lowbit.golden.accelerator.layout` packs weights so, plane 0 (the
lowest bit) first.

## In the design

Addresses in instructions count words of these buffers.

| buffer | banks | words | bits of a word | begins at a multiple of | holds |
|---|---|---|---|---|---|
{buffers}
"""


def memory_page(p: AccelParameters, emitted: Emitted) -> str:
    """The text of the page."""
    rows = [("activations", p.M, p.a_depth, p.a_word, 1),
            ("patterns", 1, p.w_depth, p.w_word, p.ratio(p.w_word)),
            ("scales", 1, p.s_depth, p.s_word, p.ratio(p.s_word))]
    if p.o_word:
        rows.append(("offsets", 1, p.s_depth, p.o_word, p.ratio(p.o_word)))
    rows.append(("results", p.M, p.p_depth, p.p_word, 1))
    notes = {buffer["name"]: buffer["note"] for buffer in emitted.manifest["memories"]}
    offset = p.core.offset_format
    low, high = p.steps_range
    return _TEXT.format(
        top=emitted.top, axi_data=p.axi_data, axi_address=p.axi_address, block=BLOCK, K=p.K, N=p.N,
        instruction=INSTRUCTION_BITS // 8, a_format=p.a_format, w_bytes=p.w_word // 8,
        drain=p.drain, chains=p.chains, scale=p.core.scale_format.name, per_beat=p.per_beat,
        smallest=p.per_beat << low, largest=p.per_beat << high,
        offsets="" if offset is None else "| group offsets | LDO | for each group "
        f"{p.drain} words, each {p.chains} times {offset.name} |\n",
        buffers="\n".join(f"| {' | '.join(map(str, row))} | {notes[str(row[0])]} |"
                          for row in rows))
