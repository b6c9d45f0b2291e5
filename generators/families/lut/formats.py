"""Weight formats of integer codes with a scale a group: quantised here, or kept as a file has them.

``lut1`` to ``lut8`` have a zero point a group, or a minimum where a model's file has one;
``lut1_sym`` to ``lut8_sym`` have odd levels. ``ternary`` has trits, for cores of radix 3 (one of
radix 2 takes them as ``lut2``); of those of ``sherry`` exactly one of each four is 0, and
``ternary2`` is the sum of two such matrices, each with scales of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from lowbit.golden.error_report import ErrorReport
from lowbit.golden.grouped import GroupedWeights, error_report
from lowbit.golden.groups import group_count
from lowbit.golden.lut.quantizer import quantize, quantize_planes, quantize_ternary
from lowbit.golden.parameters import ParameterError

from ...errors import UsageError
from ...weights.file import Entries
from ...weights.formats import QuantizeOptions, Rows, WeightFormat, find_format

__all__ = ["FORMATS", "LutFormat", "format_of"]


class LutFormat(WeightFormat):
    """A tensor is a :class:`~lowbit.golden.grouped.GroupedWeights` of the format's ``meaning``:
    ``zero`` (or a minimum), ``symmetric``, ``ternary``, ``sparse`` or ``planes``."""

    FIELDS: ClassVar[dict[str, str]] = {
        "scale": "float32 (n, g): d; the weight is d(q - z), d q + m or d q'",
        "zero": "uint8 or int32 (n, g): z",
        "minimum": "float32 (n, g): m, in place of a zero point",
        "order": "int64 (k,): the input that column j belongs to, where groups are no runs"}

    def __init__(self, name: str, bits: int, meaning: str) -> None:
        what = {"zero": "zero point or minimum a group",
                "symmetric": "odd levels, symmetric about 0",
                "ternary": "-1, 0, +1, scale mean |w|", "sparse": "-1, 0, +1, one 0 in each four",
                "planes": "two planes of -1, 0, +1, each with its scale"}[meaning]
        super().__init__(name, bits, f"{bits} bits, {what}")
        self.meaning = meaning

    @property
    def ternary(self) -> bool:
        return self.meaning in ("ternary", "sparse", "planes")

    @property
    def symmetric(self) -> bool:
        return self.meaning == "symmetric"

    def check(self, options: QuantizeOptions) -> None:
        for flag, value in (("--special-values", options.special_values),
                            ("--scale-bits", options.scale_bits)):
            if value is not None:
                raise UsageError(f"{flag} does not belong to --dtype {self.name}, which has "
                                 "float32 scales; leave it out")

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[GroupedWeights, ErrorReport]:
        size = options.group_size or None
        if self.meaning == "planes":
            tensor = quantize_planes(source, 2, size, progress=progress)
        elif self.ternary:
            tensor = quantize_ternary(source, size, sparse=self.meaning == "sparse",
                                      progress=progress)
        else:
            tensor = quantize(source, self.bits, size, symmetric=self.symmetric,
                              progress=progress)
        report = error_report(source, tensor)
        if self.ternary:        # trits have no zero points to store
            report.stored_bits = tensor.bits * tensor.codes.size + 32 * tensor.scale.size
        return tensor, report

    def fields(self, tensor: GroupedWeights) -> dict[str, Any]:
        zero = tensor.zero
        if zero is not None and zero.dtype != np.uint8:
            tensor = replace(tensor, zero=zero.astype(np.int32))
        if self.ternary:
            tensor = replace(tensor, zero=None)
        arrays = {name: getattr(tensor, name) for name in self.FIELDS}
        return {name: array for name, array in arrays.items() if array is not None}

    def read(self, entries: Entries, codes: Any, group_size: int) -> GroupedWeights:
        n, k = codes.shape
        shape = n, group_count(k, group_size or None)
        found: dict[str, Any] = {"zero": None, "scale": entries.finite("scale", "float32", shape)}
        if self.meaning == "zero" and "minimum" in entries:
            found["minimum"] = entries.finite("minimum", "float32", shape)
        elif self.ternary:
            found["zero"] = np.ones(shape, np.uint8)
            if codes.max() > 2:
                entries.refuse("a code is 3, which is no trit")
        elif self.meaning == "zero":
            found["zero"] = entries.array("zero", ("uint8", "int32"), shape)
        if "order" in entries:
            found["order"] = entries.array("order", "int64", (k,))
        try:
            return GroupedWeights(codes=codes, bits=self.bits, group_size=group_size or None,
                                  **found).check()
        except ParameterError as error:
            entries.refuse(str(error))


FORMATS = {format.name: format for bits in range(1, 9)
           for format in (LutFormat(f"lut{bits}", bits, "zero"),
                          LutFormat(f"lut{bits}_sym", bits, "symmetric"))}
FORMATS["ternary"] = LutFormat("ternary", 2, "ternary")
FORMATS["sherry"] = LutFormat("sherry", 2, "sparse")
FORMATS["ternary2"] = LutFormat("ternary2", 2, "planes")


def format_of(weights: GroupedWeights) -> WeightFormat:
    """The format of weights that a file has."""
    if weights.levels is not None:
        return find_format("mxfp4" if weights.factor is None else "nvfp4")
    if weights.ternary:
        return FORMATS["ternary"]
    return FORMATS[f"lut{weights.bits}{'_sym' if weights.symmetric else ''}"]
