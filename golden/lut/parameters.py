"""Parameters of the LUT family, and every width and format that follows from them.

Layers, so that a table unit, a dot-product unit and a core that work together are described by the
same fields: :class:`LutParameters` (what a table entry is), :class:`WeightParameters` (how it is
read), :class:`ReductionParameters` (how long its sums get), :class:`LutCoreParameters` (how the
reads are accumulated and delivered).
"""

from .core_parameters import LutCoreParameters
from .dot_parameters import LutDotParameters, WeightParameters
from .reduction_parameters import LutTableParameters, ReductionParameters
from .table_parameters import LutParameters

__all__ = ["LutParameters", "LutTableParameters", "LutDotParameters", "LutCoreParameters",
           "ReductionParameters", "WeightParameters"]
