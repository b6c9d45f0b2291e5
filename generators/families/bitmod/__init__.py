"""BitMoD (HPCA'25): FP3, FP4 and integer weights as bit-serial terms times FP16 activations."""

from ...family import Family, Generator

_PE, _TILE, _ARRAY = (f"lowbit.golden.bitmod.{name}_parameters" for name in ("pe", "tile", "array"))
_OPERANDS = "lowbit.generators.families.bitmod.operands:BitmodOperands"
_BLOCKS = ("bitmod_cell", "bitmod_core")

FAMILY = Family(
    name="bitmod",
    generators=(
        Generator("bitmod_encoder", "BitMoD bit-serial term generator, all data types at run time",
                  f"{_PE}:BitmodTermGeneratorParameters",
                  "lowbit.hdl.bitmod.term_generator:BitmodTermGenerator",
                  "lowbit.tb.benches.bitmod.term_generator"),
        Generator("bitmod_pe", "BitMoD PE: bit-serial terms times FP16 activations",
                  f"{_PE}:BitmodPeParameters", "lowbit.hdl.bitmod.pe:BitmodPe",
                  "lowbit.tb.benches.bitmod.pe"),
        Generator("bitmod_dequant", "BitMoD dequantiser: group sum times 8-bit scale, bit by bit",
                  f"{_PE}:BitmodDequantParameters",
                  "lowbit.hdl.bitmod.dequant:BitmodDequant", "lowbit.tb.benches.bitmod.dequant"),
        Generator("bitmod_tile", "BitMoD tile: rows x columns of bit-serial PEs, output-stationary",
                  f"{_TILE}:BitmodTileParameters", "lowbit.hdl.bitmod.tile:BitmodTile",
                  "lowbit.tb.benches.bitmod.tile", blocks=_BLOCKS, operands=_OPERANDS),
        Generator("bitmod_array", "BitMoD array: tiles in a systolic mesh, with operand buffers",
                  f"{_ARRAY}:BitmodArrayParameters", "lowbit.hdl.bitmod.array:BitmodArray",
                  "lowbit.tb.benches.bitmod.tile", blocks=_BLOCKS, operands=_OPERANDS),
    ),
    formats="lowbit.generators.families.bitmod.formats:FORMATS",
)
