"""The dialect ``lut``: what the compiler says about a model.

A model is a function of its layers. ``lut.linear`` is a product with quantised weights; the split
pass takes it apart into ``lut.precompute``, what is done once for each activation (on this
accelerator the exponent of each group), and ``lut.mpgemm``, the products themselves. What stays
with the host has a name of its own where a precompute can join it (``lut.rmsnorm``,
``lut.silu_mul``), and is ``lut.host`` else. Rows are a dimension that a program fixes.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BoolAttr,
    IntegerAttr,
    StringAttr,
    TensorType,
    f16,
    f32,
    i64,
)
from xdsl.ir import Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    param_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure

__all__ = ["Host", "Linear", "Lut", "MpGemm", "Precompute", "RmsNorm", "RmsNormPrecompute",
           "SiluMul", "SiluMulPrecompute", "Tables", "Weight", "activations", "integer", "results"]


def integer(value: int) -> IntegerAttr:
    return IntegerAttr(value, i64)


def activations(k: int) -> TensorType:
    """Rows of k activations, as the host rounds them."""
    return TensorType(f16, [DYNAMIC_INDEX, k])


def results(n: int) -> TensorType:
    """Rows of n results."""
    return TensorType(f32, [DYNAMIC_INDEX, n])


@irdl_attr_definition
class Tables(ParametrizedAttribute, TypeAttribute):
    """Rows of k activations whose groups have their exponents."""

    name = "lut.tables"
    k: IntegerAttr = param_def()
    group: IntegerAttr = param_def()

    @classmethod
    def of(cls, k: int, group: int) -> Tables:
        return cls(integer(k), integer(group))


class Weight(IRDLOperation):
    """What reads a matrix of weights (n, k): codes of ``bits`` bits in groups of ``group``."""

    weight = prop_def(StringAttr)
    bits = prop_def(IntegerAttr)
    group = prop_def(IntegerAttr)
    codes = prop_def(StringAttr)        # odd, signed or unsigned
    offsets = prop_def(BoolAttr)
    #: words of the weight buffer that a chunk fills (pass tile)
    slot = opt_prop_def(IntegerAttr)
    #: place among the products of its call (pass tile)
    order = opt_prop_def(IntegerAttr)
    #: first byte in the memory image, and bytes (pass pack)
    address = opt_prop_def(IntegerAttr)
    size = opt_prop_def(IntegerAttr)
    y = result_def(TensorType)

    traits = traits_def(Pure())

    @property
    def label(self) -> str:
        """The weights' name."""
        return self.weight.data

    @property
    def n(self) -> int:
        """Columns of the results."""
        return int(self.y.type.get_shape()[1])


@irdl_op_definition
class Linear(Weight):
    """Rows of activations times a matrix of weights."""

    name = "lut.linear"
    x = operand_def(TensorType)


@irdl_op_definition
class MpGemm(Weight):
    """The same, on activations that are precomputed."""

    name = "lut.mpgemm"
    x = operand_def(Tables)

    @property
    def k(self) -> int:
        """Inputs."""
        assert isinstance(self.x.type, Tables)
        return int(self.x.type.k.value.data)


class _Host(IRDLOperation):
    """What the host computes; results are float16 rows where nothing else is said."""

    traits = traits_def(Pure())

    def __init__(self, operands: Sequence[SSAValue], result: TensorType | Tables,
                 **properties: StringAttr) -> None:
        super().__init__(operands=self._arranged(operands), result_types=[result],
                         properties=properties)

    @staticmethod
    def _arranged(operands: Sequence[SSAValue]) -> Sequence[SSAValue | Sequence[SSAValue]]:
        return operands


@irdl_op_definition
class Precompute(_Host):
    """What is done once for each activation."""

    name = "lut.precompute"
    x = operand_def(TensorType)
    y = result_def(Tables)


@irdl_op_definition
class RmsNorm(_Host):
    name = "lut.rmsnorm"
    x = operand_def(TensorType)
    gain = prop_def(StringAttr)
    y = result_def(TensorType)


@irdl_op_definition
class SiluMul(_Host):
    name = "lut.silu_mul"
    gate = operand_def(TensorType)
    up = operand_def(TensorType)
    y = result_def(TensorType)


@irdl_op_definition
class RmsNormPrecompute(_Host):
    """A norm whose results the host writes where the accelerator reads activations."""

    name = "lut.rmsnorm_precompute"
    x = operand_def(TensorType)
    gain = prop_def(StringAttr)
    y = result_def(Tables)


@irdl_op_definition
class SiluMulPrecompute(_Host):
    """silu(gate) * up, written where the accelerator reads activations."""

    name = "lut.silu_mul_precompute"
    gate = operand_def(TensorType)
    up = operand_def(TensorType)
    y = result_def(Tables)


@irdl_op_definition
class Host(_Host):
    """Anything else: attention, an embedding, an addition."""

    name = "lut.host"
    inputs = var_operand_def()
    what = prop_def(StringAttr)
    y = result_def(TensorType)

    @staticmethod
    def _arranged(operands: Sequence[SSAValue]) -> Sequence[SSAValue | Sequence[SSAValue]]:
        return [operands]


Lut = Dialect("lut", [Linear, MpGemm, Precompute, RmsNorm, SiluMul, RmsNormPrecompute,
                      SiluMulPrecompute, Host], [Tables])
