"""Wrong input to the BitMoD verbs: one clear line, status 2, nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Operands of 3 x 70 times 70 x 6, groups of 32, and wrong ones."""
    folder = tmp_path_factory.mktemp("bitmod")
    rng = np.random.default_rng(2)
    w = rng.standard_normal((6, 70)).astype(np.float32)
    codes = rng.integers(0, 16, (6, 70)).astype(np.uint8)
    s8 = rng.integers(0, 256, (6, 3))
    sv = rng.choice([5.0, -5.0, 8.0], (6, 3))
    arrays = {
        "w": w, "wnan": np.where(w == w[2, 3], np.nan, w), "winf": np.where(w == w[2, 3], -np.inf,
                                                                          w),
        "a": rng.standard_normal((3, 70)).astype(np.float16), "a32": np.zeros((3, 70), np.float32),
        "a71": np.zeros((3, 71), np.float16), "a1": np.zeros(70, np.float16),
        "a0": np.zeros((0, 70), np.float16), "c": codes, "cint": codes.astype(np.int64),
        "c1": codes[0], "c0": codes[:0], "c16": np.where(codes == 3, 16, codes).astype(np.uint8),
        "s8": s8.astype(np.uint8), "sint": s8 + 100, "sneg": (s8 - 200).astype(np.int16),
        "s2": s8[:, :2].astype(np.uint8), "s1": s8[0].astype(np.uint8),
        "sv": sv, "sv55": np.where(sv == 8, 5.5, sv), "sv16": np.where(sv == 8, 16, sv),
        "svfine": np.where(sv == 8, 0.25, sv), "svnan": np.where(sv == 8, np.nan, sv),
        "sv5": np.resize([1.0, 2, 3, 4, 5], (6, 3)), "sv2": sv[:, :2], "sv1": sv[0],
        "svtext": np.full((6, 3), "5"), "d": np.ones(6, np.float32), "d64": np.ones(6),
        "d5": np.ones(5, np.float32), "dnan": np.full(6, np.nan, np.float32),
        "dinf": np.full(6, np.inf, np.float32)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    (folder / "text.npy").write_text("1 2 3")
    (folder / "short.npy").write_bytes((folder / "c.npy").read_bytes()[:-9])
    for name, options in (("b4", []), ("asym", ["--dtype", "int8_asym"]),
                          ("wide", ["--scale-bits", "16"]), ("int6", ["--dtype", "int6"])):
        words = ["quantize", "w.npy", "--dtype", "bitmod4", "--group-size", "32", "-o",
                 f"{name}.npz", *options]
        assert main([str(folder / x) if x.endswith((".npy", ".npz")) else x for x in words]) == 0
    assert main(["pack", str(folder / "w.npy"), "--w-bits", "2", "--group-size", "32", "-o",
                 str(folder / "lut.npz")]) == 0
    good = (folder / "b4.npz").read_bytes()
    (folder / "cut.npz").write_bytes(good[:len(good) // 2])
    with np.load(folder / "b4.npz") as archive:
        entries = {name: archive[name] for name in archive.files}
    for name, changes in (("v9", {"version": 9}), ("other", {"0.format": "bitmod3"}),
                          ("sv", {"0.special_values": np.array([5.5, -5, 8, -8])}),
                          ("twice", {"names": np.array(["x", "y"])})):
        np.savez(folder / f"{name}.npz", **entries | changes)
    np.savez(folder / "plain.npz", w=w)
    return folder


RAW = "--w c.npy --dtype fp4 --sv sv.npy --scale-codes s8.npy --group-size 32"


@pytest.mark.parametrize("generator", ["bitmod_tile", "bitmod_array"])
@pytest.mark.parametrize(("words", "message"), [
    # activations
    (f"{RAW} --a a32.npy", "--a must be float16, or uint16 as raw FP16 codes; got float32; conv"),
    (f"{RAW} --a a71.npy", "the same k; got shapes (3, 71) and (6, 70)"),
    (f"{RAW} --a a1.npy", "shape (rows, k)"), (f"{RAW} --a a0.npy", "both at least 1"),
    (f"{RAW} --a none.npy", "cannot read --a"), (f"{RAW} --a objects.npy", "not a readable"),
    # codes
    (f"{RAW} --w cint.npy", "--w must be uint8 codes; got int64"),
    (f"{RAW} --w c1.npy", "--w must have shape (cols, k)"),
    (f"{RAW} --w c0.npy", "both at least 1"),
    (f"{RAW} --w c16.npy", "codes of fp4 must be 0..15; got 16"),
    (f"{RAW} --dtype fp3", "codes of fp3 must be 0..7; got 15"),
    (f"{RAW} --w none.npy", "cannot read --w"), (f"{RAW} --w .", "cannot read --w"),
    (f"{RAW} --w text.npy", "neither a tensor file of gen quantize (.npz) nor"),
    (f"{RAW} --w short.npy", "not a readable .npy array"),
    # data types
    (f"{RAW} --dtype fp5", "--dtype must be one of"),
    (f"{RAW} --dtype int4_asym", "int4_asym has zero points, and codes alone do not say"),
    (f"{RAW} --dtype int4", "special values belong to FP3 and FP4 types, not to int4"),
    # special values
    (f"{RAW} --sv sv55.npy", "sums or differences of two powers of two (0.5, 1, 2, 4, 8); 5.5"),
    (f"{RAW} --sv sv16.npy", "multiples of 0.5 within -15.5..15.5; got 16"),
    (f"{RAW} --sv svfine.npy", "multiples of 0.5 within -15.5..15.5; got 0.25"),
    (f"{RAW} --sv svnan.npy", "multiples of 0.5 within -15.5..15.5; got nan"),
    (f"{RAW} --sv sv5.npy", "holds 4 at a time; these weights use 5: 1, 2, 3, 4, 5"),
    (f"{RAW} --sv sv2.npy", "special values must have shape (6, 3)"),
    (f"{RAW} --sv sv1.npy", "--sv must have shape (cols, groups); got (3,)"),
    (f"{RAW} --sv svtext.npy", "floats or integers; got <U1"),
    ("--w c.npy --dtype fp4 --scale-codes s8.npy --group-size 32",
     "code 8 of fp4 stands for the group's special value"),
    # scales and groups
    (f"{RAW} --scale-codes sint.npy", "--scale-codes must be uint8 (0..255); got int64"),
    (f"{RAW} --scale-codes sneg.npy", "--scale-codes must be uint8 (0..255); got int16"),
    (f"{RAW} --scale-codes s2.npy", "scale codes must have shape (6, 3), a value for each of 3"),
    (f"{RAW} --scale-codes s1.npy", "--scale-codes must have shape (cols, groups)"),
    (f"{RAW} --group-size 16", "must have shape (6, 5), a value for each of 5 groups of 16"),
    (f"{RAW} --group-size 0", "--group-size must be at least 1; got 0"),
    (f"{RAW} --max-group 16", "--max-group must be at least the group size 32"),
    (f"{RAW} --column-scale d64.npy", "--column-scale must be float32 (or float16)"),
    (f"{RAW} --column-scale d5.npy", "channel scales must have shape (6,); got (5,)"),
    (f"{RAW} --column-scale dnan.npy", "channel scales must be finite; got nan at index 0"),
    (f"{RAW} --column-scale dinf.npy", "channel scales must be finite; got inf"),
    (f"{RAW} --column-scale d.npy --no-channel-scale", "leave --no-channel-scale out"),
    # packed files
    ("--w asym.npz", "int8_asym weights run as codes less zero points, which must be -128..127;"),
    ("--w wide.npz", "16-bit scales: quantize them with --scale-bits 8"),
    ("--w lut.npz", "takes weights of gen quantize --dtype"),
    ("--w plain.npz", "it names no format and version"),
    ("--w v9.npz", "has version 9 of the tensor file, this program reads 2"),
    ("--w other.npz", "'codes' must be uint8 (6, 27); it is uint8 (6, 35)"),
    ("--w sv.npz", "5.5 needs three"), ("--w cut.npz", "truncated or damaged"),
    ("--w int6.npz --dtype bitmod4", "brings its own format and scales; leave --dtype out"),
    ("--w twice.npz", "--tensor must name one of the 2 tensors"),
    ("--w b4.npz --tensor z", "no tensor 'z' in b4.npz"),
    ("--w b4.npz --no-channel-scale", "leave --no-channel-scale out"),
    ("--w b4.npz --sv sv.npy --group-size 32", "leave --group-size, --sv out"),
    # options
    ("--w c.npy", "--w with an array needs --dtype, --scale-codes, --group-size"),
    (f"{RAW} --tensor w", "--tensor names a tensor of a tensor file"),
    (f"{RAW} --compare", "it needs --backend rtl"), (f"{RAW} --backend fpga", "invalid choice"),
    (f"{RAW} --rows 0", "--rows must be 1..256; got 0"),
    (f"{RAW} -o a.npy --force", "-o must not be a file that is read"),
    (f"{RAW} -o sv.npy --force", "-o must not be a file that is read"),
    (f"{RAW} -o text.npy", "add --force"), (f"{RAW} -o -", "-o must name a file"),
    (f"{RAW} -o none/y.npy", "does not exist")])
def test_run(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
             generator: str, words: str, message: str) -> None:
    refused(made, monkeypatch, capsys, f"run {generator} --a a.npy -o y.npy {words}", message)


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
            line: str, message: str) -> None:
    """One line, status 2, and no file written or changed."""
    monkeypatch.chdir(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    capsys.readouterr()
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1
    assert message in err
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.parametrize(("words", "message"), [
    ("quantize wnan.npy --dtype bitmod4", "must be finite"),
    ("quantize winf.npy --dtype int6", "must be finite"),
    ("quantize w.npy --dtype fp4 --special-values 5.5", "5.5 needs three"),
    ("quantize w.npy --dtype bitmod3 --special-values 3,-13", "-13 needs three"),
    ("quantize w.npy --dtype fp4 --special-values 0.7", "multiples of 0.5"),
    ("quantize w.npy --dtype fp4 --special-values 6", "must not repeat a value of the basic grid"),
    ("quantize w.npy --dtype fp4 --special-values 5,7,8,9,10", "at most 4 values"),
    ("quantize w.npy --dtype fp4 --special-values 5,x", "numbers separated by commas"),
    ("quantize w.npy --dtype int4 --special-values 5", "belong to FP3 and FP4 types"),
    ("quantize w.npy --dtype fp4 --group-size 0", "--group-size must be 1..2147483647"),
    ("quantize w.npy --dtype fp4 --group-size 99999999999999999999", "must be 1..2147483647")])
def test_quantize(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                  words: str, message: str) -> None:
    refused(made, monkeypatch, capsys, f"{words} -o y.npz", message)


@pytest.mark.parametrize("generator", ["bitmod_pe", "bitmod_encoder", "bitmod_dequant", "fp16_pe",
                                       "fp16_dot", "lut_table", "lut_dot"])
def test_parts_do_not_run(made: Path, monkeypatch: pytest.MonkeyPatch,
                          capsys: pytest.CaptureFixture[str], generator: str) -> None:
    refused(made, monkeypatch, capsys, f"run {generator} --a a.npy -o y.npy",
            "gen run multiplies matrices on lut_core, dot_core, fp16_tile, bitmod_tile, "
            f"bitmod_array, systolic; {generator} is")


def test_lut_core_refuses_bitmod_weights(made: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    refused(made, monkeypatch, capsys, "run lut_core --a a.npy --w b4.npz -o y.npy",
            "lut_core takes weights of gen quantize --dtype lut1..lut8")


def test_a_short_last_group_is_taken(made: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    """Groups that do not divide the channel are no error: the last one is shorter."""
    monkeypatch.chdir(made)
    assert main(f"run bitmod_tile --a a.npy {RAW} -o ok.npy".split()) == 0
    (made / "ok.npy").unlink()
