"""Worlds of designs whose attraction and repulsion are known in closed form, with their best weighted energies.

A design has a type s and a torsion angle theta for each of n positions. Energies add up over positions:
E_att = -sum g_s (1 + cos(theta - a))/2, E_rep = sum k_s (1 + cos(theta - rho))/2; large types attract and clash more.
For a weight w on attraction a position's weighted energy is a constant plus half the real part of z e^(-i theta), z =
(1 - w) k e^(i rho) - w g e^(i a): it is least opposite to z, and tilted by exp(-E/beta) its angle has a von Mises law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REWARDS = ((0.0, 0.5, 1.0, 1.5, 2.0), (1.0, 0.9, 0.6, 0.3, -0.5))
PRIOR = (0.4, 0.3, 0.15, 0.1, 0.05)
"""World `five`: rewards of five designs, for attraction and for repulsion, and how probable each is without alignment."""
SMALL = {"pull": (1.0, 2.0, 3.0), "bulk": (0.2, 1.0, 2.5), "towards": (0.0, math.pi / 2), "clashing": (math.pi / 3, math.pi)}


@dataclass(frozen=True)
class World:
    """Attraction g (K,) and bulk k (K,) of the types, directions a (n,) and rho (n,) of the positions; float64."""

    pull: Tensor
    bulk: Tensor
    towards: Tensor
    clashing: Tensor

    @property
    def positions(self) -> int:
        """n."""
        return len(self.towards)

    @property
    def types(self) -> int:
        """K."""
        return len(self.pull)


@dataclass(frozen=True)
class Best:
    """Energies of each weight (W,): attraction, repulsion, weighted, and log of the mean of exp(-E/beta), None at beta = 0."""

    att: Tensor
    rep: Tensor
    weighted: Tensor
    log_z: Tensor | None = None


def build(name: str, positions: int, types: int, clash: float) -> World:
    """World `formula` of any size, or `small`, which has two positions and three types whatever is said."""
    if name == "small":
        return World(**{part: torch.tensor(values, dtype=torch.float64) for part, values in SMALL.items()})
    number = torch.arange(1, types + 1, dtype=torch.float64)
    towards = torch.linspace(0, math.pi / 2, positions, dtype=torch.float64) if positions > 1 else torch.zeros(1).double()
    return World(pull=number / 2, bulk=0.09 * number**2, towards=towards, clashing=towards + clash)


def energies(world: World, types: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """Attraction and repulsion of designs, (...) each, of types and angles (..., n); in the precision of the angles."""
    pull, bulk = (table.to(angles)[types] for table in (world.pull, world.bulk))
    att = (pull * torch.cos(angles - world.towards.to(angles))).sum(-1) + pull.sum(-1)
    rep = (bulk * torch.cos(angles - world.clashing.to(angles))).sum(-1) + bulk.sum(-1)
    return -0.5 * att, 0.5 * rep


def best(world: World, weights: Tensor, beta: float = 0.0) -> Best:
    """The least weighted energy of all designs for weights (W,) on attraction, or the tilted mean where beta is above 0.

    The tilted law is the uniform one over types and angles, times exp(-E/beta), normalised.
    """
    w = weights[:, None, None]
    repelled, attracted = (1 - w) * world.bulk, w * world.pull  # (W, 1, K)
    clash = (world.clashing - world.towards)[:, None]  # what the directions of a position differ by, (n, 1)
    # z e^(-i a), whose angle is that of the worst torsion as seen from a
    real, imaginary = repelled * torch.cos(clash) - attracted, repelled * torch.sin(clash)
    size = torch.hypot(real, imaginary)
    away = size.clamp_min(torch.finfo(size.dtype).tiny)
    cos_towards, cos_clashing = -real / away, -(real * torch.cos(clash) + imaginary * torch.sin(clash)) / away
    constant = 0.5 * (repelled - attracted)
    if beta == 0.0:
        least, best_types = (constant - 0.5 * size).min(-1, keepdim=True)  # (W, n, 1)
        att, rep = _of_type(world, cos_towards, cos_clashing)
        energies_there = [energy.gather(-1, best_types).sum((-2, -1)) for energy in (att, rep)]
        return Best(energies_there[0], energies_there[1], least.sum((-2, -1)))
    strength = size / (2 * beta)
    mean_cos = torch.special.i1e(strength) / torch.special.i0e(strength)
    att, rep = _of_type(world, mean_cos * cos_towards, mean_cos * cos_clashing)
    logits = -constant / beta + strength + torch.log(torch.special.i0e(strength))
    share = torch.softmax(logits, -1)
    att, rep = ((share * energy).sum((-2, -1)) for energy in (att, rep))
    log_z = (torch.logsumexp(logits, -1) - math.log(world.types)).sum(-1)
    return Best(att, rep, weights * att + (1 - weights) * rep, log_z)


def _of_type(world: World, cos_towards: Tensor, cos_clashing: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (W, n, K) of one position by type, of the means of both cosines."""
    return -0.5 * world.pull * (1 + cos_towards), 0.5 * world.bulk * (1 + cos_clashing)


def best_of_five(weights: Tensor, beta: float = 0.0) -> Best:
    """The same of the five designs of world `five`, whose prior is their own."""
    att, rep = (-reward for reward in rewards())
    weighted = weights[:, None] * att + (1 - weights[:, None]) * rep  # (W, 5)
    if beta == 0.0:
        least, best_types = weighted.min(-1)
        return Best(att[best_types], rep[best_types], least)
    logits = torch.log(prior()) - weighted / beta
    share = torch.softmax(logits, -1)
    return Best((share * att).sum(-1), (share * rep).sum(-1), (share * weighted).sum(-1), torch.logsumexp(logits, -1))


def rewards() -> tuple[Tensor, Tensor]:
    """Rewards (5,) of world `five` for attraction and for repulsion: energies with their sign turned."""
    first, second = (torch.tensor(values, dtype=torch.float64) for values in REWARDS)
    return first, second


def prior() -> Tensor:
    """How probable each design of world `five` is without alignment, (5,)."""
    return torch.tensor(PRIOR, dtype=torch.float64)


def options(world: World, angles: int) -> tuple[Tensor, Tensor]:
    """Energies (n, K * angles) of one position by type and by an even grid of so many angles: attraction and repulsion."""
    grid = torch.arange(angles, dtype=torch.float64) * (2 * math.pi / angles)
    att = -0.5 * world.pull[:, None] * (1 + torch.cos(grid - world.towards[:, None, None]))
    rep = 0.5 * world.bulk[:, None] * (1 + torch.cos(grid - world.clashing[:, None, None]))
    return att.flatten(1), rep.flatten(1)
