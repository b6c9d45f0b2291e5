"""The BitMoD engine's golden half: products as of the tile's own model; layout; refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lowbit.generators.compiler.target import read_target
from lowbit.generators.errors import UsageError
from lowbit.generators.runtime.linear import Linear
from lowbit.golden.accelerator.bitmod_engine import special_values
from lowbit.golden.accelerator.bitmod_layout import special_register, weights_of
from lowbit.golden.accelerator.device import Device
from lowbit.golden.accelerator.isa import BLOCK, Error, Instruction, Op, to_bytes
from lowbit.golden.accelerator.layout import Packed, pack
from lowbit.golden.accelerator.linear import Activations, Product, linear
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.bitmod.datatypes import get_data_type
from lowbit.golden.bitmod.gemm import Gemm, Operands
from lowbit.golden.bitmod.ports import Weights, special_value_word
from lowbit.golden.bitmod.quantizer import QuantizedTensor, quantize
from lowbit.golden.formats import FP16
from lowbit.golden.parameters import ParameterError
from lowbit.tb.support.accel import activations

Array = np.ndarray[Any, Any]
SMALL: dict[str, Any] = dict(engine="bitmod", N=16, chains=2, axi_data=64, a_kib=4, w_kib=4,
                             s_kib=2, p_kib=2, w_bits=8, min_group=16)
P = AccelParameters(**SMALL)


def tensor(n: int, k: int, dtype: str, group: int, seed: int = 1) -> QuantizedTensor:
    values = np.random.default_rng(seed).normal(0, 1, (n, k)).astype(np.float32)
    return quantize(values, get_data_type(dtype), group)[0]


class Shuffled(Device):
    """Units take turns in an order that is drawn."""

    def run(self, address: int, instructions: int, seed: int | None = 11) -> Error:
        return super().run(address, instructions, seed)


@pytest.mark.parametrize(("rows", "n", "k", "group"), [
    (3, 20, 200, 32), (5, 16, 96, 64), (1, 1, 3, 128), (4, 33, 256, 128), (2, 17, 37, 16)])
@pytest.mark.parametrize("dtype", ["bitmod3", "bitmod4", "fp3", "int3", "int4", "int5", "int6",
                                   "int8", "int4_asym"])
def test_products(dtype: str, rows: int, n: int, k: int, group: int) -> None:
    """Odd sizes, short last groups, several chunks of a column block, infinities."""
    quantized = tensor(n, k, dtype, group)
    weights, special = weights_of(P, quantized)
    x = activations(np.random.default_rng(k), P, rows, k)
    if rows > 4:
        x[3, 7], x[1, 0], x[0, 0] = FP16.inf, FP16.nan, 0x8001
    want = Gemm(P.tile, Operands.of_tensor(x, quantized)).run()
    layer = Linear(P, pack(P, weights), Shuffled, {"SPECIAL": special}, rows=rows)
    assert layer(x.astype(np.uint16)).tobytes() == want.tobytes()


@pytest.mark.parametrize("fields", [
    dict(M=3, K=2, N=32, w_kib=8, s_kib=4), dict(M=1, chains=4, align_bits=20),
    dict(channel_scale=False)])
def test_other_designs(fields: dict[str, Any]) -> None:
    p = AccelParameters(**SMALL | fields)
    quantized = tensor(20, 128, "bitmod4", 32)
    if not p.channel_scale:
        assert quantized.channel_scale is not None
        quantized = replace(quantized, channel_scale=None)
    weights, special = weights_of(p, quantized)
    x = activations(np.random.default_rng(4), p, 5, 128)
    want = Gemm(p.tile, Operands.of_tensor(x, quantized)).run()
    layer = Linear(p, pack(p, weights, 32 // p.K * 2), Shuffled, {"SPECIAL": special}, rows=2)
    assert layer(x.astype(np.uint16)).tobytes() == want.tobytes()


def unpack(p: AccelParameters, matrix: Packed) -> tuple[Array, Array, Array]:
    """Codes of 8 bits (n, k), entries of scales, channel scales, as docs/accelerator.md says."""
    n, per_group = -(-matrix.n // p.N) * p.N, matrix.group_size // p.K
    codes = np.zeros((n, matrix.k), np.int64)
    entries = np.zeros((n, matrix.groups), np.int64)
    channel = np.zeros(n, np.int64)
    covered = 0
    for chunk in matrix.chunks:
        whole = {}
        for name, (at, size) in chunk.parts.items():
            assert at == covered
            covered += size
            whole[name] = int.from_bytes(matrix.image[at * BLOCK:(at + size) * BLOCK], "little")
        place = 0
        for group in range(chunk.group, chunk.group + chunk.groups):
            for step in range(group * per_group, (group + 1) * per_group):
                for pair in range(matrix.planes):
                    for column in range(p.N):
                        for lane in range(p.K):
                            bits = whole["patterns"] >> place & 3
                            codes[chunk.column_block * p.N + column, step * p.K + lane] |= \
                                bits << 2 * pair
                            place += 2
        for i in range(chunk.groups * p.N):
            group, column = divmod(i, p.N)
            entries[chunk.column_block * p.N + column, chunk.group + group] = \
                whole["scales"] >> 16 * i & 0xFFFF
        assert ("offsets" in chunk.parts) == (chunk.group + chunk.groups == matrix.groups)
        for i in range(p.N if "offsets" in chunk.parts else 0):
            channel[chunk.column_block * p.N + i] = whole["offsets"] >> 32 * i & 0xFFFFFFFF
    assert covered * BLOCK == len(matrix.image)
    return codes, entries, channel


@pytest.mark.parametrize(("dtype", "bits"), [("bitmod3", 4), ("bitmod4", 4), ("int3", 4),
                                             ("int5", 6), ("int7", 8)])
def test_every_bit_has_its_place(dtype: str, bits: int) -> None:
    quantized = tensor(19, 100, dtype, 32)
    weights, _ = weights_of(P, quantized)
    matrix = pack(P, weights, P.w_slot // 2)
    assert matrix.k == 128 and matrix.planes == bits // 2
    codes, entries, channel = unpack(P, matrix)
    mine = quantized.codes.astype(np.int64)
    if dtype == "bitmod3":
        mine = mine << 1
    elif dtype != "bitmod4":
        sign = 1 << quantized.dtype.bits - 1
        mine = (mine - 2 * (mine & sign)) & (1 << bits) - 1
    assert np.array_equal(codes[:19, :100], mine)
    assert not codes[19:].any() and not codes[:, 100:].any()
    assert np.array_equal(entries[:19], weights.scale_codes.astype(int) | weights.selectors << 8)
    scale = np.asarray(quantized.channel_scale, "<f4").view("<u4")
    assert np.array_equal(channel[:19], scale) and not channel[19:].any()


class Machine:
    """A device with a matrix of one chunk for each group."""

    def __init__(self, k: int = 64, group: int = 32) -> None:
        rng = np.random.default_rng(2)
        self.weights = Weights(rng.integers(0, 256, (16, k)).astype(np.uint8),
                               get_data_type("int8"), group,
                               rng.integers(0, 256, (16, k // group)).astype(np.uint8),
                               np.zeros((16, k // group), np.int64))
        self.x = activations(rng, P, 2, k)
        self.matrix = pack(P, self.weights, group // P.K * 4)
        self.device = Device(P, np.zeros(1 << 16, np.uint8))
        image = np.frombuffer(self.matrix.image, np.uint8)
        self.device.memory[:len(image)] = image
        self.device.memory[0x8000:0x8000 + 4 * k] = self.x.astype("<u2").view(np.uint8).reshape(-1)

    def program(self, psum: bool = False, fp16: bool = False) -> list[Instruction]:
        pitch = self.x.shape[1] * 2 // BLOCK
        return [*linear(P, 2, Activations(0, 0x8000 // BLOCK, pitch), [Product(
            self.matrix, 0, 0, 0, 0xA000 // BLOCK, 1, fp16,
            Activations(0, 0x9000 // BLOCK, 1) if psum else None)]),
            Instruction(Op.END, {"irq": 1})]

    def run(self, program: list[Instruction]) -> Error:
        data = np.frombuffer(to_bytes(program), np.uint8)
        self.device.memory[0xC000:0xC000 + len(data)] = data
        return self.device.run(0xC000, len(program))

    def results(self) -> Array:
        return self.device.memory[0xA000:0xA080].copy().view("<f4").reshape(2, 16)

    def expected(self, activations: Array | None = None) -> Array:
        x = self.x if activations is None else activations
        w = self.weights
        return Gemm(P.tile, Operands(x, w.codes, w.dtype, w.group_size, w.scale_codes)).run()


def test_partial_sums() -> None:
    """They are added to what the tile gives, once, however many chunks there are."""
    machine = Machine()
    before = np.random.default_rng(3).normal(0, 1e4, (2, 16)).astype("<f4")
    machine.device.memory[0x9000:0x9080] = before.view(np.uint8).reshape(-1)
    assert machine.run(machine.program(psum=True)) is Error.NONE
    assert np.array_equal(machine.results(), before + machine.expected())
    assert not np.array_equal(machine.results(), machine.expected())


def test_sums_stay() -> None:
    """From a program to the next one; an error forgets them."""
    machine = Machine()
    whole = machine.program()
    cut = next(i for i, x in enumerate(whole) if x["keep"]) + 1
    end = whole[-1]
    for wrong in (False, True):
        assert machine.run([*whole[:cut], end]) is Error.NONE
        if wrong:
            assert machine.run([]) is Error.NO_END
        # the second half takes a token of a load that is in it, and none of the first
        assert machine.run([*whole[cut:]]) is Error.NONE
        x = machine.x.copy()
        if wrong:
            x[:, :32] = 0
        assert np.array_equal(machine.results(), machine.expected(x)), wrong


def test_special_values() -> None:
    values = (5.0, -8.0, 7.5, -0.5)
    assert special_values(special_register(values)).tolist() == list(values)
    # 5.5 needs three terms: the register file holds 0
    assert special_values(special_value_word(5.0) | 1).tolist() == [0, 0, 0, 0]


LMMA = dict(row_blocks=1, groups=1, steps=3, planes=1, codes=1, init=1)


@pytest.mark.parametrize(("change", "code"), [
    ({}, Error.NONE), ({"planes": 0}, Error.FIELD), ({"planes": 4}, Error.FIELD),
    ({"codes": 0}, Error.FIELD), ({"codes": 2}, Error.FIELD), ({"codes": 3}, Error.NONE),
    ({"codes": 3, "planes": 2}, Error.FIELD), ({"keep": 1}, Error.NONE),
    ({"keep": 1, "row_blocks": 2}, Error.FIELD), ({"keep": 1, "push_next": 1}, Error.FIELD),
    ({"p": P.p_depth}, Error.BOUNDS), ({"p": P.p_depth, "keep": 1}, Error.NONE),
    ({"s": P.s_depth - 1}, Error.NONE), ({"s": P.s_depth - 1, "offsets": 1}, Error.BOUNDS),
    ({"s": P.s_depth - 1, "offsets": 1, "keep": 1}, Error.NONE)])
def test_fields(change: dict[str, int], code: Error) -> None:
    machine = Machine()
    assert machine.run([Instruction(Op.LMMA, LMMA | change), Instruction(Op.END)]) is code


@pytest.mark.parametrize(("fields", "error"), [
    (dict(groups=2), "--groups must be left out unless --engine is lut; got 2"),
    (dict(a_format="bf16"), "--a-format must be left out unless --engine is lut; got bf16"),
    (dict(engine="lut", align_bits=20),
     "--align-bits must be left out unless --engine is bitmod; got 20"),
    (dict(N=512), "--N must be at most 256 with --engine bitmod; got 512"),
    (dict(w_bits=2), "--w-bits must be 3..8 with --engine bitmod; got 2"),
    (dict(chains=3), "--chains must divide --N 16; got 3"),
    (dict(scale_columns=3), "--scale-columns must divide --N over --chains, 8; got 3")])
def test_parameters(fields: dict[str, Any], error: str) -> None:
    with pytest.raises(ParameterError) as caught:
        AccelParameters(**SMALL | fields)
    assert str(caught.value) == error


@pytest.mark.parametrize(("change", "error"), [
    (dict(group_size=48, scale_codes=np.zeros((4, 2), np.uint8),
          selectors=np.zeros((4, 2), int)), "groups of 48 must be 4 times a power of two"),
    (dict(group_size=8, scale_codes=np.zeros((4, 12), np.uint8),
          selectors=np.zeros((4, 12), int)), "multiple of --min-group 16"),
    (dict(dtype=get_data_type("int8")), "weights of 8 bits need --w-bits 8; this design has 6"),
    (dict(channel_scale=np.ones(4, np.float32)), "leave --no-channel-scale out")])
def test_refused_weights(change: dict[str, Any], error: str) -> None:
    p = AccelParameters(**SMALL | dict(w_bits=6, channel_scale=False))
    good = Weights(np.zeros((4, 96), np.uint8), get_data_type("int5"), 32,
                   np.zeros((4, 3), np.uint8), np.zeros((4, 3), np.int64))
    pack(p, good)
    with pytest.raises(ParameterError, match=error):
        pack(p, replace(good, **change))


def test_no_model_is_compiled(tmp_path: Any) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"generator": "accel", "parameters": {"engine": "bitmod", "N": 16}}')
    with pytest.raises(UsageError, match=r"models are compiled for --engine lut; got bitmod$"):
        read_target(file)
