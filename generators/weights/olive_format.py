"""The weight format of OliVe's outlier-victim pairs (:mod:`lowbit.golden.olive`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.grouped import error_report
from lowbit.golden.groups import group_count
from lowbit.golden.olive import OlivePairs, quantize

from ..errors import UsageError
from .file import Entries
from .formats import QuantizeOptions, Rows, WeightFormat

__all__ = ["OliveFormat"]


class OliveFormat(WeightFormat):
    """A tensor is an :class:`~lowbit.golden.olive.OlivePairs`. No core takes it."""

    FIELDS: ClassVar[dict[str, str]] = {"scale": "float32 (n, g)"}

    def __init__(self) -> None:
        super().__init__("olive4", 4, "4 bits, outliers in pairs with victims; no core takes it")

    def check(self, options: QuantizeOptions) -> None:
        if options.group_size < 2 or options.group_size % 2:
            raise UsageError("--group-size must be even, 2 or more, for pairs; got "
                             f"{options.group_size}")
        for flag, value in (("--special-values", options.special_values),
                            ("--scale-bits", options.scale_bits)):
            if value is not None:
                raise UsageError(f"{flag} does not belong to --dtype {self.name}, which has "
                                 "float32 scales; leave it out")

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[OlivePairs, ErrorReport]:
        tensor = quantize(source, options.group_size, progress)
        return tensor, error_report(source, tensor)

    def fields(self, tensor: OlivePairs) -> dict[str, Any]:
        return {"scale": tensor.scale}

    def read(self, entries: Entries, codes: Any, group_size: int) -> OlivePairs:
        if group_size < 2 or group_size % 2:
            entries.refuse(f"its groups of {group_size} are no pairs")
        n, k = codes.shape
        return OlivePairs(codes, entries.finite("scale", "float32",
                                                (n, group_count(k, group_size))), group_size)
