"""LUT Tensor Core (ISCA'25): signed sums of activations in a table, read by bit-planes."""

from ...family import Family, Generator

_PARAMETERS = "lowbit.golden.lut.parameters"

FAMILY = Family(
    name="lut",
    generators=(
        Generator("lut_table", "table precompute unit: K activations to a half (or full) table",
                  f"{_PARAMETERS}:LutTableParameters", "lowbit.hdl.lut.table:LutTable",
                  "lowbit.tb.benches.lut.table"),
        Generator("lut_dot", "combinational LUT dot product: one table, one weight pattern",
                  f"{_PARAMETERS}:LutDotParameters", "lowbit.hdl.lut.dot:LutDot",
                  "lowbit.tb.benches.lut.dot"),
        Generator("lut_core", "LUT tensor core tile: M rows, N columns, K activations a table",
                  f"{_PARAMETERS}:LutCoreParameters", "lowbit.hdl.lut.core:LutCore",
                  "lowbit.tb.benches.lut.core",
                  operands="lowbit.generators.families.lut.operands:LutOperands"),
        Generator("dot_core", "direct dot products: M rows, N columns, K weights of any format a "
                  "beat", "lowbit.golden.lut.direct_parameters:DotCoreParameters",
                  "lowbit.hdl.lut.direct_core:DotCore", "lowbit.tb.benches.lut.direct",
                  operands="lowbit.generators.families.lut.direct_operands:DirectOperandOptions"),
    ),
    formats="lowbit.generators.families.lut.formats:FORMATS",
)
