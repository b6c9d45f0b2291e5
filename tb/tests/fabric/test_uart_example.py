"""The example of a complete FPGA design: bytes on the board's pins against the golden model."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.flow.lint import verilator_lint, yosys_lint
from lowbit.generators.flow.simulate import Outcome, simulate

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "ecp5_lut_core"
BENCH = "lowbit.tb.support.uart_bench"
#: clock cycles of a bit: few, so that the simulation is short
DIVISOR = 5
MODULES = ("build", "host", "top", "uart")


@pytest.fixture(scope="module", autouse=True)
def example_on_path() -> Iterator[None]:
    """The example's files import each other by name, as scripts of one folder do."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in MODULES:
            sys.modules.pop(name, None)


@cache
def board() -> str:
    text: str = importlib.import_module("build").verilog(DIVISOR)
    return text


def exchanges(seed: int, products: int) -> list[tuple[str, str]]:
    """What the host sends and what must come back: a question, then products."""
    host: Any = importlib.import_module("host")
    p, streams = host.PARAMETERS, host.Streams(host.PARAMETERS)
    rng = np.random.default_rng(seed)
    told = [(b"?", b"L"), (b"\0x?", b"L")]      # bytes that are no command are passed over
    for number in range(products):
        k = p.K * int(rng.integers(1, 5))
        a = rng.integers(-128, 128, (p.M, k)).astype(np.int8)
        if number == 0:
            a[:] = -128                         # the largest sums
        q = rng.integers(0, 1 << p.w_bits, (p.N, k)).astype(np.uint8)
        workload, beats = host.product(p, a, q, p.w_bits)
        # the sums of the golden model, not those of the beats that are sent
        golden = workload.golden()
        assert (golden == a.astype(np.int64) @ (2 * q.astype(np.int64) - 15).T).all()
        answer = b"".join(
            streams.pack(streams.output, {"values": int(value), "last": int(last)})
            for value, last in zip(golden.reshape(-1), [0] * (golden.size - 1) + [1],
                                   strict=True))
        assert (host.result(workload, streams.results(answer)) == golden).all()
        assert len(answer) == host.result_bytes(streams, workload)
        told += [(streams.load(beats), b""), (streams.run(beats), answer)]
        if number == 1:                         # what is in the memories can be played again
            told.append((streams.run(beats), answer))
    return [(sent.hex(), back.hex()) for sent, back in told]


def run(verilog: str, *, skew: int = 0, products: int = 3, seed: int = 1) -> Outcome:
    plan = dict(clock="clk_25mhz", into="ftdi_txd", out="ftdi_rxd", divisor=DIVISOR, skew=skew,
                constants={"btn_fire1": 0}, exchanges=exchanges(seed, products))
    return simulate(verilog, "ulx3s", BENCH, plan, seed=seed)


@pytest.mark.parametrize("skew", [-20, 20])
def test_equals_golden(skew: int) -> None:
    """The host's clock may be 2 % off."""
    outcome = run(board(), skew=skew, seed=skew + 21)
    assert outcome.passed, outcome.message
    assert outcome.stats["words"] > 100


def test_a_fault_is_seen() -> None:
    """A receiver that takes bits at their edges."""
    half = f"pause <= 3'h{DIVISOR + DIVISOR // 2 - 1};"
    assert board().count(half) == 1
    outcome = run(board().replace(half, f"pause <= 3'h{DIVISOR - 3};"), products=1)
    assert not outcome.passed and ("of the answer" in outcome.message
                                   or "SimTimeoutError" in outcome.message)


def test_lint() -> None:
    """A board's registers have start values, which only an FPGA has."""
    found = [line for line in verilator_lint(board(), "ulx3s") if "PROCASSINIT" not in line]
    assert found + yosys_lint(board(), "ulx3s") == []
