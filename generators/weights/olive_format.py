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
    """A tensor is an :class:`~lowbit.golden.olive.OlivePairs`."""

    FIELDS: ClassVar[dict[str, str]] = {
        "scale": "float32 (n, g), or with --scale-bits 8 uint8 scale codes",
        "channel_scale": "float32 (n,), with --scale-bits 8: scale = scale code * channel scale"}

    def __init__(self) -> None:
        super().__init__("olive4", 4, "4 bits, outliers in pairs with victims")

    def check(self, options: QuantizeOptions) -> None:
        if options.group_size < 2 or options.group_size % 2:
            raise UsageError("--group-size must be even, 2 or more, for pairs; got "
                             f"{options.group_size}")
        if options.special_values is not None:
            raise UsageError(f"--special-values do not belong to --dtype {self.name}; leave them "
                             "out")
        if options.scale_bits not in (None, 8):
            raise UsageError(f"--scale-bits must be 8 with --dtype {self.name}, or left out for "
                             f"float32 scales; got {options.scale_bits}")

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[OlivePairs, ErrorReport]:
        tensor = quantize(source, options.group_size, progress,
                          two_levels=options.scale_bits == 8)
        return tensor, error_report(source, tensor)

    def fields(self, tensor: OlivePairs) -> dict[str, Any]:
        levels = {} if tensor.channel_scale is None else {"channel_scale": tensor.channel_scale}
        return {"scale": tensor.scale, **levels}

    def read(self, entries: Entries, codes: Any, group_size: int) -> OlivePairs:
        if group_size < 2 or group_size % 2:
            entries.refuse(f"its groups of {group_size} are no pairs")
        n, k = codes.shape
        shape = n, group_count(k, group_size)
        if "channel_scale" not in entries:
            return OlivePairs(codes, entries.finite("scale", "float32", shape), group_size)
        return OlivePairs(codes, entries.array("scale", "uint8", shape), group_size,
                          entries.finite("channel_scale", "float32", (n,)))
