"""Weight-stationary tile without skew and control: one of a mesh, or a user's array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lowbit.golden.systolic.parameters import SystolicParameters

from ..common.field import Field, flag
from .lane_flow import free_flow
from .operands import entering
from .streams import activations_field, weights_field
from .weight_grid import weight_grid, weight_lanes

__all__ = ["weight_tile", "weight_tile_members"]


def weight_tile_members(p: SystolicParameters) -> dict[str, wiring.Member]:
    """Ports of the tile, which have no handshake. Sums pass from tile to tile as integers:
    ``results`` of the one above are ``psum`` of the one below, whose vectors come a cycle later."""
    late = "column j of a vector j cycles later than column 0"
    members = {
        "activations": In(activations_field(p, "activations, row i of a vector i cycles later than "
                                            "row 0; zeros without a vector")),
        "weights": In(weights_field(p, "weights of a row of elements, the last row first")),
        "load": In(flag("weights step on by a row of elements")),
        "swap": In(flag("weights that were loaded come into use: with row 0 of the first vector "
                        "that meets them; none are loaded for R + C - 1 cycles from then on")),
        "psum": In(Field(p.sum, f"what is added to the results of a vector, {late}, in the cycle "
                         "before its result", axes={"column": p.C})),
        "results": Out(Field(p.sum, f"results of a vector, {late}", axes={"column": p.C}))}
    if p.mesh:
        members |= {
            "activations_out": Out(activations_field(p, "activations for the tile to the right")),
            "swap_out": Out(flag("swap for the tile to the right")),
            "weights_out": Out(weights_field(p, "weights for the tile below"))}
    return members


def weight_tile(m: Module, p: SystolicParameters, ports: Any) -> None:
    """The tile between ``ports``, those of :func:`weight_tile_members`."""
    activations = [ports.activations[i].as_value() for i in range(p.R)]
    weights = [entering(m, p, j, ports.weights[j].as_value()) for j in range(p.C)]
    grid = weight_grid(m, p, activations, weights, Const(1, 1), ports.load, ports.swap)
    values = [pe.sum_out for pe in grid.rows[-1]]
    lanes = weight_lanes(m, p, values, list(ports.psum), free_flow())
    m.d.comb += ports.results.eq(Cat(lane.result for lane in lanes))
    if p.mesh:
        m.d.comb += [ports.activations_out.eq(Cat(line[-1].activation_out for line in grid.rows)),
                     ports.swap_out.eq(grid.swaps[p.C]),
                     ports.weights_out.eq(Cat(pe.weight_out for pe in grid.rows[-1]))]
