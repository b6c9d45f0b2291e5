"""Systolic arrays: integers times weights of any digit format."""

from ...family import Family, Generator

FAMILY = Family(
    name="systolic",
    generators=(
        Generator("systolic", "systolic array: R x C elements, carry-save sums, digits of weights",
                  "lowbit.golden.systolic.parameters:SystolicParameters",
                  "lowbit.hdl.systolic.systolic:Systolic",
                  "lowbit.tb.benches.systolic.systolic",
                  blocks=("systolic_pe", "systolic_lane"),
                  operands="lowbit.generators.families.systolic.operands:SystolicOperands"),
    ),
)
