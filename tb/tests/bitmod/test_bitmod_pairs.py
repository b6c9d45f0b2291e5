"""OliVe's pairs on BitMoD: terms of all bytes, sums that fit, operands, RTL against the golden
model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators import registry
from lowbit.generators.cli import main
from lowbit.generators.flow.simulate import simulate
from lowbit.generators.verifying import verify
from lowbit.generators.verilog.emit import emit
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.pe import group_sums, group_terms
from lowbit.golden.bitmod.pe_parameters import (
    WIDE,
    BitmodPeParameters,
    BitmodTermGeneratorParameters,
)
from lowbit.golden.bitmod.ports import pack_terms, port_codes, wide_pairs
from lowbit.golden.bitmod.terms import pair_terms, terms_of
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.formats import FP16
from lowbit.golden.olive import decode, quantize
from lowbit.golden.parameters import ParameterError

#: all bytes, as two codes
BYTES = np.indices((16, 16)).reshape(2, -1).T


def test_terms_of_all_bytes() -> None:
    """Two terms add up to the weight, and their words at the ports do."""
    terms = pair_terms(BYTES)
    assert (terms.values2x() == 2 * decode(BYTES)).all()
    wide = wide_pairs(terms)
    assert wide.shape == (256, 1, 2) and set(wide.ravel().tolist()) == {0, 1}
    words = pack_terms(terms, wide)
    assert words.max() < 16
    power = (words >> 1 & 3) + WIDE * wide + terms.bsig + 1
    halves = np.where(words & 1, -1, 1) * (words >> 3) << power
    assert (halves.sum(-1) == 2 * decode(BYTES)).all()
    assert (port_codes(BYTES, get_data_type("olive4")) == BYTES + 32).all()
    with pytest.raises(ValueError, match="two by two"):
        terms_of(get_data_type("olive4"))


def test_odd_channel_and_groups() -> None:
    """The last weight of an odd channel is a normal one; pairs do not cross groups."""
    dtype = get_data_type("olive4")
    terms = group_terms(np.array([[8, 15, 3, 9, 7]]), None, dtype, 4)
    assert terms.values2x().tolist() == [[0, -192, 6, -14, 14]]
    for group in (3, 1):
        with pytest.raises(ParameterError, match="group size must be even for pairs"):
            group_terms(np.zeros((1, 8), int), None, dtype, group)


@pytest.mark.parametrize("max_group", [4, 128])
def test_largest_sums_fit(max_group: int) -> None:
    """The largest outliers and activations: a pair stays below twice INT8's 128."""
    p = BitmodPeParameters(max_group=max_group, olive=True)
    a = np.full((1, max_group), 0x7BFF)
    for codes, largest in (([7, 8], 96), ([15, 8], 96), ([7, 7], 14)):
        terms = group_terms(np.tile(codes, (1, max_group // 2)), None, get_data_type("olive4"),
                            max_group)
        sums = group_sums(a, terms, max_group, p, np.array([[29]]))
        found = abs(int(sums.integer[0, 0, 0]))
        assert found == max_group * largest * (2**p.align_bits - 1)         # in halves
        assert found < 2 ** (p.row_bits - 1)


def test_layer_is_the_product() -> None:
    """An odd k, a shorter last group: the product with the weights that the codes stand for."""
    rng = np.random.default_rng(3)
    weights = rng.standard_t(3, (6, 45)).astype(np.float32)
    pairs = quantize(weights, 16, two_levels=True)
    assert (pairs.codes == 8).any() and pairs.scale.dtype == np.uint8
    a = rng.standard_normal((3, 45)).astype(np.float16)
    exact = a.astype(np.float64) @ pairs.dequantize().T
    bound = np.abs(a.astype(np.float64)) @ np.abs(pairs.dequantize()).T
    operands = Operands.of_pairs(FP16.from_array(a), pairs)
    y = Gemm(BitmodTileParameters(olive=True), operands).run()
    assert (np.abs(y - exact) <= 1e-5 * bound).all()


def test_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ParameterError, match="--lanes must be even with --olive, for pairs; got 3"):
        BitmodPeParameters(lanes=3, max_group=48, olive=True)
    with pytest.raises(ParameterError, match="--lanes must be even"):
        BitmodTermGeneratorParameters(lanes=1, olive=True)
    one = np.ones((1, 8), np.int64)
    scale, dtype = np.ones((1, 1), np.uint8), get_data_type("olive4")
    tile = BitmodTileParameters(olive=True)
    for operands, words in (
            (Operands(one, one.astype(np.uint8), dtype, 7, np.ones((1, 2), np.uint8)), "even"),
            (Operands(one, one.astype(np.uint8), dtype, 8, scale, np.ones((1, 1))),
             "olive4 has no special values")):
        with pytest.raises(ParameterError, match=words):
            Gemm(tile, operands)
    np.save(tmp_path / "w.npy", np.eye(4, 8, dtype=np.float32))
    np.save(tmp_path / "a.npy", np.ones((1, 8), np.float16))
    files = {bits: str(tmp_path / f"q{bits}.npz") for bits in ("8", "")}
    for bits, path in files.items():
        assert main(["quantize", str(tmp_path / "w.npy"), "--dtype", "olive4", "--group-size", "8",
                     "-o", path, *(["--scale-bits", bits] if bits else [])]) == 0
    run = ["run", "bitmod_tile", "--a", str(tmp_path / "a.npy"), "-o", str(tmp_path / "y.npy")]
    capsys.readouterr()
    for path, options, words in (
            (files["8"], [], "olive4 weights need a design with --olive"),
            (files[""], ["--olive"], "quantize them with --scale-bits 8")):
        assert main([*run, "--w", path, *options]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1 and not (tmp_path / "y.npy").exists()
    assert main([*run, "--w", files["8"], "--olive"]) == 0


# -- RTL ------------------------------------------------------------------------------------------
def test_every_byte_in_the_term_generator() -> None:
    found = verify(BitmodTermGeneratorParameters(lanes=4, flint=True, olive=True))
    assert found.passed, found.message


@pytest.mark.parametrize("p", [
    BitmodPeParameters(olive=True), BitmodPeParameters(olive=True, align="cycle", lanes=2),
    BitmodPeParameters(olive=True, lanes=6, max_group=6, pipeline=2, adder="operator"),
    BitmodTileParameters(olive=True, rows=1, columns=2, lanes=2)], ids=lambda p: p.flags())
def test_equal_to_the_golden_model(p: BitmodPeParameters | BitmodTileParameters) -> None:
    found = verify(p, vectors=200)
    assert found.passed, found.message


@pytest.mark.parametrize(("right", "wrong"), [
    (r"\{3\{negative_3\}\}", "3'h0"), (r"terms\[17\] \?", "terms[16] ?")])
def test_bench_finds_faults(right: str, wrong: str) -> None:
    """The carry of an eightfold sum; whose pair counts eightfold."""
    p = BitmodPeParameters(olive=True)
    design = emit(p)
    plan = dict(parameters=p.as_dict(), manifest=design.manifest,
                derived=design.manifest["derived"], vectors=200)
    broken, count = re.subn(right, wrong, design.verilog)
    assert count == 1
    outcome = simulate(broken, design.top, registry.find("bitmod_pe").bench, plan)
    assert not outcome.passed and "differ from the golden model" in outcome.message
