"""Turns rows of signs into whether their products reach both ends, without making all of them.

The product of two rows of d signs is d where they are equal and -d where they are opposite; coded as whole numbers, equal rows
are found by sorting. A long sequence is looked at from its first rows on: they nearly always hold both ends already.
"""

from __future__ import annotations

import torch
from torch import Tensor

PROBED = 1 << 14
"""Rows that are looked at first."""
CODED = 62
"""Most signs that one whole number holds."""


def reach(queries: Tensor, keys: Tensor) -> bool:
    """Whether some query (n, d) is a key (m, d), and some the negative of one; False too where d is above CODED."""
    return queries.shape[1] <= CODED and _meet(queries, keys) and _meet(queries, -keys)


def _meet(rows: Tensor, targets: Tensor) -> bool:
    powers = 2 ** torch.arange(rows.shape[1], device=rows.device)
    codes = [((part > 0) * powers).sum(1) for part in (rows, targets)]
    return bool(torch.isin(*codes).any())
