"""A multiply-accumulate unit: the smallest family, an example."""

from ...family import Family, Generator

FAMILY = Family(
    name="mac",
    generators=(
        Generator("mac", "multiply-accumulate unit: one integer product a cycle",
                  "lowbit.golden.mac.parameters:MacParameters", "lowbit.hdl.mac.mac:Mac",
                  "lowbit.tb.benches.mac.mac",
                  operands="lowbit.generators.families.mac.operands:MacOperands"),
    ),
)
