"""Turns scores and a mask into weights, in the three objects that are all called a masked softmax.

renormalised: softmax over the kept memories alone. unnormalised: softmax over all, of which only the kept ones are summed.
zero_fill: scores of the others set to 0, softmax over all (as the official code does: what is masked keeps weight).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FORMS = ("renormalised", "unnormalised", "zero_fill")


@dataclass(frozen=True)
class Weights:
    """Weights that are read out (..., q, m), and what of the softmax lies outside of the mask (..., q): lost, or read too."""

    read: Tensor
    outside: Tensor


def weigh(scores: Tensor, mask: Tensor | None, form: str) -> Weights:
    """Weights of scores β⟨x, ξ⟩ (..., q, m) under a mask that broadcasts against them; None keeps all memories.

    Raises ValueError for an unknown form.
    """
    if mask is None:
        return Weights(torch.softmax(scores, -1), scores.new_zeros(scores.shape[:-1]))
    if form == "renormalised":
        return Weights(
            torch.softmax(scores.masked_fill(~mask, -math.inf), -1), scores.new_zeros(scores.shape[:-1])
        )  # fmt: skip
    if form == "unnormalised":
        every = torch.softmax(scores, -1)
        return Weights(every.masked_fill(~mask, 0.0), every.masked_fill(mask, 0.0).sum(-1))
    if form == "zero_fill":
        every = torch.softmax(scores.masked_fill(~mask, 0.0), -1)
        return Weights(every, every.masked_fill(mask, 0.0).sum(-1))
    raise ValueError(f"form must be one of {', '.join(FORMS)}, but got '{form}'; write one of them.")


def log_partition(scores: Tensor, mask: Tensor | None) -> Tensor:
    """log Σ exp over the kept memories (..., q): with ½β⟨x, x⟩ less it the energy that a fixed mask descends, times β."""
    return torch.logsumexp(scores if mask is None else scores.masked_fill(~mask, -math.inf), -1)
