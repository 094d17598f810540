"""Turns queries, prompt and context into softmax attention, whole and split into the prompt's and the context's part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SCALES = ("theory", "practice", "unit")


@dataclass(frozen=True, kw_only=True)
class Split:
    """Attention over [P, X] in parts: O = gate u + (1 - gate) a (derived from the softmax, exact).

    `prompt` u and `context` a are (..., q, v), attention over each part alone; `gate` (..., q) is S/(S + Z).
    """

    gate: Tensor
    prompt: Tensor
    context: Tensor

    @property
    def output(self) -> Tensor:
        """The output (..., q, v) that the parts give together."""
        gate = self.gate[..., None]
        return gate * self.prompt + (1 - gate) * self.context


def factor(name: str, dim: int) -> float:
    """What a score <q, k> is multiplied by: 1/dim (theory), 1/sqrt(dim) (practice) or 1 (unit); ValueError for another name."""
    if name not in SCALES:
        raise ValueError(f"score_scale must be one of {', '.join(SCALES)}, but got '{name}'; theory is 1/dim.")
    return {"theory": 1 / dim, "practice": 1 / math.sqrt(dim), "unit": 1.0}[name]


def attend(scores: Tensor, values: Tensor) -> Tensor:
    """Softmax over the last axis of scores (..., q, n), applied to values (..., n, v)."""
    return torch.softmax(scores, -1) @ values


def split(prompt_scores: Tensor, prompt_values: Tensor, scores: Tensor, values: Tensor) -> Split:
    """The parts of attention over prompt (..., q, p) and context (..., q, n) scores with their values."""
    return Split(
        gate=torch.sigmoid(prompt_scores.logsumexp(-1) - scores.logsumexp(-1)),
        prompt=attend(prompt_scores, prompt_values),
        context=attend(scores, values),
    )


def gates(prompt_scores: Tensor, scores: Tensor) -> Tensor:
    """Gate (..., q, p) of each prefix of the prompt, from its first token alone to all of it."""
    return torch.sigmoid(prompt_scores.logcumsumexp(-1) - scores.logsumexp(-1)[..., None])
