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
| weights | LDW | {weights} |
| group scales | LDS | {scales} |
{offsets}| partial sums | LDP | rows of FP32 |
| results | ST | rows of FP32, or of FP16 |

A step is {per_beat} activations; a group is {smallest} to {largest} of them, and 2**n steps. In a
block of {N} columns, {columns}. `lowbit.golden.accelerator.layout` packs weights so.

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
    words = p.compute.described()
    low, high = p.steps_range
    return _TEXT.format(
        top=emitted.top, axi_data=p.axi_data, axi_address=p.axi_address, block=BLOCK, N=p.N,
        instruction=INSTRUCTION_BITS // 8, a_format=p.a_format, per_beat=p.per_beat,
        smallest=p.per_beat << low, largest=p.per_beat << high, weights=words["weights"],
        scales=words["scales"], columns=words["columns"],
        offsets=f"| offsets | LDO | {words['offsets']} |\n" if "offsets" in words else "",
        buffers="\n".join(f"| {' | '.join(map(str, row))} | {notes[str(row[0])]} |"
                          for row in rows))
