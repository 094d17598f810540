"""How far an error in every gradient moves the weights after L steps, beside the bound that grows exponentially with L.

Source: arXiv:2411.16549, Corollary 1.1 as reported (error exponential in L); the bound ((1 + rate S)^L - 1) / S times the error
is derived, and that of Bai et al. 2023. It asks for a gradient of Lipschitz constant S, which a network of ReLUs does not have.
Symbols: L = steps · S = smoothness · e = size of the error in each gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.icl.maths import curvature, descent, problems
from workloads.icl.maths.activations import ACTIVATIONS
from workloads.icl.maths.curvature import Gradient
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
TOLERANCE = 1e-6  # sums are taken in another order in a larger pack, and what small errors become is a difference of weights
ROUNDS = 50
"""Products of a power iteration, which is done at the weights of all steps together."""
SLACK = 1.05
"""On a largest eigenvalue, which power iteration gives from below."""


@dataclass(frozen=True)
class Params:
    """A network, its training, and the error that each of its gradients has."""

    depth: Annotated[int, "layers N of the network that is trained", {"shape": True, "at_least": 1}] = 2
    width: Annotated[int, "units K of each of its layers but the last, which has one", {"shape": True, "at_least": 1}] = 4
    dim: Annotated[int, "inputs d", {"shape": True, "at_least": 1}] = 3
    examples: Annotated[int, "examples n", {"shape": True, "at_least": 1}] = 10
    steps: Annotated[int, "steps L of gradient descent", {"shape": True, "at_least": 2}] = 20
    rate: Annotated[float, "learning rate", {"above": 0}] = 0.1
    injected: Annotated[float, "Euclidean length e of the error in each gradient", {"above": 0}] = 1e-6
    direction: Annotated[
        Literal["worst", "random"],
        "worst (against the deviation so far, at first along the lowest curvature) | random (a new one for each step)",
        {"shape": True},
    ] = "random"
    activation: Annotated[
        Literal["relu", "tanh", "softplus", "linear"], "of every layer; that of linear is none", {"shape": True}
    ] = "tanh"


@dataclass(frozen=True)
class Result:
    """What the errors came to, and what they may come to at most."""

    deviation: Annotated[float, "Euclidean distance of the last weights from those without errors", {"finite": True}]
    bound: Annotated[float, "((1 + rate smoothness)^steps - 1) / smoothness times injected", {"bound": "upper"}]
    ratio: Annotated[float, "deviation over bound"]
    smoothness: Annotated[float, "largest size of an eigenvalue of the Hessian on the path without errors, times 1.05"]
    exponent: Annotated[float, "rate times smoothness times steps"]
    growth: Annotated[float, "rise of ln deviation in a step, over the second half of the steps"]


EXAMPLES = (
    Params(),
    Params(direction="worst", steps=8),
    Params(depth=1, activation="linear", steps=10),
    Params(depth=3, activation="relu", injected=1e-9, examples=6),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; seeds of one point are networks of one tensor."""
    for p, indices in packs.groups(params, lambda p: p):
        measured = _measure(p, [ctxs[i] for i in indices])
        yield {"index": indices, "step": [0] * len(indices), **{name: values.tolist() for name, values in measured.items()}}


def bound(rate: float, smoothness: Tensor, steps: int, injected: float) -> Tensor:
    """What errors of that length in each gradient come to at most after so many steps; without curvature they add up."""
    curved = torch.expm1(steps * torch.log1p(rate * smoothness)) / smoothness * injected
    return torch.where(smoothness > 0, curved, rate * steps * injected)


def gradient_of(p: Params, ctxs: Sequence[Context]) -> tuple[Tensor, Gradient]:
    """The starting weights (B, P) of some contexts, flat, and the gradient of their losses as a function of such weights.

    Where it is given (k B, P) weights it gives as many gradients, of all networks k times over.
    """
    activation = ACTIVATIONS[p.activation]
    task = problems.random_problem(p, 1, activation, ctxs).to(torch.empty(0, dtype=torch.float64, device=ctxs[0].device))
    shapes = [weight.shape[1:] for weight in task.weights]

    def gradient(flat: Tensor) -> Tensor:
        pieces = flat.split([shape.numel() for shape in shapes], 1)
        weights = [piece.unflatten(1, shape) for piece, shape in zip(pieces, shapes, strict=True)]
        x, y = (data.repeat(len(flat) // len(ctxs), 1, 1) for data in (task.x, task.y))
        return torch.cat([g.flatten(1) for g in descent.gradient(weights, x, y, activation)[0]], 1)

    return torch.cat([weight.flatten(1) for weight in task.weights], 1), gradient


def smoothness_of(gradient: Gradient, path: Sequence[Tensor], start: Tensor) -> Tensor:
    """The largest size (B,) of an eigenvalue of the Hessian at any of the weights (B, P) of a path, times the slack."""
    sizes, _ = curvature.largest(gradient, torch.cat(list(path)), start.repeat(len(path), 1), ROUNDS)
    return SLACK * sizes.view(len(path), -1).amax(0)


def _measure(p: Params, ctxs: Sequence[Context]) -> dict[str, Tensor]:
    start, gradient = gradient_of(p, ctxs)
    draws = [torch.randn(p.steps + 1, start.shape[1], generator=c.generator("errors"), dtype=start.dtype) for c in ctxs]
    errors = torch.stack(draws, 1).to(start)
    path = [start]
    for _ in range(p.steps):
        path.append(path[-1] - p.rate * gradient(path[-1]))
    smoothness = smoothness_of(gradient, path[:-1], curvature.unit(errors[p.steps]))
    away = curvature.unit(errors[0])
    if p.direction == "worst":
        away = curvature.lowest_direction(gradient, start, away, smoothness, ROUNDS)
    moved, distances = start, []
    for step in range(p.steps):
        moved = moved - p.rate * gradient(moved) + p.rate * p.injected * away
        away = curvature.unit(errors[step + 1] if p.direction == "random" else moved - path[step + 1])
        distances.append((moved - path[step + 1]).norm(dim=1))
    most, half = bound(p.rate, smoothness, p.steps, p.injected), p.steps // 2
    return {
        "deviation": distances[-1],
        "bound": most,
        "ratio": distances[-1] / most,
        "smoothness": smoothness,
        "exponent": p.rate * smoothness * p.steps,
        "growth": (distances[-1] / distances[half - 1]).log() / (p.steps - half),
    }
