"""Output-stationary tile without skew and control: one of a mesh, or a user's array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.field import Field, flag
from .lane_flow import free_flow
from .operands import entering
from .output_grid import output_grid, output_lanes
from .streams import activations_field, weights_field

__all__ = ["output_tile", "tile_members"]


def tile_members(p: SystolicParameters) -> dict[str, wiring.Member]:
    """Ports of the tile, which have no handshake."""
    late = "row i of what belongs together i cycles later than row 0" if p.weights == "pass" \
        else "all rows together"
    members = {
        "activations": In(activations_field(p, f"activations, {late}; zeros without operands")),
        "clear": In(flag("sums start anew: in the cycle of the first operands, and before"))}
    where = "" if not p.mesh else ", as the tile above passes them on"
    members["weights"] = In(weights_field(p, "weights, column j of what belongs together j cycles "
                                          f"later than column 0{where}"))
    if p.drain == "mux":
        if p.R > 1:
            members["row"] = In(Field((p.R - 1).bit_length(), "the row whose results follow",
                                      name="unsigned"))
    else:
        members["shift"] = In(flag("sums move up a row: the results of the next one follow"))
    members["results"] = Out(Field(p.sum, "results of the row that was read in the cycle before",
                                   axes={"column": p.C}))
    if p.mesh and p.weights == "pass":
        members["weights_out"] = Out(weights_field(p, "weights for the tile below"))
    if p.mesh:
        members["activations_out"] = Out(activations_field(p, "activations for the tile to the "
                                                           "right"))
    return members


def output_tile(m: Module, p: SystolicParameters, ports: Any) -> None:
    """The tile between ``ports``, those of :func:`tile_members`."""
    activations = [ports.activations[i].as_value() for i in range(p.R)]
    weights = [entering(m, p, j, ports.weights[j].as_value()) for j in range(p.C)]
    shift: Value = Const(0, 1) if p.drain == "mux" else ports.shift
    row: Value = ports.row if p.drain == "mux" and p.R > 1 else Const(0, 1)
    grid = output_grid(m, p, activations, weights, ports.clear, shift)
    m.d.comb += ports.results.eq(Cat(output_lanes(m, p, grid, row, ports.clear, free_flow())))
    if p.mesh:
        m.d.comb += ports.activations_out.eq(Cat(line[-1].activation_out for line in grid))
    if p.mesh and p.weights == "pass":
        m.d.comb += ports.weights_out.eq(Cat(pe.weight_out for pe in grid[-1]))
