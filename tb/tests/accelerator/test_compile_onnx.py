"""ONNX graphs with MatMulNBits: codes against a plain unpacking; refusals name the node."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lowbit.generators.compiler.from_onnx import onnx_model
from lowbit.generators.compiler.pipeline import compile_model
from lowbit.generators.compiler.target import read_target
from lowbit.generators.errors import UsageError
from lowbit.generators.runtime.accelerator import Accelerator
from lowbit.golden.formats import FP16, FP32
from lowbit.tb.support.accel import expected
from lowbit.tb.support.tiny_models import target_file

K, N, SIZE = 64, 32, 32


def graph(path: Path, *, bits: int = 4, zeros: bool = False, extra: tuple[str, ...] = (),
          **changes: Any) -> Path:
    """norm -> two products that share it -> Mul -> a third."""
    onnx = pytest.importorskip("onnx")
    helper, rng, constants = onnx.helper, np.random.default_rng(1), []

    def constant(name: str, values: Any) -> str:
        constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    def product(name: str, x: str, n: int, k: int) -> Any:
        codes = constant(f"{name}.q", rng.integers(
            0, 256, (n, k // SIZE, SIZE * bits // 8), np.uint8))
        scale = constant(f"{name}.s", (rng.random(n * k // SIZE) / 16).astype(np.float16))
        inputs = [x, codes, scale]
        if zeros:
            inputs.append(constant(f"{name}.z", rng.integers(
                0, 256, n * -(-k // SIZE * bits // 8), np.uint8)))
        if extra and name == "down":
            inputs += ["", *extra] if len(inputs) == 3 else extra
        attributes = dict(K=k, N=n, bits=bits, block_size=SIZE) | changes
        return helper.make_node("MatMulNBits", inputs, [f"{name}.y"], name=name,
                                domain="com.microsoft", **attributes)

    if extra:
        constant(extra[0], np.zeros(K, np.int32))
    nodes = [helper.make_node("SimplifiedLayerNormalization", ["x", constant(
        "gain", np.ones(K, np.float16))], ["h"], name="norm"),
        product("gate", "h", N, K), product("up", "h", N, K),
        helper.make_node("Mul", ["gate.y", "up.y"], ["m"], name="mul"),
        product("down", "m", K, N)]
    value = helper.make_tensor_value_info
    made = helper.make_graph(nodes, "g", [value("x", 10, ["rows", K])],
                             [value("down.y", 10, ["rows", K])], constants)
    onnx.save(helper.make_model(made), path)
    return path


@pytest.mark.parametrize(("bits", "zeros"), [(4, False), (4, True), (8, False), (2, True)])
def test_graph(tmp_path: Path, bits: int, zeros: bool) -> None:
    path = graph(tmp_path / "g.onnx", bits=bits, zeros=zeros)
    onnx = pytest.importorskip("onnx")
    p = read_target(target_file(tmp_path / "a.json", offset="integer"))
    model = onnx_model(path)
    done = compile_model(p, model, (2,))
    assert done.counts["fuse"]["lut.precompute"] == 1
    assert done.counts["fuse"]["lut.rmsnorm_precompute"] == 1
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    accelerator = Accelerator(done.program)
    for names in (("gate.q", "up.q"), ("down.q",)):
        k = done.program.weights[names[0]].matrix.k
        x = np.random.default_rng(2).normal(0, 1, (2, k)).astype(np.float16)
        for name, y in zip(names, accelerator.linear(names, x), strict=True):
            weights = model.load(name)
            flat = stored[name].reshape(len(weights.codes), -1)
            per = 8 // bits
            plain = [[int(row[j // per]) >> j % per * bits & (1 << bits) - 1 for j in range(k)]
                     for row in flat]
            assert np.array_equal(weights.codes, plain)
            assert np.array_equal(y, FP32.to_array(expected(p, FP16.from_array(x), weights, SIZE)))


@pytest.mark.parametrize(("changes", "error"), [
    (dict(bits=3), r"node gate \(MatMulNBits\) bits must be 2, 4 or 8; got 3"),
    (dict(N=33), "gate.q must hold 33 x 64 codes"),
    (dict(block_size=0), "must say block_size, 1 or more; got 0"),
    (dict(extra=("order",)), "node down has an order of inputs")])
def test_refusals(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    if "bits" in changes:
        pytest.importorskip("onnx")
        path = graph(tmp_path / "g.onnx")
        data = path.read_bytes().replace(b"bits\x18\x04", b"bits\x18\x03")
        path.write_bytes(data)
    else:
        path = graph(tmp_path / "g.onnx", **changes)
    with pytest.raises(UsageError, match=error):
        onnx_model(path)


def test_truncated(tmp_path: Path) -> None:
    path = graph(tmp_path / "g.onnx")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UsageError, match="not a readable ONNX graph"):
        onnx_model(path)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "onnx":
            raise ImportError(name)
        return real(name, *args, **kwargs)
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="-m pip install onnx"):
        onnx_model(tmp_path / "g.onnx")
