"""What sets of two energies dominate: area up to a reference, members that none beats, and exact fronts of sums over positions.

Both energies are minimised. Of a sum over positions a beaten partial sum stays beaten whatever is added, so the front is found
position by position.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hypervolume(att: Tensor, rep: Tensor, reference: tuple[float, float]) -> Tensor:
    """The area (...) between points (..., N) and the reference; what lies beyond it adds nothing."""
    x, order = att.clamp(max=reference[0]).sort(dim=-1)
    least = rep.clamp(max=reference[1]).gather(-1, order).cummin(-1).values
    widths = torch.cat([x[..., 1:], torch.full_like(x[..., :1], reference[0])], -1) - x
    return (widths * (reference[1] - least)).sum(-1)


def front(att: Tensor, rep: Tensor) -> Tensor:
    """Places of the points (N,) that none beats, one of equal ones, by rising attraction."""
    by_rep = torch.argsort(rep, stable=True)
    order = by_rep[torch.argsort(att[by_rep], stable=True)]
    least = rep[order].cummin(0).values
    before = torch.cat([least.new_full((1,), torch.inf), least[:-1]])
    return order[rep[order] < before]


def of_sums(att: Tensor, rep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The front of all sums that take one option of each position, of energies (n, options).

    Both energies of its points (F,), by rising attraction, and the options (F, n) of one design of each.
    """
    picks = torch.zeros(1, 0, dtype=torch.long)
    total = [att.new_zeros(1), rep.new_zeros(1)]
    for here in zip(att, rep, strict=True):
        useful = front(*here)  # an option that another beats is in no sum that none beats
        sums = [(whole[:, None] + option[useful]).flatten() for whole, option in zip(total, here, strict=True)]
        members = front(*sums)
        total = [each[members] for each in sums]
        picks = torch.cat([picks[members // len(useful)], useful[members % len(useful)][:, None]], 1)
    return total[0], total[1], picks
