"""Weight formats of the LUT core: 1 to 8 bits, float32 scales, with or without zero points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.groups import group_count
from lowbit.golden.lut.quantizer import Quantized, error_report, quantize

from ...errors import UsageError
from ...weights.file import Entries
from ...weights.formats import QuantizeOptions, Rows, WeightFormat

__all__ = ["FORMATS", "LutFormat"]


class LutFormat(WeightFormat):
    """Codes q of b bits: the weight is s(q - z), or s' q' with odd q' symmetric about 0.

    A tensor is a :class:`~lowbit.golden.lut.quantizer.Quantized`.
    """

    FIELDS: ClassVar[dict[str, str]] = {
        "scale": "float32 (n, g): s", "zero": "uint8 (n, g): z; not where symmetric"}

    def __init__(self, name: str, bits: int, symmetric: bool) -> None:
        super().__init__(name, bits, f"{bits} bits for the LUT core, "
                         + ("odd levels symmetric about 0" if symmetric else "zero point a group"))
        self.symmetric = symmetric

    def check(self, options: QuantizeOptions) -> None:
        for flag, value in (("--special-values", options.special_values),
                            ("--scale-bits", options.scale_bits)):
            if value is not None:
                raise UsageError(f"{flag} does not belong to --dtype {self.name}, which has "
                                 "float32 scales; leave it out")

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[Quantized, ErrorReport]:
        tensor = quantize(source, self.bits, options.group_size or None,
                          symmetric=self.symmetric, progress=progress)
        return tensor, error_report(source, tensor)

    def fields(self, tensor: Quantized) -> dict[str, Any]:
        return {"scale": tensor.scale} | ({} if tensor.zero is None else {"zero": tensor.zero})

    def read(self, entries: Entries, codes: Any, group_size: int) -> Quantized:
        n, k = codes.shape
        g = group_count(k, group_size or None)
        zero = None
        if not self.symmetric:
            zero = entries.array("zero", "uint8", (n, g))
            if int(zero.max()) >= 1 << self.bits:
                entries.refuse(f"'zero' holds {int(zero.max())}; it must be below "
                               f"{1 << self.bits}")
        return Quantized(codes, entries.finite("scale", "float32", (n, g)), zero, self.bits,
                         group_size or None)


FORMATS = {format.name: format for bits in range(1, 9)
           for format in (LutFormat(f"lut{bits}", bits, False),
                          LutFormat(f"lut{bits}_sym", bits, True))}
