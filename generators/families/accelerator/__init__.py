"""The accelerator: an engine with buffers, instructions, registers and a bus of its own."""

from ...family import Family, Generator

FAMILY = Family(
    name="accelerator",
    generators=(
        Generator("accel", "accelerator: LUT core or BitMoD tile, buffers, instructions, AXI4",
                  "lowbit.golden.accelerator.parameters:AccelParameters",
                  "lowbit.hdl.accelerator.accelerator:Accelerator",
                  "lowbit.tb.benches.accelerator.accel",
                  files="lowbit.generators.families.accelerator.files:FILES"),
    ),
)
