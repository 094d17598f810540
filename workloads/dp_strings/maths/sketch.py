"""Turns strings of bits into sketches, and two sketches into a count of differing bits for each row and bucket."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dp_strings.maths.methods import Method


@dataclass(frozen=True)
class Hashes:
    """Public hashes: the cell of each element in each row, `buckets · cells` cells a row; (rows, elements)."""

    cell: Tensor
    method: Method


def hashes(method: Method, generator: torch.Generator) -> Hashes:
    """Fully random hashes: one bucket for an element in all rows, a cell of its own in each."""
    elements = method.n if method.variant == "parity" else 2 * method.n
    bucket = torch.randint(method.buckets, (elements,), generator=generator)
    cell = torch.randint(method.cells, (method.rows, elements), generator=generator)
    return Hashes(bucket * method.cells + cell, method)


def encode(strings: Tensor, hashed: Hashes) -> Tensor:
    """The clean sketches (m, rows, N) of strings (m, n) of bits, booleans.

    The element 2p + A_p is XORed into its cell of each row; of a parity A_p itself is.
    """
    m, n = strings.shape
    rows, span = hashed.cell.shape[0], hashed.method.span
    sketch = torch.zeros(m, rows, span, dtype=torch.int32)
    if hashed.method.variant == "parity":
        cell, weight = hashed.cell.expand(m, -1, -1), strings.to(torch.int32)[:, None].expand(-1, rows, -1)
    else:
        element = 2 * torch.arange(n) + strings.to(torch.int64)  # (m, n)
        cell = hashed.cell[:, element].permute(1, 0, 2)  # (m, rows, n)
        weight = torch.ones(1, dtype=torch.int32).expand(m, rows, n)
    return sketch.scatter_add(2, cell, weight) % 2 == 1


def compare(noisy: Tensor, clean: Tensor, buckets: int) -> Tensor:
    """Differing bits (…, rows, buckets) of sketches (…, rows, N); float64."""
    differ = noisy ^ clean
    return differ.unflatten(-1, (buckets, -1)).sum(-1).to(torch.float64)
