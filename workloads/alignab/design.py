"""Attraction and repulsion of one design, so that a search may look for the best trade-offs without any model.

Source: world of our own for arXiv:2412.20984, which names both energies; NSGA-II as a search that sees them: Deb et al. 2002.
Symbols: s = type of a position · t = its torsion · clash = angle from the direction that attracts to the one that clashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from workloads.alignab.maths import world
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
POSITIONS = TYPES = 6
"""Of world `formula`; world `small` has two positions of three types, world `five` one of five and no torsion."""
SIZES = {"formula": (POSITIONS, TYPES), "small": (2, 3), "five": (1, 5)}

Type = Annotated[int, "type of a position, counted from 0; one that the world has not must be 0", {"at_least": 0, "at_most": 5}]
Torsion = Annotated[float, "torsion of a position; one that the world has not counts for nothing", {"unit": "rad"}]


@dataclass(frozen=True)
class Params:
    """A world and one design of it."""

    world: Annotated[Literal["formula", "small", "five"], "whose energies", {"shape": True}] = "formula"
    clash: Annotated[
        float, "angle between the directions of world formula", {"unit": "rad", "at_least": 0, "at_most": 3.15}
    ] = 2.0
    s0: Type = 0
    s1: Type = 0
    s2: Type = 0
    s3: Type = 0
    s4: Type = 0
    s5: Type = 0
    t0: Torsion = 0.0
    t1: Torsion = 0.0
    t2: Torsion = 0.0
    t3: Torsion = 0.0
    t4: Torsion = 0.0
    t5: Torsion = 0.0

    @property
    def types(self) -> tuple[int, ...]:
        """s0 … s5."""
        return self.s0, self.s1, self.s2, self.s3, self.s4, self.s5

    @property
    def torsions(self) -> tuple[float, ...]:
        """t0 … t5."""
        return self.t0, self.t1, self.t2, self.t3, self.t4, self.t5


EXAMPLES = (Params(), Params(s0=5, t0=1.0, t5=-2.0), Params(world="small", s0=2, s1=1, t1=0.5), Params(world="five", s0=4))


@dataclass(frozen=True)
class Result:
    """Both energies, of which less is better."""

    energy_att: Annotated[float, "attraction energy", {"seedless": True, "range": (-18.0, 0.0)}]
    energy_rep: Annotated[float, "repulsion energy", {"seedless": True, "range": (-1.0, 19.5)}]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every design; those of one world go through as one batch."""
    for p in params:
        _check(p)
    for (name, clash), indices in packs.groups(params, lambda p: (p.world, p.clash)):
        att, rep = _energies(name, clash, [params[i] for i in indices])
        yield {"index": indices, "step": [0] * len(indices), "energy_att": att, "energy_rep": rep}


def _energies(name: str, clash: float, designs: Sequence[Params]) -> tuple[list[float], list[float]]:
    types = torch.tensor([design.types for design in designs])
    if name == "five":
        att, rep = (-reward[types[:, 0]] for reward in world.rewards())
    else:
        positions = SIZES[name][0]
        angles = torch.tensor([design.torsions for design in designs], dtype=torch.float64)
        energy_world = world.build(name, POSITIONS, TYPES, clash)
        att, rep = world.energies(energy_world, types[:, :positions], angles[:, :positions])
    return att.tolist(), rep.tolist()


def _check(p: Params) -> None:
    """Refuse a type that the world has not."""
    positions, types = SIZES[p.world]
    if max(p.types[:positions]) >= types or any(p.types[positions:]):
        raise ValueError(f"world {p.world} has {positions} positions of {types} types, but got types {p.types}; mend them.")
