"""Turns networks into the largest and the lowest eigenvalue of their loss's Hessian, by power iteration.

Symbols: B = networks · P = weights of one · H = Hessian of the loss. Shapes: flat weights (B, P).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Gradient = Callable[[Tensor], Tensor]


def product(gradient: Gradient, weights: Tensor, direction: Tensor) -> Tensor:
    """H times the direction, (B, P): the derivative of the gradient's product with it, for H is symmetric."""
    with torch.enable_grad():
        moved = weights.detach().requires_grad_()
        along: Tensor = torch.autograd.grad((gradient(moved) * direction).sum(), moved)[0]
    return along


def unit(direction: Tensor) -> Tensor:
    """The direction (B, P) at length 1; zero stays zero."""
    return torch.nn.functional.normalize(direction, dim=1, eps=1e-300)


def largest(gradient: Gradient, weights: Tensor, direction: Tensor, rounds: int) -> tuple[Tensor, Tensor]:
    """The largest size of an eigenvalue (B,), from below, and the direction (B, P) it belongs to, after so many products."""
    size = weights.new_zeros(len(weights))
    for _ in range(rounds):
        image = product(gradient, weights, direction)
        size, direction = image.norm(dim=1), unit(image)
    return size, direction


def lowest_direction(gradient: Gradient, weights: Tensor, start: Tensor, size: Tensor, rounds: int) -> Tensor:
    """The direction (B, P) of the lowest eigenvalue, by products with size I - H, where no eigenvalue is above size (B,)."""
    direction = start
    for _ in range(rounds):
        direction = unit(size[:, None] * direction - product(gradient, weights, direction))
    return direction
