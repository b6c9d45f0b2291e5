"""Tables of docs/estimate.md. Run by figures.py."""

from __future__ import annotations

from tables import number, table

from lowbit.generators.estimate import sensitivity
from lowbit.generators.estimate.shapes import known

__all__ = ["COMPUTED"]

#: models of the paper's end-to-end figures
MODELS = ("BitNet-b1.58-3B", "Llama-2-13B", "Llama-2-70B", "OPT-175B", "BLOOM-176B")


def published() -> str:
    """Speed-ups by the roofline, and what is published."""
    head = ("model", "step", *(f"×{times}, W{bits}" for times, bits in sensitivity.SETTINGS))
    rows = []
    for name in MODELS:
        work = known()[name].workload(2)
        rows += [(name, step.name.replace(" x ", " × "), *(
            number(sensitivity.speedup(work, step, times, bits), 2)
            for times, bits in sensitivity.SETTINGS)) for step in sensitivity.STEPS]
    return (f"{table(head, rows)}\n\nPublished: {sensitivity.PUBLISHED}. What this table lacks: "
            f"{sensitivity.LACKS}.")


COMPUTED = {"sensitivity": published}
