"""Turns a code, or its separation, into whether its memories are stored, and a temperature into how many can be.

Symbols: Δ = 1 - cos θ = separation · R = √(Δ/2) = half the least distance · M = memories · β = inverse temperature.
All for unit-norm features (arXiv:2410.23126, section 2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CRITERIA = ("printed", "rigorous")


def beta_needed(delta: float, m: float, criterion: str = "printed", rho: float = 0.5) -> float:
    """The smallest β at which m unit memories of separation Δ meet the printed or the rigorous condition.

    Printed: Δ ≥ ln(2(M-1)/R)/β. Rigorous, balls of radius rho R: Δ(1 - rho) ≥ ln(2(M-1)/(rho R))/β. Infinite for Δ = 0.
    """
    if m < 2:
        return 0.0
    if delta <= 0:
        return math.inf
    share = _share(criterion, rho)
    half = math.sqrt(delta / 2)
    return max(math.log(2 * (m - 1) / (share * half)) / (delta * _slack(criterion, rho)), 0.0)


def memories_allowed(delta: float, beta: float, criterion: str = "printed", rho: float = 0.5) -> float:
    """The largest (real) M whose condition holds at separation Δ and β: 1 + ½R e^{βΔ}; 1 + ½rho R e^{βΔ(1 - rho)} if rigorous.

    Infinite where the exponential leaves double precision.
    """
    exponent = beta * delta * _slack(criterion, rho)
    if exponent > 700:
        return math.inf
    return 1 + 0.5 * _share(criterion, rho) * math.sqrt(delta / 2) * math.exp(exponent)


def separation_needed(m: float, beta: float, criterion: str = "printed", rho: float = 0.5) -> float:
    """The smallest Δ at which m memories (real) meet the condition at β, the inverse of `memories_allowed`.

    W(16κ((M-1)/s)²)/(2κ) with Lambert's W, κ = β and s = 1 where printed, κ = β(1 - rho) and s = rho where rigorous.
    """
    rate = beta * _slack(criterion, rho)
    return lambert_w(16 * rate * ((m - 1) / _share(criterion, rho)) ** 2) / (2 * rate)


def ceiling(beta: float, criterion: str = "printed", rho: float = 0.5) -> float:
    """What no dimension exceeds once M ≥ d + 2 (then Δ ≤ 1): 1 + e^β/(2√2) for the printed condition."""
    return memories_allowed(1.0, beta, criterion, rho)


def _share(criterion: str, rho: float) -> float:
    return rho if criterion == "rigorous" else 1.0


def _slack(criterion: str, rho: float) -> float:
    return 1 - rho if criterion == "rigorous" else 1.0


def one_step_bound(x: Tensor, memories: Tensor, beta: Tensor | float) -> Tensor:
    """2m(M-1) e^{-β(⟨x, ξ_μ⟩ - max_{k≠μ} ⟨x, ξ_k⟩)} (..., M), with x_μ (..., M, d) the query of memory μ and m = max ‖ξ‖.

    An upper bound of ‖T(x_μ) - ξ_μ‖ everywhere; with max ⟨ξ_μ, ξ_k⟩ in the exponent it is none (for x ≠ ξ_μ).
    """
    scores = x @ memories.mT
    own = scores.diagonal(dim1=-2, dim2=-1)
    eye = torch.eye(memories.shape[-2], dtype=torch.bool, device=memories.device)
    gap = own - scores.masked_fill(eye, -math.inf).amax(-1)
    largest = memories.norm(dim=-1).amax(-1, keepdim=True)
    return 2 * largest * (memories.shape[-2] - 1) * torch.exp(-beta * gap)


def lambert_w(x: float) -> float:
    """W₀(x) for x ≥ 0: the w with w eʷ = x, to the last digit or two."""
    if x < 0:
        raise ValueError(f"lambert_w needs x of at least 0 (the branch that capacity bounds use), but got {x!r}.")
    return lambert_w_of_log(math.log(x)) if x > 0 else 0.0


def lambert_w_of_log(log_x: float) -> float:
    """W₀(e^log_x), the w with w + ln w = log_x; safe where e^log_x leaves double precision."""
    w = max(log_x - math.log(log_x), 1.0) if log_x > 1 else math.exp(log_x - 1)
    for _ in range(100):
        step = (w + math.log(w) - log_x) / (1 + 1 / w)
        w = w - step if step < w else w / 2
        if abs(step) <= 4e-16 * w:
            break
    return w


def ramsauer_capacity(beta: float, size: float, d: int, p: float) -> tuple[float, float, float]:
    """(a + ln b, c, √p c^((d-1)/4)): random patterns on a sphere of radius K√(d-1), K = `size`, failure probability p.

    Ramsauer et al. 2020 (arXiv:2008.02217), theorem 3: a = 2(1 + ln(2βK²p(d-1)))/(d-1), b = 2K²β/5, c = b/W₀(e^{a + ln b}).
    """
    a = 2 / (d - 1) * (1 + math.log(2 * beta * size**2 * p * (d - 1)))
    b = 2 * size**2 * beta / 5
    c = b / lambert_w_of_log(a + math.log(b))
    return a + math.log(b), c, math.sqrt(p) * c ** ((d - 1) / 4)
