"""Turns queries and stored memories into what a modern Hopfield network retrieves, with the energy it descends.

Shapes: queries x (..., q, d), memories Ξ (..., m, d), scores βΞx (..., q, m); beta broadcasts against (..., 1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.hopfield.separation import even

ALPHAS = (1.0, 1.5, 2.0)
# An energy counts as increased beyond this relative slack: rounding of two sums of m terms in double precision.
ENERGY_SLACK = 1e-12


def separate(scores: Tensor, alpha: float) -> Tensor:
    """Weights (..., m) on the memories: softmax (alpha 1), 1.5-entmax or sparsemax (alpha 2), each exact.

    Raises ValueError for another alpha.
    """
    if alpha == 1.0:
        return torch.softmax(scores, -1)
    if alpha == 1.5:
        return _entmax15(scores)
    if alpha == 2.0:
        return _sparsemax(scores)
    raise ValueError(f"alpha must be 1 (softmax), 1.5 (entmax) or 2 (sparsemax), but got {alpha!r}; write one of them.")


def conjugate(scores: Tensor, weights: Tensor, alpha: float) -> Tensor:
    """Ψ*_α of the scores (...,): max over p of ⟨p, s⟩ plus Tsallis entropy, from the weights that attain it.

    Ψ*_1 is log Σ exp; for alpha > 1 the entropy is (1 - Σ p^α) / (α(α-1)).
    """
    if alpha == 1.0:
        # log Σ exp(s) = s_k - log p_k, at the largest k; cheaper than a second round of exponentials.
        return scores.amax(-1) - weights.amax(-1).log()
    return (weights * scores).sum(-1) + (1 - (weights**alpha).sum(-1)) / (alpha * (alpha - 1))


def overlaps(x: Tensor, memories: Tensor) -> Tensor:
    """⟨x, ξ⟩ (..., q, m), to the same bits in whatever batch the members stand."""
    return (even(x) @ even(even(memories), -2).mT)[..., : memories.shape[-2]]


def read(weights: Tensor, memories: Tensor) -> Tensor:
    """Σ p ξ (..., q, d) of weights (..., q, m), to the same bits in whatever batch the members stand."""
    return (even(weights) @ even(even(memories), -2))[..., : memories.shape[-1]]


def energy(x: Tensor, memories: Tensor, beta: Tensor | float, alpha: float = 1.0) -> Tensor:
    """E(x) = ½⟨x, x⟩ - Ψ*_α(βΞx)/β for every query (..., q); an update never raises it (CCCP)."""
    scores = beta * overlaps(x, memories)
    return 0.5 * (x * x).sum(-1) - conjugate(scores, separate(scores, alpha), alpha) / _column(beta)


def retrieve(x: Tensor, memories: Tensor, beta: Tensor | float, alpha: float = 1.0) -> Tensor:
    """T(x) = Ξᵀ sep_α(βΞx), one update of every query (..., q, d)."""
    return read(separate(beta * overlaps(x, memories), alpha), memories)


def kernel_energy(x: Tensor, memories: Tensor, weight: Tensor, beta: Tensor | float, alpha: float = 1.0) -> Tensor:
    """E_K(x) = ½K(x, x) - Ψ*_α(βK(Ξ, x))/β (..., q) for the linear feature Φ(u) = Wu, W (..., D, d)."""
    return energy(x @ weight.mT, memories @ weight.mT, beta, alpha)


def kernel_retrieve(x: Tensor, memories: Tensor, weight: Tensor, beta: Tensor | float, alpha: float = 1.0) -> Tensor:
    """T_K(x) = Ξᵀ sep_α(βK(Ξ, x)) (..., q, d): scores in feature space, read-out in the original space."""
    scores = beta * overlaps(x @ weight.mT, memories @ weight.mT)
    return read(separate(scores, alpha), memories)


def jacobian_at_origin(memories: Tensor, beta: float, alpha: float = 1.0) -> Tensor:
    """J(0) = β m^(α-1) Cov(ξ) (..., d, d), Cov the centred second moment: the origin is stable while its norm is below 1.

    At x = 0 all weights are 1/m, and the derivative of α-entmax there is m^(α-1) (I/m - 11ᵀ/m²).
    """
    m, d = memories.shape[-2:]
    centred = even(memories - memories.mean(-2, keepdim=True))
    return beta * m ** (alpha - 1) * (centred.mT @ centred)[..., :d, :d] / m


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Where queries ended: `x` (p, q, d), the weights (p, q, m) that gave it, and energy increases (p,) on the way."""

    x: Tensor
    weights: Tensor
    increases: Tensor


def iterate(start: Tensor, memories: Tensor, beta: Tensor, alpha: float, updates: int) -> Trace:
    """The queries (p, q, d) of p networks after `updates` updates; beta is (p, 1, 1).

    A network whose queries all stand still, bit for bit, leaves the batch: every later update would repeat it.
    """
    x, ended = start.clone(), torch.zeros(start.shape[0], dtype=torch.long, device=start.device)
    weights = torch.zeros(*start.shape[:2], memories.shape[1], dtype=start.dtype, device=start.device)
    live = torch.arange(start.shape[0], device=start.device)
    state = _state(x, memories, beta, alpha)
    for _ in range(updates):
        z, b = memories[live], beta[live]
        moved = read(state.weights, z)
        after = _state(moved, z, b, alpha)
        rises = after.energy > state.energy + ENERGY_SLACK * (1 + state.energy.abs())
        ended[live] += rises.sum(-1)
        weights[live] = state.weights
        still = (moved == x[live]).flatten(1).all(1)
        x[live] = moved
        live, state = live[~still], after.keep(~still)
        if not len(live):
            break
    return Trace(x=x, weights=weights, increases=ended)


@dataclass(frozen=True)
class _State:
    weights: Tensor
    energy: Tensor

    def keep(self, mask: Tensor) -> _State:
        """The state of those queries alone that the mask keeps."""
        return self if bool(mask.all()) else _State(self.weights[mask], self.energy[mask])


def _state(x: Tensor, memories: Tensor, beta: Tensor, alpha: float) -> _State:
    scores = beta * overlaps(x, memories)
    weights = separate(scores, alpha)
    return _State(weights, 0.5 * (x * x).sum(-1) - conjugate(scores, weights, alpha) / _column(beta))


def errors(weights: Tensor, memories: Tensor, first: int = 0) -> Tensor:
    """‖Σ_k p_k ξ_k - ξ_μ‖ (p, q) where query i belongs to memory μ = first + i, to relative precision."""
    return deviations(weights, memories, first).norm(dim=-1)


def deviations(weights: Tensor, memories: Tensor, first: int = 0, missing: Tensor | None = None) -> Tensor:
    """Σ_k p_k ξ_k - ξ_μ (p, q, d) where query i belongs to memory μ = first + i.

    Written as Σ_{k≠μ} p_k(ξ_k - ξ_μ), which keeps relative precision where p_μ rounds to 1 (errors far below 1e-16). Weights
    that do not sum to 1 say in `missing` (p, q) what their own memory lacks beside them, 1 - Σ p.
    """
    q = weights.shape[-2]
    rows = torch.arange(q, device=weights.device)
    without_own = weights.clone()
    without_own[..., rows, rows + first] = 0.0
    own = memories[..., first : first + q, :]
    lacking = without_own.sum(-1, keepdim=True)
    if missing is not None:
        lacking = lacking + missing[..., None]
    return read(without_own, memories) - lacking * own


def _column(beta: Tensor | float) -> Tensor | float:
    return beta.squeeze(-1) if isinstance(beta, Tensor) and beta.dim() else beta


def _sparsemax(scores: Tensor) -> Tensor:
    """Projection on the simplex (Martins and Astudillo 2016), by one sort."""
    shifted = scores - scores.amax(-1, keepdim=True)
    ranked = shifted.sort(-1, descending=True).values
    k = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    sums = ranked.cumsum(-1)
    size = (1 + k * ranked > sums).sum(-1, keepdim=True)
    threshold = (sums.gather(-1, size - 1) - 1) / size
    return (shifted - threshold).clamp_min(0)


def _entmax15(scores: Tensor) -> Tensor:
    """1.5-entmax (Peters, Niculae and Martins 2019): p = ((s/2 - τ)_+)² with Σ p = 1, by one sort."""
    half = (scores - scores.amax(-1, keepdim=True)) / 2
    ranked = half.sort(-1, descending=True).values
    k = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype, device=scores.device)
    mean, square = ranked.cumsum(-1) / k, (ranked * ranked).cumsum(-1) / k
    spread = k * (square - mean * mean)
    thresholds = mean - ((1 - spread) / k).clamp_min(0).sqrt()
    size = (thresholds <= ranked).sum(-1, keepdim=True)
    return (half - thresholds.gather(-1, size - 1)).clamp_min(0).square()
