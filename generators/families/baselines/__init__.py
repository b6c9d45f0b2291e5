"""Conventional FP16 designs that the others are measured against."""

from ...family import Family, Generator

_PARAMETERS = "lowbit.golden.baselines.parameters"

FAMILY = Family(
    name="baselines",
    generators=(
        Generator("fp16_pe", "baseline: FP16 multiply-accumulate processing element",
                  f"{_PARAMETERS}:Fp16PeParameters", "lowbit.hdl.baselines.pe:Fp16Pe",
                  "lowbit.tb.benches.baselines.pe"),
        Generator("fp16_tile", "baseline: output-stationary tile of FP16 PEs",
                  f"{_PARAMETERS}:Fp16TileParameters", "lowbit.hdl.baselines.tile:Fp16Tile",
                  "lowbit.tb.benches.baselines.tile", blocks=("fp16_pe",),
                  operands="lowbit.generators.families.baselines.operands:Fp16Operands"),
        Generator("fp16_dot", "baseline: FP16 dot product of K multipliers and an adder tree",
                  f"{_PARAMETERS}:Fp16DotParameters", "lowbit.hdl.baselines.dot:Fp16Dot",
                  "lowbit.tb.benches.baselines.dot"),
    ),
)
