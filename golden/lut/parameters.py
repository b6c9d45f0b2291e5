"""Parameters of the LUT family, and every width and format that follows from them.

Three layers, so that a table unit, a dot-product unit and a core that work together are described
by the same fields: :class:`LutParameters` (what a table entry is), :class:`LutDotParameters` (how
it is read), :class:`LutCoreParameters` (how the reads are accumulated and delivered).
"""

from .core_parameters import LutCoreParameters
from .dot_parameters import LutDotParameters, WeightParameters
from .table_parameters import LutParameters, LutTableParameters

__all__ = ["LutParameters", "LutTableParameters", "LutDotParameters", "LutCoreParameters",
           "WeightParameters"]
