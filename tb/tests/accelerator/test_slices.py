"""k of more activations than the buffer holds goes in slices: results are those of the core's
golden model, and of a design with a larger buffer, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lowbit.golden.accelerator.isa import Op, from_bytes
from lowbit.golden.accelerator.layout import Matrix, is_sliced, plan
from lowbit.golden.accelerator.linear import (
    Activations,
    Product,
    instructions_of_pass,
    linear,
    rows_per_pass,
    slices,
)
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.formats import FP16, FP32
from lowbit.golden.group_scale import Codes
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.accel import (
    Memory,
    activations,
    expected,
    product,
    random_weights,
    run,
)

SMALL: dict[str, Any] = dict(M=2, N=16, K=4, w_bits=4, chains=1, axi_data=64, a_kib=1, w_kib=2,
                             s_kib=1, p_kib=1, min_group=16, max_group=32)
#: design, rows, n, k, group, bits, meaning of codes
CASES: dict[str, tuple[dict[str, Any], int, int, int, int, int, str]] = {
    "minima, odd n": ({}, 3, 37, 640, 32, 4, "minimum"),
    "a block and a column": ({}, 1, 17, 1056, 32, 1, "odd"),
    "slices begin within blocks": (dict(a_format="int8", offset="none", K=2, axi_data=128), 2, 5,
                                   624, 16, 3, "signed"),
    "three rows, two tables": (dict(M=3, groups=2, max_group=64, axi_data=128, p_kib=2,
                                    offset="integer"), 4, 33, 448, 64, 2,
                               "zero"),
    "more blocks than results fit": (dict(w_bits=1), 2, 150, 288, 32, 1,
                                     "odd")}


def design(changes: dict[str, Any]) -> AccelParameters:
    return AccelParameters(**SMALL | changes)


@pytest.mark.parametrize("name", CASES)
def test_equals_unsliced(name: str) -> None:
    changes, rows, n, k, group, bits, meaning = CASES[name]
    p = design(changes)
    wide = replace(p, a_kib=16)
    assert is_sliced(p, k) and not is_sliced(wide, k) and rows_per_pass(p, k) == p.M
    rng = np.random.default_rng(len(name))
    codes, weights = activations(rng, p, rows, k), random_weights(rng, n, k, bits, group, meaning)
    memory = Memory()
    placed = product(p, memory, codes, weights)
    assert len(slices(p, placed.matrix)) > 1
    program = from_bytes(memory.data[placed.address:][:16 * placed.instructions].tobytes())
    loads = [i for i in program if i.op is Op.LDA]
    assert all(i["words"] <= p.a_depth for i in loads) and len(loads) > 1
    assert placed.instructions <= instructions_of_pass(p, placed.matrix) * -(-rows // p.M) + 1
    found = run(p, memory, placed)
    assert (found == expected(p, codes, weights, placed.matrix.group_size)).all()
    unsliced = Memory()
    assert (found == run(wide, unsliced, product(wide, unsliced, codes, weights))).all()
    # tokens order what must be ordered: any order of what may go next gives the same
    for seed in range(3):
        assert (found == run(p, memory, placed, seed)).all()


@pytest.mark.parametrize("fp16", [False, True])
def test_partial_sums_and_fp16(fp16: bool) -> None:
    """What is added from memory comes first, rounding to FP16 last."""
    p = design(dict(N=32))
    wide, rng = replace(p, a_kib=16), np.random.default_rng(5)
    codes, weights = activations(rng, p, 3, 640), random_weights(rng, 70, 640, 2, 32, "odd")
    psum = None if fp16 else FP32.from_float64(rng.normal(0, 1, (3, 70)))
    found = []
    for one in (p, wide):
        memory = Memory()
        found.append(run(one, memory, product(one, memory, codes, weights, fp16=fp16, psum=psum)))
    assert (found[0] == found[1]).all()
    if fp16:
        exact = expected(p, codes, weights, 32)
        assert (found[0] == FP16.convert(exact, FP32)).all()


def matrix(p: AccelParameters, n: int, k: int, bits: int = 2, group: int = 32) -> Matrix:
    return plan(p, n, k, bits, group, Codes.ODD, False)


def test_matrices_that_share_activations() -> None:
    """Each goes through its slices; nothing of one is left in the buffers for the next."""
    p = design({})
    some = [Product(matrix(p, n, 640), 0, 0, 1, 0, 16) for n in (16, 48)]
    program = [*linear(p, 3, Activations(2, 0, 20), some)]
    assert program[0].op is Op.LDA
    # before each slice but the first of all, whatever came before is done
    assert all(program[i - 1].op is Op.SYNC for i, x in enumerate(program)
               if x.op is Op.LDA and i)
    # each chunk once in each of two passes, and results of each block once
    for op, times in ((Op.LMMA, sum(len(one.matrix.chunks) for one in some)), (Op.ST, 4)):
        assert sum(i.op is op for i in program) == 2 * times


@pytest.mark.parametrize(("bits", "k"), [(1, 1024), (2, 1056), (4, 2048), (4, 4128)])
def test_slices(bits: int, k: int) -> None:
    """All chunks once, in order, in slices that fit and begin where memory has a block."""
    p = design(dict(w_kib=16))
    m = matrix(p, 40, k, bits, 16)
    found = slices(p, m)
    per_block = len(m.chunks) // 3
    assert [i for part in found for i in part.chunks] == list(range(per_block))
    for part in found:
        assert part.groups * m.group_size <= p.a_depth * p.per_beat
        assert part.group * m.group_size * p.a_bits // 8 % 64 == 0
        chunks = [m.chunks[i] for i in part.chunks]
        assert part.group <= chunks[0].group
        assert part.group + part.groups == chunks[-1].group + chunks[-1].groups


def test_refusals() -> None:
    """A block of memory that has more groups than the buffer; a buffer of no group."""
    changes = dict(M=32, a_format="int8", offset="none", min_group=16, max_group=16, p_kib=16)
    p = design(changes)
    m = matrix(p, 16, 64, 2, 16)
    with pytest.raises(ParameterError, match="32 rows of 1 groups of 16 must fit the activation "
                       "buffer; raise --a-kib 1"):
        slices(p, m)
    with pytest.raises(ParameterError, match="--a-kib must hold M = 32 rows of the largest group, "
                       "64 activations"):
        design(changes | dict(max_group=64, w_kib=8))
