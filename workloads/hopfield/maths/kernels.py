"""Turns a kernel's name and directions into retrieval without scores: features of queries and memories, and their products.

linear: features of the coordinates themselves. prf: of projections onto random directions; with the kernel exp they are the
positive random features of the softmax, without a bias. elu is elu(x) + 1; relu has 0.001 added, as the official code has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.shared.attention import operators
from workloads.shared.attention.operators import Attention, Map

KERNELS = ("exp", "elu", "relu")
KINDS = ("iid", "orthogonal")
DEFAULT = {"linear": "elu", "prf": "exp"}
"""Variants that have a kernel, each with the one it has unless told."""
RELU_FLOOR = 1e-3
POINTWISE: dict[str, Map] = {
    "exp": torch.exp,
    "elu": lambda x: torch.nn.functional.elu(x) + 1,
    "relu": lambda x: torch.relu(x) + RELU_FLOOR,
}


def directions(kind: str, count: int, d: int, generator: torch.Generator, draws: int = 1) -> Tensor:
    """Standard normal directions (draws, count, d), float64: independent ones, or at right angles in blocks of d.

    An orthogonal block has rotations drawn evenly and lengths of independent normal vectors, so that each row alone is normal.
    """
    if kind == "iid":
        return torch.randn(draws, count, d, dtype=torch.float64, generator=generator)
    blocks = -(-count // d)
    normal = torch.randn(2, draws * blocks, d, d, dtype=torch.float64, generator=generator)
    rotation, upper = torch.linalg.qr(normal[0])
    rotation = rotation * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]  # without it the draw of rotations is uneven
    return (rotation * normal[1].norm(dim=-1, keepdim=True)).reshape(draws, blocks * d, d)[:, :count]


def attention(queries: Tensor, keys: Tensor, beta: float, kernel: str, omega: Tensor | None) -> Attention:
    """Retrieval by features: of the rows themselves where there are no directions ω (features, d), which knows no β."""
    if omega is None:
        width = queries.shape[-1]
        pointwise = operators.blockwise(lambda rows: POINTWISE[kernel](rows).mT, width)
        return operators.factored(queries, keys, pointwise, queries.new_ones(width))
    if kernel == "exp":
        return operators.performer(queries, keys, beta, omega)
    scaled = beta**0.5 * omega
    projected = operators.blockwise(lambda rows: POINTWISE[kernel](scaled @ rows.mT), len(omega))
    return operators.factored(queries, keys, projected, queries.new_ones(len(omega)))
