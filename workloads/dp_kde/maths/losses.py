"""Turns moves and scales of discrete Laplace noise into the distribution of the privacy loss, and what an audit can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from workloads.shared.privacy import audit

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
# Steps from no loss to the largest one.
STEPS = 4000
# Whole numbers that a move may span; larger ones are taken in larger units.
FINEST = 1 << 16


def distribution(moves: Sequence[tuple[int, float]]) -> tuple[Array, Array]:
    """Losses ln(p'/p) and their probabilities on the first database, for statistics that move by whole numbers.

    Losses are rounded to a grid of which the sum of all is STEPS; each statistic's are those of its noise (in half-steps no
    more wrong than rounding).
    """
    moves = [(move, scale) for move, scale in moves if move]
    step = sum(move / scale for move, scale in moves) / STEPS
    total = np.ones(1)
    for move, scale in moves:
        total = _convolved(total, _one(move, scale, step))
    half = len(total) // 2
    return (np.arange(len(total)) - half) * step, total


def _one(move: int, scale: float, step: float) -> Array:
    """The loss of one statistic: (|z| - |z - move|)/scale for noise z, probabilities on the grid, the middle is 0."""
    if move > FINEST:  # so fine a grid is the real line
        move, scale = FINEST, scale * FINEST / move
    ratio = np.exp(-1 / scale)
    between = np.arange(1, move)
    weight = (1 - ratio) / (1 + ratio)
    # Below 0 and above the move all outcomes have one loss each.
    chance = np.concatenate([[1 / (1 + ratio)], weight * ratio**between, [ratio**move / (1 + ratio)]])
    loss = np.concatenate([[-move], 2 * between - move, [move]]) / scale
    reach = int(np.ceil(move / scale / step)) + 1
    places = np.rint(loss / step).astype(np.int64) + reach
    return np.bincount(places, weights=chance, minlength=2 * reach + 1)


def _convolved(a: Array, b: Array) -> Array:
    size = len(a) + len(b) - 1
    convolved: Array = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size), size)
    return np.maximum(convolved, 0.0)


def reach(moves: Sequence[tuple[int, float]], runs: int, confidence: float = 0.95) -> audit.Reach:
    """What `audit.epsilon_lower` finds if its counts are as expected; half of the runs choose the threshold."""
    _, chance = distribution(moves)
    false_rate = np.cumsum(chance[::-1])[::-1]
    # The neighbour's losses are these, mirrored.
    hit_rate = np.cumsum(chance)[::-1]
    return audit.reach(hit_rate, false_rate, runs, confidence)
