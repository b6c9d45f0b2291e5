"""A GPU with LUT tensor cores after Amdahl: what end-to-end speed-ups follow from public numbers.

Linear layers take the longer of their operations on tensor cores ``times`` as fast and of their
bytes; attention and what is done element by element stay in FP16. Weights are at ``bits`` bits
without scales, against FP16 weights on the GPU's own tensor cores. It is a model of what the
published figures depend on, not a reproduction of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .workload import Step, Workload

__all__ = ["GPU", "LACKS", "PUBLISHED", "SETTINGS", "STEPS", "speedup"]


@dataclass(frozen=True)
class Gpu:
    """Peaks, and the shares of them that kernels are taken to reach."""

    name: str = "A100 40 GB (peaks of the data sheet)"
    operations: float = 312e12      #: dense FP16, a second
    bandwidth: float = 1555e9       #: bytes a second
    compute_share: float = 0.7
    memory_share: float = 0.85


GPU = Gpu()
#: what the paper says
PUBLISHED = ("LUT Tensor Core (ISCA 2025): 2.06 to 5.51 for low-bit models end to end; up to 6.93 "
             "with 38.3 % of the area of the FP16 tensor core")
LACKS = ("traces of kernels, limits of registers and shared memory, the paper's tile simulator, "
         "launches, scales of groups, the output head")
#: tensor cores so many times as fast, and bits of a weight
SETTINGS = ((4, 2), (8, 2), (8, 1), (16, 1))
STEPS = (Step("prefill, 1 x 2048", 1, 2048, 2048),
         Step("decode, batch 1, context 2048", 1, 1, 2048),
         Step("decode, batch 1024, context 1", 1024, 1, 1))
#: times that a row of a layer's width crosses memory for norms, activations and residuals
ELEMENTWISE = 6


def _seconds(work: Workload, step: Step, times: float, bits: float) -> float:
    operations = GPU.operations * GPU.compute_share
    bandwidth = GPU.bandwidth * GPU.memory_share
    total = 0.0
    for call in work.calls:
        if call.last:
            continue
        rows = step.rows(call)
        weights = sum(s.n * s.k for s in call.products)
        moved = weights * bits / 8 + 2 * rows * (call.k + sum(s.n for s in call.products))
        total += call.count * max(2 * rows * weights / (operations * times), moved / bandwidth)
    for a in work.attention:
        rows = step.batch * step.new
        moved = 2 * step.batch * step.context * a.keys * 2 + 4 * rows * a.queries * 2
        total += a.count * max(4 * step.pairs * a.queries / operations, moved / bandwidth)
        total += a.count * ELEMENTWISE * rows * a.queries * 2 / bandwidth
    return total


def speedup(work: Workload, step: Step, times: float, bits: float) -> float:
    """Of a step, over the same GPU with FP16 weights."""
    return _seconds(work, step, 1, 16) / _seconds(work, step, times, bits)
