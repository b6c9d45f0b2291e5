"""Block formats with narrow scales (:mod:`lowbit.golden.block_formats`) that several cores take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from lowbit.golden.block_formats import BLOCK_KINDS, BlockKind, quantize
from lowbit.golden.error_report import ErrorReport
from lowbit.golden.grouped import GroupedWeights, error_report
from lowbit.golden.groups import group_count
from lowbit.golden.parameters import ParameterError

from ..errors import UsageError
from .file import Entries
from .formats import QuantizeOptions, Rows, WeightFormat

__all__ = ["FORMATS", "BlockFormat"]


class BlockFormat(WeightFormat):
    """A tensor is a :class:`~lowbit.golden.grouped.GroupedWeights` with ``levels``, or of INT8."""

    FIELDS: ClassVar[dict[str, str]] = {
        "scale": "float32 (n, g): values of the blocks' E8M0 or E4M3 scales (mxint8: over 64)",
        "levels": "float32 (16,): values of the codes (mxfp4, nvfp4)",
        "zero": "uint8 (n, g): 128 (mxint8)",
        "factor": "float32 (n,): scale of the tensor (nvfp4)",
        "order": "int64 (k,): the input that column j belongs to, where groups are no runs"}

    def __init__(self, kind: BlockKind) -> None:
        super().__init__(kind.name, kind.bits, kind.summary)
        self.kind = kind
        self.block = kind.block

    def check(self, options: QuantizeOptions) -> None:
        if options.group_size not in (self.block, QuantizeOptions().group_size):
            raise UsageError(f"--group-size is {self.block} for --dtype {self.name}; got "
                             f"{options.group_size}")
        for flag, value in (("--special-values", options.special_values),
                            ("--scale-bits", options.scale_bits)):
            if value is not None:
                raise UsageError(f"{flag} does not belong to --dtype {self.name}, whose scales "
                                 f"are {self.kind.scale}; leave it out")

    def quantize(self, source: Rows, options: QuantizeOptions,
                 progress: Callable[[int, int], None]) -> tuple[GroupedWeights, ErrorReport]:
        tensor = quantize(source, self.name, progress)
        report = error_report(source, tensor)
        # a scale is a byte, NVFP4's factor one number of the tensor
        report.stored_bits = self.bits * tensor.codes.size + 8 * tensor.scale.size + \
            (0 if tensor.factor is None else 32)
        return tensor, report

    def fields(self, tensor: GroupedWeights) -> dict[str, Any]:
        arrays = {name: getattr(tensor, name) for name in self.FIELDS}
        return {name: array for name, array in arrays.items() if array is not None}

    def read(self, entries: Entries, codes: Any, group_size: int) -> GroupedWeights:
        n, k = codes.shape
        shape = n, group_count(k, group_size or None)
        found: dict[str, Any] = {"zero": None, "scale": entries.finite("scale", "float32", shape)}
        if self.kind.levels is None:
            found["zero"] = entries.array("zero", ("uint8",), shape)
        else:
            found["levels"] = entries.finite("levels", "float32", (1 << self.bits,))
        if "factor" in entries:
            found["factor"] = entries.finite("factor", "float32", (n,))
        if "order" in entries:
            found["order"] = entries.array("order", "int64", (k,))
        try:
            tensor = GroupedWeights(codes=codes, bits=self.bits, group_size=group_size or None,
                                    **found).check()
        except ParameterError as error:
            entries.refuse(str(error))
        if self.kind.levels is not None and not np.array_equal(found["levels"], self.kind.levels):
            entries.refuse(f"its levels are not those of {self.name}")
        return tensor


FORMATS: dict[str, WeightFormat] = {name: BlockFormat(kind) for name, kind in BLOCK_KINDS.items()}
