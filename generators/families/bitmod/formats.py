"""Weight formats of BitMoD: FP3 and FP4 with special values, integers, two-level scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lowbit.golden.bitmod.datatypes import DATA_TYPE_NAMES, get_data_type
from lowbit.golden.bitmod.quantizer import SCALE_BITS, QuantizedTensor, check_options, quantize
from lowbit.golden.error_report import ErrorReport
from lowbit.golden.parameters import ParameterError

from ...weights.file import Entries
from ...weights.formats import QuantizeOptions, Rows, WeightFormat

__all__ = ["FORMATS", "BitmodFormat"]


class BitmodFormat(WeightFormat):
    """Codes of a BitMoD data type. A tensor is a
    :class:`~lowbit.golden.bitmod.quantizer.QuantizedTensor`."""

    FIELDS: ClassVar[dict[str, str]] = {
        "special_values": "float64 (s,): special values in order of the selectors",
        "scale_bits": "int64: 8 (two levels) or 16",
        "selectors": "uint8 (n, g): special value of each group (types with any)",
        "scale_codes": "uint8 (n, g): 8-bit scales: scale = scale code * channel scale",
        "channel_scale": "float32 (n,)",
        "scales": "float16 (n, g): 16-bit scales instead of the two above",
        "zero_points": "int32 (n, g): asymmetric types: weight = (code - zero point) * scale"}

    def __init__(self, name: str) -> None:
        dtype = get_data_type(name)
        kind = "zero point a group" if dtype.kind == "int_asym" else "symmetric"
        if dtype.kind == "float":
            kind = "a special value a group" if dtype.special_values else "no special value"
        super().__init__(name, dtype.bits, f"{dtype.bits} bits for BitMoD, {kind}")

    def check(self, options: QuantizeOptions) -> None:
        check_options(options.group_size, 8 if options.scale_bits is None else options.scale_bits)
        get_data_type(self.name, options.special_values)

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[QuantizedTensor, ErrorReport]:
        return quantize(source, get_data_type(self.name, options.special_values),
                        options.group_size, options.scale_bits or 8, progress)

    def fields(self, tensor: QuantizedTensor) -> dict[str, Any]:
        special = tensor.dtype.special_values
        entries = {"special_values": np.array(special, np.float64),
                   "scale_bits": np.int64(tensor.scale_bits),
                   "selectors": tensor.selectors if special else None,
                   "scale_codes": tensor.scale_codes, "channel_scale": tensor.channel_scale,
                   "scales": tensor.scales, "zero_points": tensor.zero_points}
        return {name: value for name, value in entries.items() if value is not None}

    def read(self, entries: Entries, codes: Any, group_size: int) -> QuantizedTensor:
        n, k = codes.shape
        scale_bits = entries.integer("scale_bits", *SCALE_BITS)
        if scale_bits not in SCALE_BITS or group_size < 1:
            entries.refuse("its group size or scale bits are out of range")
        try:
            dtype = get_data_type(self.name, entries.floats("special_values"))
        except ParameterError as error:
            entries.refuse(str(error))
        g = -(-k // group_size)
        selectors = np.zeros((n, g), np.uint8)
        if dtype.special_values:
            selectors = entries.array("selectors", "uint8", (n, g))
            if selectors.max() >= len(dtype.special_values):
                entries.refuse(f"it selects special value {int(selectors.max())} of "
                               f"{len(dtype.special_values)}")
        two_level = scale_bits == 8
        return QuantizedTensor(
            dtype, group_size, codes, selectors,
            entries.array("scale_codes", "uint8", (n, g)) if two_level else None,
            entries.finite("channel_scale", "float32", (n,)) if two_level else None,
            None if two_level else entries.finite("scales", "float16", (n, g)),
            entries.array("zero_points", "int32", (n, g)) if dtype.kind == "int_asym" else None)


FORMATS = {name: BitmodFormat(name) for name in DATA_TYPE_NAMES}
