"""Turns separations into bounds on the error of one update, and a simplex with a mask into the error itself; all derived here.

With Δ_x = ⟨x, ξ_μ⟩ - max over ν ≠ μ of ⟨x, ξ_ν⟩ every other weight is at most e^(-βΔ_x), so with lengths of at most L the error
is at most 2L(m-1)e^(-βΔ_x) (dense), 2L(k-1)e^(-βΔ_x) (renormalised), L(m+k-2)e^(-βΔ_x) (unnormalised: the kept others lie at
most twice L away, the lost ones count at most L each). Theorem 4.1 has the last one, by notes on the paper with ⟨ξ_μ, ξ_ν⟩ in
Δ_x's place, which is false for x ≠ ξ_μ. m = memories · k = kept ones, the target among them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def factor(form: str | None, m: int, keep: int) -> int:
    """What multiplies L e^(-βΔ_x) in the bound of a form, None for dense; zero_fill is held against that of renormalised."""
    if form is None:
        return 2 * (m - 1)
    return m + keep - 2 if form == "unnormalised" else 2 * (keep - 1)


def query_separation(scores: Tensor, first: int = 0) -> Tensor:
    """Δ_x (..., q) of scores ⟨x, ξ⟩ (..., q, m), where query i belongs to memory first + i."""
    rows = torch.arange(scores.shape[-2], device=scores.device)
    rivals = scores.clone()
    rivals[..., rows, rows + first] = -torch.inf
    return scores[..., rows, rows + first] - rivals.amax(-1)


def simplex_error(m: int, keep: int, beta: float, form: str) -> float:
    """Error of one update at a memory of the regular simplex, for any mask of k that holds it; k = m is dense in every form.

    The result less the memory is a ξ_μ + c A, A the sum of the other kept ones: ⟨A, ξ_μ⟩ = -(k-1)/(m-1), and |A|² =
    (k-1)(1 - (k-2)/(m-1)). Under zero_fill the masked ones, -ξ_μ - A together, have weight r each.
    """
    partners, near, far = keep - 1, math.exp(-beta * m / (m - 1)), math.exp(-beta)  # over e^β, the target's own
    if form == "zero_fill":
        own = 1 / (1 + partners * near + (m - keep) * far)
        along, across = -(partners * near + (m - keep + 1) * far) * own, (near - far) * own
    else:
        rivals = m - 1 if form == "unnormalised" else partners
        own = 1 / (1 + rivals * near)
        along, across = -rivals * near * own, near * own
    square = along**2 - 2 * along * across * partners / (m - 1) + across**2 * partners * (1 - (partners - 1) / (m - 1))
    return math.sqrt(max(square, 0.0))
