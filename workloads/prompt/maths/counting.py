"""Turns an accuracy and a dimension into numbers of prompt tokens: what suffices, what is needed, what grids have."""

from __future__ import annotations


def sufficient(eps: float, dim: int, seq_len: int, lipschitz: float = 1.0, alpha: float = 2.0) -> float:
    """L lambda, lambda = (2 C (d L)^(1/alpha) / eps)^(d L): a length that the memorisation theorem asks for.

    Recalled from arXiv:2411.16525, theorem 2.3 and its corollary; its constants were not checked against the paper.
    """
    return seq_len * (2 * lipschitz * (dim * seq_len) ** (1 / alpha) / eps) ** (dim * seq_len)


def bumps(eps: float, dim: int, lipschitz: float = 1.0) -> float:
    """(C / 4 eps)^D: how many bumps of height 2 eps, each of either sign, a C-Lipschitz function of [0,1]^D has room for."""
    return (lipschitz / (4 * eps)) ** dim


def needed(eps: float, dim: int, bits: int, token_dim: int) -> float:
    """Tokens that any fixed network needs at least: one bit for each bump.

    A token has `bits` bits in each of its coordinates (derived).
    """
    return bumps(eps, dim) / (bits * token_dim)
