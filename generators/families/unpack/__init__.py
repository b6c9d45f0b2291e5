"""Packed ternary weights: decoders for five trits in a byte, and for 3:4 sparse ones."""

from ...family import Family, Generator

FAMILY = Family(
    name="unpack",
    generators=(
        Generator("weight_unpack", "packed ternary weights to trits: words side by side",
                  "lowbit.golden.unpack.parameters:UnpackParameters",
                  "lowbit.hdl.unpack.unpack:WeightUnpack", "lowbit.tb.benches.unpack.unpack"),
    ),
)
