"""Calls: the products of one precompute go to the accelerator together, as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from lowbit.golden.accelerator.isa import BLOCK, Instruction, Op
from lowbit.golden.accelerator.layout import Matrix, blocks
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters

from .dialect import MpGemm, RmsNormPrecompute, SiluMulPrecompute
from .model import operations

__all__ = ["ACTIVATIONS", "RESULTS", "WEIGHTS", "CallPlan", "calls_of", "program_of",
           "result_pitch", "result_places"]

#: base registers
WEIGHTS, ACTIVATIONS, RESULTS = 0, 1, 2


@dataclass(frozen=True)
class CallPlan:
    """Products (in the model's order) of one precompute."""

    products: list[MpGemm]
    fused: str | None           #: what writes the activations: rmsnorm, silu_mul

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(op.label for op in self.products)

    @property
    def order(self) -> tuple[int, ...]:
        """Place of each product in the program."""
        return tuple(number if op.order is None else op.order.value.data
                     for number, op in enumerate(self.products))


def calls_of(module: ModuleOp) -> list[CallPlan]:
    """Calls in the model's order."""
    found: dict[object, CallPlan] = {}
    for op in operations(module, MpGemm):
        owner = op.x.owner
        fused = "rmsnorm" if isinstance(owner, RmsNormPrecompute) else \
            "silu_mul" if isinstance(owner, SiluMulPrecompute) else None
        found.setdefault(op.x, CallPlan([], fused)).products.append(op)
    return list(found.values())


def result_pitch(p: AccelParameters, n: int) -> int:
    """Blocks of 64 bytes from a row of results to the next: whole words of the core."""
    return blocks(4 * -(-n // p.chains) * p.chains)


def result_places(p: AccelParameters, rows: int, matrices: Sequence[Matrix]) -> list[int]:
    """Blocks from the start of the results to those of each product."""
    at, places = 0, []
    for matrix in matrices:
        places.append(at)
        at += rows * result_pitch(p, matrix.n)
    return places


def program_of(p: AccelParameters, rows: int, matrices: Sequence[Matrix], order: Sequence[int],
               addresses: Sequence[int] | None = None) -> list[Instruction]:
    """Instructions of a call; ``order``: place of each product, ``addresses``: bytes from the
    start of the weights (0 where only the cost matters)."""
    places = result_places(p, rows, matrices)
    products = [Product(m, WEIGHTS, 0 if addresses is None else addresses[i] // BLOCK, RESULTS,
                        places[i], result_pitch(p, m.n)) for i, m in enumerate(matrices)]
    ordered = [products[i] for i in sorted(range(len(products)), key=order.__getitem__)]
    x = Activations(ACTIVATIONS, 0, row_blocks_of_bytes(p, matrices[0].k))
    return [*linear(p, rows, x, ordered), Instruction(Op.END, dict(irq=1))]
