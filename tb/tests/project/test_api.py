"""The Python interface: the tour of docs/python.md, and what it refuses."""

from __future__ import annotations

import doctest
import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lowbit

PAGE = Path(__file__).resolve().parents[3] / "docs" / "python.md"


def test_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line of the page, and what it prints."""
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8").replace("```pycon\n", "").replace("```\n", "")
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 20
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_names() -> None:
    assert set(dir(lowbit)) == set(lowbit.__all__)
    for name in lowbit.__all__:
        assert getattr(lowbit, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'desing'"):
        lowbit.desing       # noqa: B018


def test_import_is_light() -> None:
    """Neither Amaranth nor cocotb, nor any layer above the golden models, is loaded before use."""
    code = ("import sys, lowbit, lowbit.golden.formats; "
            "print([m for m in sys.modules if m.split('.')[0] in ('amaranth', 'cocotb', 'pyosys') "
            "or m.startswith(('lowbit.hdl', 'lowbit.generators', 'lowbit.tb'))])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout == "[]\n"


def test_refused(tmp_path: Path) -> None:
    core, rng = lowbit.design("lut_core", N=4), np.random.default_rng(0)
    w, a = rng.standard_normal((4, 8)), rng.standard_normal((2, 8)).astype(np.float16)
    with pytest.raises(lowbit.UsageError, match="did you mean lut_core"):
        lowbit.design("lut_cor")
    with pytest.raises(TypeError, match="--N must be an integer"):
        lowbit.design("lut_core", N="4")
    with pytest.raises(TypeError, match="columns"):
        lowbit.design("lut_core", columns=4)
    with pytest.raises(lowbit.UsageError, match=r"--dtype must be one of .*did you mean lut2"):
        lowbit.quantize(w, "lutt2")
    with pytest.raises(lowbit.UsageError, match="lut_core takes weights of gen quantize"):
        core.run(a, lowbit.quantize(w, "bitmod4"))
    with pytest.raises(lowbit.UsageError, match="bitmod_tile takes weights of gen quantize"):
        lowbit.design("bitmod_tile").run(a, lowbit.quantize(w, "lut2"))
    with pytest.raises(lowbit.UsageError, match="lut_dot multiplies no matrices"):
        lowbit.design("lut_dot").run(a, lowbit.quantize(w, "lut2"))
    with pytest.raises(lowbit.UsageError, match="backend must be golden or rtl"):
        core.run(a, lowbit.quantize(w, "lut2"), backend="fpga")
    with pytest.raises(lowbit.UsageError, match="--a must be float16"):
        core.run(a.astype(np.float64), lowbit.quantize(w, "lut2"))
    (tmp_path / "out.v").write_text("mine")
    with pytest.raises(lowbit.UsageError, match="add --force"):
        core.save(tmp_path / "out.v")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(lowbit.UsageError, match="is no JSON"):
        lowbit.design(str(tmp_path / "x.json"))


def test_fp16_and_files(tmp_path: Path) -> None:
    """A design that takes floats; a matrix that comes back from its file."""
    rng = np.random.default_rng(1)
    a, w = (rng.standard_normal((n, 9)).astype(np.float16) for n in (3, 5))
    result = lowbit.design("fp16_tile").run(a, w).result
    assert np.abs(result - a.astype(float) @ w.T.astype(float)).max() < 1e-5
    matrix = lowbit.quantize(w, "bitmod3", group_size=4)
    again = lowbit.load(matrix.save(tmp_path / "w.npz"))
    assert repr(again) == "<lowbit matrix: 5 x 9, bitmod3, groups of 4>"
    np.testing.assert_array_equal(again.dequantize(), matrix.dequantize())


def test_designs_print_their_ports() -> None:
    """Nothing is left behind that Amaranth would warn of."""
    for name in ("lut_core", "bitmod_array"):
        text = str(lowbit.design(name))
        gc.collect()
        assert "result_valid" in text and "the sender has a beat" in text
