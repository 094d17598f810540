"""Turns linear maps into sums of Kronecker products that are fitted to them from many starts, and those into their errors.

Source: alternating least squares on the rearranged map (Van Loan and Pitsianis 1993), and Adam on the same squared error.
Errors are taken from the products themselves, multiplied out, and not from the rearranged map.
Symbols: A (points, d, d, d, d) = maps · R (points, m, m) = rearranged, m = d^2 · r = products of a sum · S = starts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workloads.ndlinear.maths import kronecker
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Layout, Recipe, Stack

# Numbers that are held at a time.
ELEMENTS = 1 << 26
RATE = 0.05


def room(d: int, terms: int, restarts: int) -> int:
    """How many maps are fitted at a time: a map three times, and products, moments and gradients of all starts."""
    return max(1, ELEMENTS // (3 * d**4 + 12 * restarts * terms * d * d))


def alternating(maps: Tensor, starts: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """Factors (points, S, r, d, d) of both sides after alternating least squares from factors of the second (points, S, r, m).

    The side that is fixed is made orthonormal first, so the other one is a plain product, and a map of fewer products than
    the sum makes no equation singular.
    """
    target, second = kronecker.rearranged(maps), starts
    first = second
    for _ in range(sweeps):
        first = _times(target, _orthonormal(second))
        second = _times(target.mT, _orthonormal(first))
    return _factors(_orthonormal(first), maps), _factors(second, maps)


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Each matrix (points, m, m) times each of (points, S, r, m)."""
    return (vectors.flatten(1, 2) @ matrices.mT).view_as(vectors)


def _orthonormal(vectors: Tensor) -> Tensor:
    """An orthonormal basis (points, S, r, m) whose span holds that of the vectors."""
    if vectors.shape[2] == 1:
        return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-300)
    return torch.linalg.qr(vectors.mT).Q.mT.contiguous()


def _factors(vectors: Tensor, maps: Tensor) -> Tensor:
    d = maps.shape[-1]
    return vectors.reshape(*vectors.shape[:-1], d, d)


def descended(maps: Tensor, starts: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The same after so many steps of Adam on the relative squared error, the rate falling to 0 along a cosine."""
    points, restarts, terms, m = starts.shape
    target = kronecker.rearranged(maps)
    target = target / torch.linalg.matrix_norm(target)[:, None, None]
    layout = Layout({"left": (terms, m), "right": (terms, m)})
    unit_starts = torch.nn.functional.normalize(starts, dim=-1) / math.sqrt(terms)
    models = [{"left": start, "right": start.flip(-1)} for start in unit_starts.flatten(0, 1)]

    def loss(parameters: Stack, step: int) -> Tensor:
        """The relative squared errors (points S,), by products of small matrices alone."""
        first, second = parameters["left"], parameters["right"]
        moved = _times(target, second.view(points, restarts, terms, m)).view_as(first)
        return 1 - 2 * (moved * first).sum((1, 2)) + ((first @ first.mT) * (second @ second.mT)).sum((1, 2))

    trained = ensemble.begin(layout, models, str(maps.device))
    recipe = Recipe(rate=trained.flat.new_full((points * restarts,), RATE), steps=steps)
    ensemble.advance(trained, loss, recipe, steps)
    sides = (trained.parameters[name].reshape(points, restarts, terms, m) for name in ("left", "right"))
    first, second = (_factors(side, maps) for side in sides)
    return first * torch.linalg.vector_norm(maps.flatten(1), dim=1).view(-1, 1, 1, 1, 1), second


def errors(maps: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Relative squared errors (points, S) of the sums of products, multiplied out."""
    points, restarts = first.shape[:2]
    step = max(1, ELEMENTS // max(1, points * maps[0].numel()))
    squares = [
        (kronecker.products(first[:, start:stop], second[:, start:stop]) - maps[:, None]).flatten(2).square().sum(-1)
        for start, stop in groups.parts(restarts, step)
    ]
    return kronecker.settled(torch.cat(squares, 1) / maps.flatten(1).square().sum(1, keepdim=True))
