"""``slow``: tests of modules that build simulations, synthesise or prove. ``scripts/test --quick``
leaves them out; ``core/test_smoke.py`` simulates one small design of each family in their place."""

from __future__ import annotations

import gc
import os
import tempfile

import pytest

from lowbit.tb.support.session import FOLDER

SLOW = {
    "test_api", "test_area", "test_baselines", "test_bitmod_term_generator", "test_bitmod_rtl_pe",
    "test_bitmod_rtl_tile", "test_bundle", "test_bus_proofs", "test_compile_smollm2", "test_dma",
    "test_docs", "test_emit", "test_float_parts", "test_handshake", "test_liberty", "test_lint",
    "test_lut_core", "test_lut_mutations", "test_lut_parts", "test_lut_proofs",
    "test_lut_timing", "test_manifest", "test_mutation", "test_new_family", "test_packaging",
    "test_readable", "test_registers", "test_reset", "test_run", "test_run_bitmod",
    "test_run_fp16", "test_shared", "test_simulate", "test_small_arithmetic", "test_smollm2",
    "test_accel_rtl", "test_block", "test_cycles", "test_native", "test_queue_proofs",
    "test_target", "test_wrap", "test_axi_stream", "test_fpga", "test_uart_example"}


def pytest_configure(config: pytest.Config) -> None:
    """A folder that this run's processes share; workers inherit the variable."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="lowbit-tests-")
        os.environ[FOLDER] = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """What the tests' modules hold stays: the collector need not look through it again and again,
    nor so often through the many objects of an emission."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(500_000, 20, 20)
