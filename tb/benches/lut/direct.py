"""Bench of dot_core: that of lut_core (:mod:`.core`) with weights of a format of digits."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from lowbit.golden.coded_integers import CodedInt
from lowbit.golden.lut.direct import direct_beats
from lowbit.golden.lut.direct_parameters import DirectFrame, DotCoreParameters
from lowbit.golden.lut.packing import Beats
from lowbit.tb.benches.lut.core import Stimulus, compare
from lowbit.tb.benches.streams import load_plan

Array = NDArray[Any]


class DirectStimulus(Stimulus):
    """Operations with weights of the design's format; what :class:`~.core.Stimulus` calls codes
    are the weights themselves."""

    p: DirectFrame

    def _codes(self, bits: int, shape: tuple[int, int]) -> Array:
        form = self.p.form
        return form.values[self.rng.choice(np.array(form.codes), shape)]

    def _extremes(self) -> tuple[int, int]:
        values = self.p.form.values[list(self.p.form.codes)]
        return int(values.min()), int(values.max())

    def _operation(self, codes: Array, *args: Any, **options: Any) -> None:
        fmt = self.p.activation
        super()._operation(fmt.nearest(codes) if isinstance(fmt, CodedInt) else codes,
                           *args, **options)

    def _beats(self, q: Array, bits: int, zero: Array | None) -> Beats:
        return direct_beats(q, self.p)


@cocotb.test()
async def equals_golden(dut: Any) -> None:
    """Every result of every operation, bit for bit."""
    plan = load_plan()
    p = DotCoreParameters(**plan["parameters"])
    await compare(dut, plan, DirectStimulus(p.frame, plan["seed"], plan["vectors"]))
