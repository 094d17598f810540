"""What designs are worth: the area that they dominate, what they have in common with nature, and how far they are from p*.

Shapes begin with (draws, designs). Nature is uniform here, so its entropy is ln K and each type's share 1/K.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workloads.alignab.maths import trade_offs, world

CELLS = 12
"""Cells of the circle in a histogram of angles."""


def dominated(scored_world: world.World, types: Tensor, angles: Tensor, reference: tuple[float, float]) -> dict[str, float]:
    """Mean over draws of the area, both energies' means, and the share of designs that no other of their draw beats."""
    att, rep = world.energies(scored_world, types, angles)
    fronts = [len(trade_offs.front(a, r)) for a, r in zip(att, rep, strict=True)]
    return {
        "hypervolume": trade_offs.hypervolume(att, rep, reference).mean().item(),
        "energy_att": att.mean().item(),
        "energy_rep": rep.mean().item(),
        "non_dominated": sum(fronts) / (len(fronts) * types.shape[1]),
    }


def nature_like(types: Tensor, kinds: int) -> dict[str, float]:
    """How the types of designs (designs, n) differ from nature's and among themselves."""
    shares = torch.nn.functional.one_hot(types, kinds).double().mean(0)  # (n, K)
    overall, count = shares.mean(0), len(types)
    entropy = torch.special.entr(shares).sum(-1).mean().item()
    alike = ((shares.square().sum(-1) * count - 1) / (count - 1)).mean().item()
    return {
        "diversity": 1 - alike,
        "entropy_drop": 1 - entropy / math.log(kinds),
        "largest_share": overall.max().item(),
        "composition_shift": 0.5 * (overall - 1 / kinds).abs().sum().item(),
    }


def units(scored_world: world.World) -> tuple[float, float]:
    """Standard deviations of both energies in nature: of g (1 + cos)/2 the mean square is 3 g^2/8, its mean g/2."""
    spread = []
    for scale in (scored_world.pull, scored_world.bulk):
        variance = 0.375 * scale.square().mean() - (0.5 * scale.mean()).square()
        spread.append(math.sqrt(scored_world.positions * variance.item()))
    return spread[0], spread[1]


def divergence(scored_world: world.World, types: Tensor, angles: Tensor, weight: float, beta: float) -> float:
    """KL(designs | p*) by position and in cells of the circle, summed over positions: at most that of whole designs.

    p* is nature tilted by rewards in units of their spread there, exp((w r_att + (1 - w) r_rep)/beta). The histogram of N
    designs adds about (cells - 1)/(2N) a position.
    """
    turn = 2 * math.pi
    cells = (angles.remainder(turn) / turn * CELLS).long().clamp_max(CELLS - 1) + CELLS * types
    target = _target(scored_world, weight, beta)
    total = 0.0
    for position in range(types.shape[1]):
        shares = torch.bincount(cells[:, position].flatten(), minlength=target.shape[1]).double() / len(cells)
        total += (torch.special.xlogy(shares, shares) - torch.special.xlogy(shares, target[position].to(shares))).sum().item()
    return total


def _target(scored_world: world.World, weight: float, beta: float, fine: int = 40) -> Tensor:
    """Probabilities (n, K * CELLS) of p*, each cell by the mean of its density at so many angles."""
    spread = units(scored_world)
    angles = (torch.arange(CELLS * fine, dtype=torch.float64) + 0.5) * (2 * math.pi / (CELLS * fine))
    att = -0.5 * scored_world.pull[:, None] * (1 + torch.cos(angles - scored_world.towards[:, None, None]))
    rep = 0.5 * scored_world.bulk[:, None] * (1 + torch.cos(angles - scored_world.clashing[:, None, None]))
    density = torch.exp(-(weight * att / spread[0] + (1 - weight) * rep / spread[1]) / beta)  # (n, K, angles)
    cells = density.unflatten(-1, (CELLS, fine)).mean(-1).flatten(1)
    return cells / cells.sum(-1, keepdim=True)


def wins(energies: Tensor, reference: Tensor) -> float:
    """How often a design has less of an energy (designs,) than one of the reference (others,); a tie counts half."""
    order = reference.sort().values
    below, upto = (torch.searchsorted(order, energies.contiguous(), right=right).double() for right in (False, True))
    return 1 - ((below + upto) / 2 / len(order)).mean().item()
