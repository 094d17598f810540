"""Turns what a prompt must do to one query into how many tokens that takes, in closed form, and into equations for a solver.

The query is q = e_1 and all weights are the identity, so a token's score is its first coordinate. Prompts give any (u, S),
S = sum exp(score) and u = attention over the prompt alone, with ln(S/n) <= u.q < ln S for n >= 2 tokens, u.q = ln S for one:
u.q = ln S - H(w) for the weights w of attention over the prompt, whose entropy H lies in (0, ln n].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import optimize
from torch import Tensor

SHARE = math.e + 1
"""Z of both contexts {x, q}: a query scores 1 on itself and 0 on x."""
SLACK = 1e-9


def least_tokens(ln_s: float, uq: float) -> int | None:
    """The fewest tokens that give (S, u.q): ceil(S exp(-u.q)), one where u.q = ln S; None where no number does."""
    gap = ln_s - uq
    if gap < -SLACK:
        return None
    return 1 if gap <= SLACK else max(2, math.ceil(math.exp(gap) * (1 - SLACK)))


def possible(ln_s: float, uq: float, tokens: int) -> bool:
    """Whether some prompt of exactly that many tokens gives (S, u.q)."""
    least = least_tokens(ln_s, uq)
    return least is not None and (tokens == 1 if least == 1 else tokens >= least)


def contexts(dim: int) -> Tensor:
    """Attention (2, d) of q over the contexts {e_2, q} and {-e_2, q}: what a query gets without a prompt."""
    pair = torch.zeros(2, dim, dtype=torch.float64)
    pair[:, 0] = math.e / SHARE
    pair[0, 1], pair[1, 1] = 1 / SHARE, -1 / SHARE
    return pair


@dataclass(frozen=True)
class Demand:
    """The prompt mean u (d,) and sum S that two targets ask for, and how far these stay from the targets at the best (u, S)."""

    u: Tensor
    s: float
    residual: float


def demanded(targets: Tensor, alone: Tensor, mass: tuple[float, float]) -> Demand:
    """What (u, S) brings a query to its targets (2, d) in two contexts, `alone` (2, d) without a prompt, Z in `mass`.

    t_i - a_i = S/(S + Z_i) (u - a_i): for each S the best u has a closed form, which leaves a search over ln S alone. The
    residual is the sum of squares; above 0 it says that no prompt of any length serves.
    """

    def best(ln_s: float) -> tuple[float, Tensor]:
        """The sum of squares at ln S, and the best u there."""
        share = torch.tensor([1 / (1 + z * math.exp(-ln_s)) for z in mass], dtype=torch.float64)[:, None]
        shares = targets - (1 - share) * alone  # = share u
        u = (share * shares).sum(0) / share.square().sum()
        return float((shares - share * u).square().sum()), u

    grid = [step / 4 for step in range(-80, 81)]
    start = min(grid, key=lambda ln_s: best(ln_s)[0])
    minimum = optimize.minimize_scalar(
        lambda ln_s: best(ln_s)[0], bounds=(start - 0.5, start + 0.5), method="bounded", options={"xatol": 1e-13}
    )
    residual, u = best(float(minimum.x))
    return Demand(u, math.exp(float(minimum.x)), residual)


def floor(tokens: int) -> float:
    """The least max-error on targets -e_2 and e_2 in those contexts, which lie the wrong way round; above 1 at any length.

    With λ = S/(S + Z) the errors are 1 + (1-λ)/Z across q, which falls in S, and λ u.q + (1-λ) e/Z along q. The second is least
    where all n tokens score z, so that u.q = z and S = n e^z, and the best z makes both equal.
    """

    def excess(z: float) -> float:
        """The error along q less the error across it, where all tokens score z."""
        rest = SHARE / (tokens * math.exp(z) + SHARE)
        return (1 - rest) * z + rest * math.e / SHARE - 1 - rest / SHARE

    z = float(optimize.brentq(excess, 0.0, 4.0, xtol=1e-15))
    return 1 + 1 / (tokens * math.exp(z) + SHARE)


def sums(prompt: Tensor, wanted: Tensor) -> Tensor:
    """Equations (d+1,) of a flat prompt (n d,): sum exp(z) = S and sum exp(z) p = S u, `wanted` being (u, S)."""
    u, s = wanted[:-1], wanted[-1]
    tokens = prompt.reshape(-1, u.shape[0])
    weights = tokens[:, 0].exp()
    return torch.cat([(weights.sum() - s)[None], weights @ tokens - s * u])


def misses(prompt: Tensor, targets: Tensor) -> Tensor:
    """Outputs of q in both contexts less their targets, flat (2 d,), for a flat prompt (n d,) and targets (2, d)."""
    dim = targets.shape[-1]
    tokens = prompt.reshape(-1, dim)
    scores = tokens[:, 0]
    gate = torch.sigmoid(scores.logsumexp(0) - math.log(SHARE))
    mean = torch.softmax(scores, 0) @ tokens
    alone = contexts(dim).to(prompt)
    return (gate * mean + (1 - gate) * alone - targets).reshape(-1)


def smallest_largest(start: Tensor, targets: Tensor, steps: int) -> Tensor:
    """Prompts (b, n d) that make the largest miss of targets (2, d) small, by Adam on a maximum that sharpens as it goes."""
    misses_all = torch.func.vmap(misses, in_dims=(0, None))
    x = start.clone()
    first, second = torch.zeros_like(x), torch.zeros_like(x)
    best, least = x, misses_all(x, targets).abs().amax(-1)
    for step in range(1, steps + 1):
        done = step / steps
        blur = 0.3 * (1e-3 / 0.3) ** done
        gradient = _gradient(x, targets, blur)
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient.square()
        rate = 0.1 * 1e-2**done
        x = x - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-12)
        size = misses_all(x, targets).abs().amax(-1)
        best = torch.where((size < least)[:, None], x, best)
        least = torch.minimum(size, least)
    return best


def _gradient(x: Tensor, targets: Tensor, blur: float) -> Tensor:
    """Slope (b, n d) of the blurred maximum."""

    def blurred(prompt: Tensor) -> Tensor:
        """The largest miss, made smooth."""
        r = misses(prompt, targets) / blur
        return blur * torch.cat([r, -r]).logsumexp(0)

    return torch.func.vmap(torch.func.grad(blurred))(x)
