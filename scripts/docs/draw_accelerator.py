"""Pictures of the accelerator: its blocks, and what its units do in time. Run by draw.py."""

from __future__ import annotations

from canvas import Canvas

from lowbit.golden.accelerator.cycles import Timeline, timeline
from lowbit.golden.accelerator.isa import Instruction, Op
from lowbit.golden.accelerator.layout import plan
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.group_scale import Codes

__all__ = ["PICTURES"]


def blocks() -> Canvas:
    """Registers and bus, fetch and dispatch, three units around their buffers."""
    c = Canvas(900, 430, "The accelerator: units, buffers, buses")
    c.frame(120, 20, 760, 395)
    c.label(14, 66, "AXI4-Lite", "bold")
    c.label(14, 84, "host", "small dim")
    c.label(14, 236, "AXI4", "bold")
    c.label(14, 254, "memory", "small dim")
    c.arrow((90, 62), (140, 62))
    c.box(140, 38, 150, 50, "grey", "registers", "start, status, bases")
    c.arrow((215, 88), (215, 112))
    c.box(140, 112, 150, 44, "grey", "fetch", "16 ahead")
    c.arrow((290, 134), (340, 134))
    c.box(340, 112, 150, 44, "grey", "dispatch", "three queues, tokens")
    c.box(140, 200, 90, 84, "grey", "DMA", "reads", "bursts of", "4 KiB")
    c.box(140, 320, 90, 70, "grey", "DMA", "writes")
    c.arrow((90, 236), (140, 236))
    c.arrow((140, 355), (90, 355))
    c.box(270, 205, 110, 74, "blue", "load", "LDA LDW LDS", "LDO LDP")
    c.arrow((230, 242), (270, 242))
    c.box(560, 205, 130, 74, "blue", "execute", "LMMA: five feeds")
    c.box(270, 325, 110, 60, "blue", "store", "ST")
    c.arrow((270, 355), (230, 355))
    for i, (name, kind) in enumerate((
            ("activations", "yellow"), ("exponents", "yellow"), ("patterns", "green"),
            ("scales", "green"), ("offsets", "green"))):
        y = 172 + 30 * i
        c.box(420, y, 110, 24, kind, name)
        c.arrow((380, 242), (400, 242), (400, y + 12), (420, y + 12), style="thin")
        c.arrow((530, y + 12), (560, y + 12), style="thin")
    c.label(384, 300, "scan", "small dim")
    c.box(730, 172, 130, 140, "purple", "LUT core", "tables, columns,", "lanes with",
          "group scales")
    c.arrow((690, 242), (730, 242))
    c.box(420, 335, 270, 40, "yellow", "partial sums and results", "FP32, a bank a row")
    c.arrow((795, 312), (795, 362), (690, 362))
    c.arrow((690, 346), (760, 346), (760, 312), style="line dash")
    c.arrow((420, 355), (380, 355))
    for x in (325, 625):
        c.arrow((415, 156), (415, 166), (x, 166), (x, 205), style="line dash")
    c.label(505, 134, "irq at the end of a program, or what stopped it", "small dim")
    return c


def layer(rows: int) -> tuple[AccelParameters, Timeline]:
    """q, k and v of SmolLM2-135M: 576 inputs, 576 and twice 192 outputs, Q4_1."""
    p = AccelParameters()
    products, at = [], 0
    for n in (576, 192, 192):
        matrix = plan(p, n, 576, 4, 32, Codes.UNSIGNED, True)
        products.append(Product(matrix, 1, at, 2, 0, -(-n // 16)))
        at += matrix.size // 64
    x = Activations(0, 0, row_blocks_of_bytes(p, 576))
    program = [*linear(p, rows, x, products), Instruction(Op.END, {"irq": 1})]
    return p, timeline(p, program)


def units() -> Canvas:
    """What load, execute and store do in the first part of a layer, one row and sixteen."""
    c = Canvas(900, 330, "Load, execute and store in time")
    left, wide = 110, 750
    kinds = {Op.LDA: "yellow", Op.LDW: "green", Op.LDS: "green", Op.LDO: "green", Op.LMMA: "purple",
             Op.ST: "blue"}
    for part, rows in enumerate((1, 16)):
        _, time = layer(rows)
        top, end = 40 + 150 * part, 4200 if rows == 1 else 24000
        c.label(14, top - 12, f"{rows} row{'s' if rows > 1 else ''}: {time.cycles:,} cycles, "
                f"{100 * time.busy:.0f} % of them with a weight beat, "
                f"{100 * time.read_beats / time.cycles:.0f} % with a beat read", "bold")
        for i, unit in enumerate(("load", "execute", "store")):
            y = top + 34 * i
            c.label(14, y + 18, unit)
            c.line([(left, y + 26), (left + wide, y + 26)], "thin")
            busy = left
            for span in time.spans:
                if span.unit != unit or span.start >= end:
                    continue
                x0 = max(left + span.start / end * wide, busy)
                x1 = left + min(span.end, end) / end * wide
                if x1 - x0 >= 1:
                    wide_enough = x1 - x0 > 34
                    c.box(x0, y + 4, x1 - x0 - 1, 20, kinds[span.op],
                          *([span.op.name] if wide_enough else []), style="small")
                    busy = x1
        for i in range(5):
            x = left + i * wide / 4
            c.label(x, top + 118, f"{round(i * end / 4):,}", "small dim", anchor="middle")
    return c


PICTURES = {"accelerator.svg": blocks, "accelerator_units.svg": units}
