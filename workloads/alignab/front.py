"""The best trade-off between attraction and repulsion that designs can have, in closed form, beside a grid of angles.

Source: a world of our own for arXiv:2412.20984, whose energies need Rosetta; supported front and von Mises law derived.
Symbols: s = type of a position · theta = its torsion · g = attraction of a type · k = its bulk · w = weight on attraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import Tensor

from workloads.alignab.maths import trade_offs, world

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A world, the weight whose best energies are asked for, and the weights whose points make the front."""

    world: Annotated[Literal["formula", "small", "five"], "whose energies", {"shape": True}] = "formula"
    positions: Annotated[int, "positions n of a design of world formula", {"at_least": 1, "at_most": 64, "shape": True}] = 6
    types: Annotated[int, "types K of each position of world formula", {"at_least": 2, "at_most": 64, "shape": True}] = 6
    clash: Annotated[
        float, "angle from the direction that attracts to the one that clashes", {"at_least": 0, "at_most": 3.15, "unit": "rad"}
    ] = 2.0
    weight: Annotated[float, "weight w on attraction, 1 - w on repulsion", {"at_least": 0, "at_most": 1}] = 0.5
    weights: Annotated[int, "weights j/(W + 1) whose points make the front", {"at_least": 1, "shape": True}] = 199
    beta: Annotated[float, "temperature of the tilted law; 0 for the minimum", {"at_least": 0, "at_most": 1000}] = 0.0
    angles: Annotated[int, "angles of an even grid beside the closed form; 0 for none", {"at_least": 0, "shape": True}] = 0
    reference_att: Annotated[float, "attraction that a front must beat", {"at_least": -1000, "at_most": 1000}] = 0.0
    reference_rep: Annotated[float, "repulsion that a front must beat", {"at_least": -1000, "at_most": 1000}] = 12.0


EXAMPLES = (
    Params(weights=19),
    Params(world="small", weights=19, angles=24, reference_rep=4.0),
    Params(world="five", weights=9, beta=0.5, reference_rep=1.0),
    Params(positions=1, types=2, weights=9, beta=0.5, weight=0.3),
)


@dataclass(frozen=True)
class Result:
    """Energies of the best designs at the weight, and the area that the best of all weights dominate."""

    energy_att: Annotated[float, "attraction energy at the weight, of the minimum or under the tilted law", {"seedless": True}]
    energy_rep: Annotated[float, "repulsion energy likewise", {"seedless": True}]
    energy_weighted: Annotated[float, "w attraction + (1 - w) repulsion likewise", {"seedless": True}]
    log_z: Annotated[float | None, "ln of the prior's mean of exp(-E/beta); null at beta = 0", {"seedless": True}]
    hypervolume: Annotated[float, "area that the points of all weights dominate, up to the reference", {"seedless": True}]
    front_size: Annotated[int, "points among them that no other beats", {"seedless": True}]
    energy_grid: Annotated[
        float | None, "least weighted energy over all types and the grid of angles; null without one", {"seedless": True}
    ]
    hypervolume_grid: Annotated[
        float | None, "area that all designs of the grid dominate, unsupported ones too; null without one", {"seedless": True}
    ]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a world and a weight."""
    _check(params)
    at_weight = _best(params, torch.tensor([params.weight], dtype=torch.float64), params.beta)
    weights = torch.arange(1, params.weights + 1, dtype=torch.float64) / (params.weights + 1)
    points = _best(params, weights, params.beta)
    grid_energy, grid_area = _grid(params) if params.angles else (None, None)
    yield (
        0,
        Result(
            energy_att=at_weight.att.item(),
            energy_rep=at_weight.rep.item(),
            energy_weighted=at_weight.weighted.item(),
            log_z=None if at_weight.log_z is None else at_weight.log_z.item(),
            hypervolume=trade_offs.hypervolume(points.att, points.rep, _reference(params)).item(),
            front_size=len(trade_offs.front(points.att, points.rep)),
            energy_grid=grid_energy,
            hypervolume_grid=grid_area,
        ),
    )


def _check(p: Params) -> None:
    """Refuse a reference that no design reaches, and a grid of a world without angles."""
    ends = _best(p, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64), 0.0)
    if not trade_offs.hypervolume(ends.att, ends.rep, _reference(p)).item():
        least = f"attraction {ends.att.min().item():.4g} and repulsion {ends.rep.min().item():.4g} at best"
        raise ValueError(
            f"a reference must lie beyond some design, but got {_reference(p)} where designs have {least}; raise it."
        )
    if p.angles and p.world == "five":
        raise ValueError(f"designs of world five have no angles, but got angles = {p.angles}; set it to 0.")


def _reference(p: Params) -> tuple[float, float]:
    return p.reference_att, p.reference_rep


def _best(p: Params, weights: Tensor, beta: float) -> world.Best:
    if p.world == "five":
        return world.best_of_five(weights, beta)
    return world.best(world.build(p.world, p.positions, p.types, p.clash), weights, beta)


def _grid(p: Params) -> tuple[float, float]:
    """The least weighted energy over the grid, and the area that its exact front dominates."""
    att, rep = world.options(world.build(p.world, p.positions, p.types, p.clash), p.angles)
    least = (p.weight * att + (1 - p.weight) * rep).min(-1).values.sum().item()
    front_att, front_rep, _ = trade_offs.of_sums(att, rep)
    return least, trade_offs.hypervolume(front_att, front_rep, _reference(p)).item()
