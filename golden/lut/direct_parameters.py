"""Parameters of the direct dot-product core: a LUT core without tables.

Every beat brings K weights of a column, all digits at once, and the activations themselves. So the
core is a :class:`LutCoreParameters` with tables of one activation, K of them a beat, and one plane
(:class:`DirectFrame`); what differs is how a beat's sum is made, and hence how large it gets.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ..coded_integers import E2M1, INT4, MXINT8, CodedInt
from ..digits import FORMATS, DigitFormat
from ..formats import (
    FP16,
    FP32,
    ExponentFormat,
    FactorFormat,
    FloatFormat,
    IntFormat,
    ProductFormat,
    ScaleFormat,
)
from ..group_scale import SCALE_KINDS
from ..parameters import TargetParameters, parameter
from .core_parameters import LutCoreParameters
from .direct_scale import DirectScale
from .table_parameters import ACTIVATIONS

__all__ = ["PRESETS", "DirectFrame", "DotCoreParameters"]

#: activations that only this core takes: integers in units
CODED = {fmt.name: fmt for fmt in (INT4, E2M1, MXINT8)}
#: kinds of scales of activations: those whose products with each other are exact
A_SCALES = ("none", "e8m0", "e4m3")
#: what makes digits of weights
RECODES = ("packer", "edge")


@dataclass(frozen=True, kw_only=True)
class DirectFrame(LutCoreParameters):
    """The core around the dot products: K is 1, ``groups`` the weights a beat of a column."""

    K: int = parameter(1, "one activation a table", low=1, high=1)
    groups: int = parameter(4, "weights a beat", low=1, high=64)
    w_format: str = parameter("int4", "weight format", choices=tuple(FORMATS))
    multiples: bool = parameter(True, "odd multiples made once")
    recode: str = parameter("packer", "what makes digits of integers", choices=RECODES)

    a_format: str = parameter("fp16", "activation format", choices=(*ACTIVATIONS, *CODED))
    a_scale: str = parameter("none", "scales of groups of activations", choices=A_SCALES)

    def check(self) -> None:
        super().check()
        if self.recodes and not self.w_format.startswith("int"):
            self.refuse("recode", f"edge is for integer weights; {self.w_format} comes as digits")
        if self.a_scale != "none" and self.group_scale not in A_SCALES[1:]:
            self.refuse("group_scale", f"must be {' or '.join(A_SCALES[1:])} with --a-scale: the "
                        "product of both scales is made without rounding")
        if self.a_scale != "none" and self.offset != "none":
            self.refuse("offset", "must be none with --a-scale")

    @property
    def row_scale_format(self) -> ScaleFormat | None:
        return None if self.a_scale == "none" else SCALE_KINDS[self.a_scale]

    @property
    def factor_format(self) -> FactorFormat:
        scale, row = self.scale_format, self.row_scale_format
        if row is None:
            return scale
        assert not isinstance(row, IntFormat | ProductFormat)
        assert isinstance(scale, ExponentFormat | FloatFormat)
        return ProductFormat(scale, row)

    @cached_property
    def activation(self) -> IntFormat | FloatFormat:
        return CODED.get(self.a_format) or super().activation

    # -- weights ------------------------------------------------------------------------------
    @cached_property
    def form(self) -> DigitFormat:
        """Weights as the hardware reads them."""
        form = FORMATS[self.w_format]
        return form.single if self.multiples else form

    @property
    def recodes(self) -> bool:
        """Integers come in two's complement, and the core makes digits of them."""
        return self.recode == "edge"

    @property
    def weight_bits(self) -> int:
        """Bits of a weight at the port."""
        return int(self.w_format.removeprefix("int")) if self.recodes else self.form.port_bits

    @property
    def is_direct(self) -> bool:
        return True

    @property
    def has_codes(self) -> bool:
        return False

    # -- widths -------------------------------------------------------------------------------
    @property
    def common_lsb(self) -> bool:
        return False

    @property
    def offset_entries(self) -> bool:
        return True

    @property
    def beat_offset(self) -> tuple[int, int]:
        total = self.groups * self.form.offset(self.entry_bits)
        place = (total & -total).bit_length() - 1
        return total >> place, place

    @property
    def entry_unit(self) -> int:
        fmt = self.activation
        return fmt.unit if isinstance(fmt, CodedInt) else super().entry_unit

    @property
    def sum_unit(self) -> int:
        return self.entry_unit + self.form.unit

    @property
    def magnitudes(self) -> bool:
        """Outputs read activations as sign and magnitude. It pays where a weight is one digit of
        many choices, and where no activation lacks an opposite."""
        return len(self.form.digits) == 1 and self.form.lines > 3 and \
            self.entry_limit < 1 << self.entry_bits - 1

    @property
    def read_bits(self) -> int:
        """Bits of an activation as outputs read it, the sign of a magnitude apart."""
        return self.entry_bits - self.magnitudes

    @property
    def step_bits(self) -> int:
        """Bits of an activation and its odd multiples, as an output reads them."""
        return self.magnitudes + sum(self.read_bits + (multiple - 1).bit_length()
                                     for multiple in self.form.multiples)

    @cached_property
    def entry_limit(self) -> int:
        fmt = self.activation
        return -fmt.low if isinstance(fmt, IntFormat) else super().entry_limit

    @cached_property
    def entry_bits(self) -> int:
        return self.activation.bits if self.is_integer else super().entry_bits

    @property
    def entry_default(self) -> int:
        """Activations are rounded one by one, but in units that are finer by their number in a
        table, and their sums are not rounded again."""
        if self.acc_format != FP32:
            return 13
        return 25 + (self._aligned_format.precision < FP16.precision or self.form.largest < 2)

    @property
    def _acc_default(self) -> int:
        weight = (self.form.largest - 1).bit_length()
        return 31 + max(weight, 1) if self.acc_format == FP32 else 19 + weight

    @cached_property
    def acc_bits(self) -> int:
        if self.acc_width is not None:
            return self.acc_width
        if self.is_aligned:
            return self._aligned_acc_bits()
        return (self.entry_limit * self.form.largest * self.max_tables).bit_length() + 1

    def _row_scale(self, acc_bits: int) -> DirectScale:
        return DirectScale(fmt=self._aligned_format, K=1, entry_bits=self.entry_bits,
                           acc_bits=acc_bits, w_bits=1, zero_point=False, max_k=self.max_k,
                           groups=self.groups, guard_bits=0, weight_limit=self.form.largest)


#: named designs of the field, as the options that they are
PRESETS: dict[str, dict[str, Any]] = {
    # FIGNA (HPCA'24): FP16 activations aligned to integers, dequantised after the integer sum
    "figna": dict(w_format="int4", a_format="fp16", group_scale="fp16"),
    # MixPE: integers, dequantised after the group
    "mixpe": dict(w_format="int4", a_format="int8", group_scale="fp16"),
    # OCP Microscaling v1.0: blocks of 32, of weights and of activations
    "mxfp4": dict(w_format="e2m1", a_format="e2m1", group_scale="e8m0", a_scale="e8m0", max_k=32),
    "mxint8": dict(w_format="int8", a_format="mxint8", group_scale="e8m0", a_scale="e8m0",
                   max_k=32),
    # NVFP4: blocks of 16
    "nvfp4": dict(w_format="e2m1", a_format="e2m1", group_scale="e4m3", a_scale="e4m3", max_k=16),
    # integer multiply-accumulate with a 32-bit accumulator
    "int-mac": dict(w_format="int8", a_format="int8", group_scale="none", acc_width=32)}
#: of the fields that presets set
DEFAULTS: dict[str, Any] = dict(w_format="int4", a_format="fp16", group_scale="none",
                                a_scale="none", max_k=4096)


def _as_in_core(name: str, **changes: Any) -> Any:
    """The declaration of a field of the LUT core."""
    field = LutCoreParameters.__dataclass_fields__[name]
    return dataclasses.field(default=changes.pop("default", field.default),
                             metadata={**field.metadata, **changes})


@dataclass(frozen=True, kw_only=True)
class DotCoreParameters(TargetParameters):
    """The direct dot-product core: M rows times N columns, K weights of each column a beat."""

    generator: ClassVar[str] = "dot_core"

    preset: str | None = parameter(
        None, "a design of the field by its name: --w-format, --a-format, --group-scale, "
        "--a-scale, --max-k and --acc-width (docs/dot.md)", choices=tuple(PRESETS))
    M: int = _as_in_core("M", source="")
    N: int = _as_in_core("N", source="")
    K: int = parameter(4, "weights of a column, and activations of a row, a beat", low=1, high=64)
    w_format: str = parameter(None, "weight format; default that of the preset, or int4",
                              choices=tuple(FORMATS))
    a_format: str = parameter(None, "activation format; default that of the preset, or fp16",
                              choices=(*ACTIVATIONS, *CODED))
    multiples: bool = parameter(
        True, "weights of sign and magnitude select an odd multiple of an activation (3a), made "
        "once for all columns, in place of a sum of two powers of two")
    recode: str = parameter(
        None, "what makes digits of weights: the packer, or of integers in two's complement each "
        "column, once for all rows; default edge for integers, which measures smaller",
        choices=RECODES)
    acc: str | None = _as_in_core("acc")
    entry_width: int | None = _as_in_core(
        "entry_width", help="floating activations: bits of an aligned activation; default what "
        "the accuracy bar takes")
    max_k: int = _as_in_core("max_k", default=None, low=1, help="longest reduction of one "
                             "operation, or group; default that of the preset, or 4096")
    acc_width: int | None = _as_in_core("acc_width")
    exponent: str = _as_in_core("exponent", help="floating activations: the exponent of a row is "
                                "found by a pass over its activations, or given with them")
    preload: bool = _as_in_core("preload")
    out_format: str | None = _as_in_core("out_format")
    lanes: int | None = _as_in_core("lanes")
    buffer: str = _as_in_core("buffer")
    pipeline: int = _as_in_core("pipeline")
    segment: int | None = _as_in_core("segment")
    chains: int = _as_in_core("chains")
    group_scale: str = _as_in_core("group_scale", default=None, help="scales of weight groups, "
                                   "applied inside: results are dequantised sums over all groups "
                                   "of an operation; default that of the preset, or none")
    a_scale: str = parameter(None, "scales of groups of activations too, one for each row and "
                             "group, multiplied by that of the weights inside; default that of the "
                             "preset, or none", choices=A_SCALES)
    offset: str = _as_in_core("offset")

    @property
    def preset_fields(self) -> dict[str, Any]:
        """What the preset sets."""
        return {} if self.preset is None else PRESETS[self.preset]

    def default(self, field: dataclasses.Field[Any]) -> Any:
        if field.name == "recode":
            return "edge" if self.w_format.startswith("int") else "packer"
        return (DEFAULTS | self.preset_fields).get(field.name, super().default(field))

    def check(self) -> None:
        for name, value in self.preset_fields.items():
            if getattr(self, name) != value:
                self.refuse(name, f"must be {value} with --preset {self.preset}; leave one of the "
                            "two out")
        if self.a_format in CODED or self.a_format.startswith("int"):
            for name in ("entry_width", "exponent"):
                if getattr(self, name) not in (None, "scan"):
                    self.refuse(name, "belongs to floating activations; leave it out")
        if self.max_k < self.K:
            self.refuse("max_k", f"must be at least K = {self.K}")
        if self.frame.is_fixed and self.frame.acc_bits > 62:
            self.refuse("max_k", f"needs an accumulator of at most 62 bits, not "
                        f"{self.frame.acc_bits}; shorten it, or choose narrower formats")

    @cached_property
    def frame(self) -> DirectFrame:
        """The core as one without tables; checks the rules that it has."""
        mine = {name: value for name, value in self.as_dict().items()
                if name not in ("preset", "K", "reset")}
        return DirectFrame(**mine, K=1, groups=self.K, w_bits=1, zero_point=False,
                           table_source="internal", reset=self.reset)

    def derived_fields(self) -> dict[str, Any]:
        names = {field.name for field in self.declared()}
        return {name: value for name, value in self.frame.derived_fields().items()
                if name in names}

    def derived(self) -> dict[str, Any]:
        frame = self.frame
        return {name: value for name, value in frame.derived().items() if name != "entries"} | {
            "weight_bits": frame.weight_bits, "sum_unit": frame.sum_unit}
