"""GGUF: blocks against the format's own dequantiser, the container against its own writer."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, quants

from lowbit.generators.errors import UsageError
from lowbit.generators.weights.checkpoint import open_matrices, open_tensor
from lowbit.generators.weights.gguf_blocks import BLOCK_FORMATS, decode_rows
from lowbit.generators.weights.gguf_file import TYPES, GgufFile
from lowbit.generators.weights.kept import list_tensors, load_kept
from lowbit.golden.parameters import ParameterError

#: bytes where a block's FP16 scales and minima begin
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "TQ1_0": [52],
          "TQ2_0": [64], "MXFP4": [], "NVFP4": []}
#: FP16 scales: zero, -0, subnormals, ordinary ones, the largest
CORNERS = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0xB800, 0x7BFF, 0xFBFF]


def blocks(name, count, seed=1):
    """Random bytes of a format with finite scales, uint8 (count, size of a block)."""
    form = BLOCK_FORMATS[name]
    raw = np.random.default_rng(seed).integers(0, 256, (count, form.size), np.uint8)
    for at in HALVES[name]:
        raw[:, at + 1] &= 0xBF      # exponents of at most 15: no infinity, no NaN
    if name == "MXFP4":
        raw[:, 0] = np.minimum(raw[:, 0], 250)      # 12 * 2**(e - 128) is finite in FP32
    if name == "NVFP4":
        raw[:, :4] = np.minimum(raw[:, :4] & 127, 126)      # neither a sign nor NaN
    return raw


def reference(name, raw):
    return quants.dequantize(raw, GGMLQuantizationType[name])


def agree(name, raw):
    """Exact weights, rounded once as the reference does, are the reference's."""
    weights = decode_rows(name, raw)
    expected = reference(name, raw)
    assert weights.codes.shape == expected.shape
    assert np.array_equal(weights.dequantize().astype(np.float32), expected)
    return weights


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_random_blocks(name):
    """Rows of three blocks; every code of the format occurs."""
    raw = blocks(name, 240).reshape(80, -1)
    weights = agree(name, raw)
    codes = 3 if name == "TQ1_0" else 1 << weights.bits
    assert set(np.unique(weights.codes)) == set(range(codes))
    assert weights.group_size == BLOCK_FORMATS[name].group


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_corner_blocks(name):
    """Each corner of scale (and minimum) with random codes, all codes lowest, all highest."""
    raw = blocks(name, 3 * len(CORNERS) ** 2)
    for i, row in enumerate(raw):
        high, low = divmod(i // 3, len(CORNERS))
        for at, corner in zip(HALVES[name], (CORNERS[low], CORNERS[high]), strict=False):
            row[at:at + 2] = np.frombuffer(struct.pack("<H", corner), np.uint8)
        if i % 3:
            rest = np.ones(len(row), bool)
            rest[[b for at in HALVES[name] for b in (at, at + 1)]] = False
            row[rest] = 0 if i % 3 == 1 else 250 if name == "MXFP4" else 255
    if name == "NVFP4":
        raw[:, :4] = np.resize(np.arange(127), (len(raw), 4))       # all scales
    if name == "MXFP4":
        raw[:, 0] = np.resize([0, 1, 2, 3, 127, 250], len(raw))     # subnormal d in FP32: 0 and 1
    agree(name, raw)


@pytest.mark.parametrize("name", [n for n in BLOCK_FORMATS if HALVES[n]])
@pytest.mark.parametrize("bad", [0x7C00, 0x7E00])
def test_scales_that_are_not_finite(name, bad):
    for at in HALVES[name]:
        raw = blocks(name, 2)
        raw[1, at:at + 2] = np.frombuffer(struct.pack("<H", bad), np.uint8)
        with pytest.raises(ParameterError, match="must be finite"):
            decode_rows(name, raw)


def test_mxfp4_nan():
    raw = blocks("MXFP4", 2)
    raw[1, 0] = 255
    with pytest.raises(ParameterError, match="E8M0 scale is 255"):
        decode_rows("MXFP4", raw)


@pytest.mark.parametrize(("scale", "why"), [(127, "E4M3 scale is 127, which is NaN"),
                                            (0x81, r"codes 0\.\.126; a block's is 129")])
def test_nvfp4_scales_that_are_none(scale, why):
    raw = blocks("NVFP4", 2)
    raw[1, 2] = scale
    with pytest.raises(ParameterError, match=why):
        decode_rows("NVFP4", raw)


def nvfp4_model(path, scale, name="blk.0.up.weight"):
    raw = blocks("NVFP4", 10).reshape(5, -1)
    writer = GGUFWriter(path, "llama")
    writer.add_tensor(name, raw, raw_dtype=GGMLQuantizationType.NVFP4)
    if scale is not None:
        writer.add_tensor("blk.0.up.scale", scale)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return reference("NVFP4", raw).astype(float)


def test_nvfp4_scale_of_the_tensor(tmp_path):
    """A number of its own, beside the weights, as llama.cpp has it: weights are times it."""
    path, scale = tmp_path / "m.gguf", np.array([3e-4], np.float32)
    weights = nvfp4_model(path, scale)
    kept = load_kept(path, "blk.0.up.weight")
    np.testing.assert_array_equal(kept.weights.dequantize(), weights * float(scale[0]))
    assert kept.notes == ["scale of the tensor: blk.0.up.scale, 0.0003"]
    assert [t.takes for t in list_tensors(path) if t.keep] == [
        "bitmod_tile, bitmod_array with --group-scale e4m3"]
    weights = nvfp4_model(path, None)
    kept = load_kept(path)
    np.testing.assert_array_equal(kept.weights.dequantize(), weights)
    assert kept.notes == ["no tensor blk.0.up.scale: the scale of the tensor is 1"]
    for bad, why in ((np.ones(2, np.float32), r"one F32 number.*F32 of shape \(2,\)"),
                     (np.ones(1, np.float16), "one F32 number.*it is F16"),
                     (np.array([np.nan], np.float32), "factors must be finite")):
        nvfp4_model(path, bad)
        with pytest.raises(UsageError, match=why):
            load_kept(path, "blk.0.up.weight")


def test_types_are_the_format_s():
    """Every type number that the format's package knows, but those newer than this program."""
    for number, (name, block, size) in TYPES.items():
        kind = GGMLQuantizationType(number)
        assert (kind.name, GGML_QUANT_SIZES[kind]) == (name, (block, size))
    assert {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "TQ1_0",
            "TQ2_0", "MXFP4", "NVFP4"} == set(BLOCK_FORMATS)


@pytest.fixture
def model(tmp_path):
    """A file of every format, floats, an unsupported type and metadata of every shape."""
    path = tmp_path / "model.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_uint32("general.alignment", 64)
    writer.data_alignment = 64
    writer.add_array("tokens", ["a", "bc", "", "déf"])
    writer.add_array("scores", [0.5, 1.5])
    writer.add_bool("flag", True)
    writer.add_float64("number", 1.5)
    stored = {}
    for name, form in BLOCK_FORMATS.items():
        raw = blocks(name, 10, seed=form.size).reshape(5, -1)
        stored[name] = raw
        writer.add_tensor(f"blk.{form.size}.{name}", raw, raw_dtype=GGMLQuantizationType[name])
    rng = np.random.default_rng(3)
    stored["F32"] = rng.standard_normal((3, 7)).astype(np.float32)
    stored["F16"] = rng.standard_normal((4, 6)).astype(np.float16)
    writer.add_tensor("f32", stored["F32"])
    writer.add_tensor("f16", stored["F16"])
    writer.add_tensor("norm", np.ones(9, np.float32))
    stored["BF16"] = quants.quantize(stored["F32"], GGMLQuantizationType.BF16)
    writer.add_tensor("bf16", stored["BF16"], raw_dtype=GGMLQuantizationType.BF16)
    writer.add_tensor("iq", rng.integers(0, 256, (2, 18), np.uint8),
                      raw_dtype=GGMLQuantizationType.IQ4_NL)
    writer.add_tensor("experts", np.stack([stored["Q8_0"]] * 2),
                      raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("numbers", np.arange(6, dtype=np.int32).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, stored


def test_file(model):
    path, stored = model
    listed = {t.name: t for t in list_tensors(path)}
    for name, form in BLOCK_FORMATS.items():
        full = f"blk.{form.size}.{name}"
        kept = load_kept(path, full)
        expected = reference(name, stored[name])
        assert np.array_equal(kept.weights.dequantize().astype(np.float32), expected)
        assert (kept.name, kept.format) == (full, name)
        t = listed[full]
        assert t.keep and t.format == name and t.shape == expected.shape
        assert t.bits_per_weight == stored[name].size * 8 / expected.size
    assert [t.name for t in list_tensors(path) if not t.keep] == \
        ["f32", "f16", "norm", "bf16", "iq", "experts", "numbers"]


def test_floats(model):
    path, stored = model
    found = {t.name: t[:] for t in open_matrices(path)}
    assert list(found) == ["bf16", "f16", "f32"]
    assert np.array_equal(found["f32"], stored["F32"])
    assert np.array_equal(found["f16"], stored["F16"].astype(np.float32))
    assert np.array_equal(found["bf16"], reference("BF16", stored["BF16"]))


@pytest.mark.parametrize(("name", "why"), [
    ("f32", "has no codes to keep; leave --keep out"),
    ("iq", "IQ4_NL, which is not taken"),
    ("experts", "takes a matrix"),
    ("numbers", "I32, which is not taken"),
    ("f33", "no tensor 'f33'.*there is f32"),
    (None, "--tensor must name one of the 14 matrices")])
def test_not_kept(model, name, why):
    with pytest.raises(UsageError, match=why):
        load_kept(model[0], name)


def test_quantised_is_no_float(model):
    with pytest.raises(UsageError, match="Q4_1 already; --keep takes its own codes"):
        open_tensor(model[0], "blk.20.Q4_1")


def test_truncated(model, tmp_path):
    """A file cut anywhere is refused: in its header, or in a tensor's data."""
    data = model[0].read_bytes()
    short = tmp_path / "short.gguf"
    for length in [5, 12, 25, 60, 100, 150, 400, 700, 1000, len(data) // 2, len(data) - 100]:
        short.write_bytes(data[:length])
        with pytest.raises(UsageError, match=r"not a readable GGUF file: (it ends in its header|"
                                             r"it is truncated)"):
            GgufFile(short)


def test_damaged(model, tmp_path):
    """Bytes of the header changed at random: refused in one line, or read, but never anything
    else, and never for long."""
    data = bytearray(model[0].read_bytes())
    rng = np.random.default_rng(5)
    path = tmp_path / "damaged.gguf"
    messages = []
    for _ in range(300):
        copy = bytearray(data)
        for at in rng.integers(0, 1500, 3):
            copy[at] = rng.integers(0, 256)
        path.write_bytes(copy)
        try:
            list_tensors(path)
        except UsageError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize(("header", "why"), [
    (b"GGUF" + struct.pack("<I", 1), "its version is 1"),
    (b"GGUF" + struct.pack(">I", 3), "big-endian"),
    (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "ends in its header"),
    (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
     + struct.pack("<IIQ", 9, 8, 1 << 60), "ends in its header"),
    (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k"
     + struct.pack("<I", 99), "unknown type 99"),
    (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"t"
     + struct.pack("<IQIQ", 1, 33, 2, 0), "blocks of 32"),
    (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"t"
     + struct.pack("<IQIQ", 1, 32, 77, 0), "unknown type 77"),
    (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"t"
     + struct.pack("<I", 9), "9 dimensions")])
def test_headers_that_are_refused(tmp_path, header, why):
    path = tmp_path / "x.gguf"
    path.write_bytes(header)
    with pytest.raises(UsageError, match=why):
        GgufFile(path)


def test_metadata(model):
    """Values by key, each of its own type; strings in arrays; nothing for a key that is not
    there."""
    file = GgufFile(model[0])
    assert file.value("general.architecture") == "llama"
    assert file.value("general.alignment") == 64
    assert file.value("tokens") == ["a", "bc", "", "déf"]
    assert file.value("scores").tolist() == [0.5, 1.5]
    assert (file.value("flag"), file.value("number")) == (True, 1.5)
    assert file.value("nothing") is None


def test_metadata_that_are_no_text(model, tmp_path):
    path = tmp_path / "bad.gguf"
    path.write_bytes(model[0].read_bytes().replace("déf".encode(), b"d\xff\xfff"))
    with pytest.raises(UsageError, match=r"bad\.gguf is not a readable GGUF file: tokens is no"):
        GgufFile(path).value("tokens")
