"""Turns moments of noisy linear data into the fitted product, dense and low-rank maps, and their expected errors.

Source: least squares; the expectation of an inverse Wishart matrix for the dense map; expansions in 1/n, derived, otherwise.
Symbols: x (d, d) normal, y = A x + noise e · D = d^2 sizes in and out · M = sum of x x' (D, D), C = sum of x y' (D, D), rows
and columns (i, j) · W (x) V = the product, here by its transposed factors (i, h) and (j, g) · p = degrees of freedom · q =
products of the dial · f = d^2 alpha (q - 1)/q, the floor of one product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.ndlinear.maths import kronecker

SWEEPS = 100


def freedom(layer: str, d: int) -> int:
    """Degrees of freedom of a map: D^2 of a dense one, 2 d^2 - 1 of a product and of a map of rank one."""
    return d**4 if layer == "dense" else 2 * d**2 - 1


def floor(d: int, alpha: float, count: int) -> float:
    """What one product leaves of the dial of `count` products whose outputs have variance 1 each: d^2 in all."""
    return d**2 * alpha * (count - 1) / count


def dense_excess(d: int, n: int, noise: float) -> float:
    """Expected squared error of the dense map, noise^2 D^2/(n - D - 1); n must be above D + 1."""
    return noise**2 * d**4 / (n - d**2 - 1)


def product_excess(d: int, n: int, noise: float, residue: float) -> float:
    """Expected squared error of the fitted product above its floor `residue`, to first order in 1/n: (noise^2 p + 2 residue)/n.

    What the product cannot hold acts as noise that depends on the input; along the 2 d^2 directions in which a product can
    move, it adds 2 residue/n for random factors.
    """
    return (noise**2 * freedom("nd", d) + 2 * residue) / n


def break_even(d: int, n: int, noise: float, count: int) -> float | None:
    """The alpha at which the product's floor and excess are foreseen to be the dense map's excess; None outside of [0, 1]."""
    if n <= d**2 + 1:
        return None
    room = dense_excess(d, n, noise) - product_excess(d, n, noise, 0.0)
    alpha = room / (1 + 2 / n) / floor(d, 1.0, count) if count > 1 else float("inf")
    return alpha if 0 <= alpha <= 1 else None


def dense(inputs: Tensor, crossed: Tensor) -> Tensor:
    """The least-squares map (..., D, D), rows of outputs, from M and C."""
    return torch.linalg.solve(inputs, crossed).mT


def low_rank(inputs: Tensor, crossed: Tensor) -> Tensor:
    """The least-squares map of rank one (..., D, D): the dense one projected on the first direction of its fitted outputs."""
    full = dense(inputs, crossed)
    direction = torch.linalg.eigh(full @ inputs @ full.mT).eigenvectors[..., -1:]
    return direction @ (direction.mT @ full)


def product(inputs: Tensor, crossed: Tensor, n: Tensor, d: int) -> Tensor:
    """The least-squares Kronecker product (points, D, D) from M, C (points, D, D) and sample sizes (points,).

    Alternating least squares from the first singular pair of the rearranged C/n, which estimates the map as M/n is near 1.
    """
    moments = kronecker.rearranged(inputs.unflatten(2, (d, d)).unflatten(1, (d, d)))  # rows (i, i'), columns (j, j')
    targets = kronecker.rearranged(crossed.unflatten(2, (d, d)).unflatten(1, (d, d)))  # rows (i, h), columns (j, g)
    second = torch.linalg.svd(targets / n[:, None, None]).Vh[:, 0].view(-1, d, d)
    first = second
    for _ in range(SWEEPS):
        first = _side(moments, targets, second)
        second = _side(moments.mT, targets.mT, first)
    return kronecker.flattened(kronecker.products(first.mT[:, None], second.mT[:, None]))


def _side(moments: Tensor, targets: Tensor, fixed: Tensor) -> Tensor:
    """The transposed factor (points, d, d) of one side that is best beside the fixed one of the other."""
    d = fixed.shape[-1]
    gram = (moments @ (fixed @ fixed.mT).flatten(1)[..., None]).view(-1, d, d)
    return torch.linalg.solve(gram, (targets @ fixed.flatten(1)[..., None]).view(-1, d, d))
