"""Turns memories and queries of many points into where updates lead, with one Gram matrix for all β, forms and masks of a seed.

Shapes: points p, queries q (in runs, so that no more than NUMBERS weights of a point are held), memories m, dimension d.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from workloads.hopfield.maths import closed, forms, kernels, masks
from workloads.hopfield.maths.memories import CLOSE, Scene, controls
from workloads.shared.hopfield import retrieval, separation

NUMBERS = 1 << 22
"""Weights of one point that are held at a time: its queries go in runs of so many over m."""
ROUNDED = 1e-9
"""Relative excess over a bound, or over the dense error, that counts as rounding."""
TINY = 1e-13
"""Size below which errors of vectors of about unit length are rounding."""


@dataclass(frozen=True)
class Kind:
    """What points of one batch share: which memories a query reads, and how weights are made of scores."""

    variant: str
    form: str | None
    keep: int
    features: int
    kernel: str
    updates: int
    energy: bool = True  # whether rises of the energy are counted, where there is one


@dataclass
class Network:
    """A scene as scores take it, with what all temperatures and maps of a seed share."""

    view: Scene
    normalise: bool
    dense: dict[float, Tensor] = field(default_factory=dict)  # errors (m,) of the dense network, by β
    _gram: Tensor | None = None
    _gaps: Tensor | None = None

    @functools.cached_property
    def keys(self) -> Tensor:
        """What queries are compared with (m, d)."""
        return self.compared(self.view.memories)

    def compared(self, x: Tensor) -> Tensor:
        """Rows as scores take them: brought to unit length where that is asked for."""
        return separation.normalise(x) if self.normalise else x

    def scores(self, first: int, stop: int) -> Tensor:
        """Products (q, m) of queries first..stop with the memories; held where all of them are few."""
        queries = self.compared(self.view.queries)
        if len(queries) ** 2 > NUMBERS:
            return retrieval.overlaps(queries[first:stop], self.keys)
        if self._gram is None:
            self._gram = retrieval.overlaps(queries, self.keys)
        return self._gram[first:stop]

    def gaps(self, first: int, stop: int) -> Tensor:
        """Δ_x (q,) of queries first..stop before any update; held where all of them are few."""
        if len(self.keys) ** 2 > NUMBERS:
            return closed.query_separation(self.scores(first, stop), first)
        if self._gaps is None:
            self._gaps = closed.query_separation(self.scores(0, len(self.keys)))
        return self._gaps[first:stop]

    @functools.cached_property
    def described(self) -> dict[str, float]:
        """What needs no network, and the separation of the memories."""
        m = len(self.keys)
        whole = m * m <= NUMBERS
        least = float(separation.delta(self.keys)) if whole else separation.delta_blocked(self.keys, NUMBERS)
        return controls(self.view, rows(m)) | {"separation": least}


@dataclass(frozen=True)
class Point:
    """A point: a network, and the mask (q, k) or the directions (features, d) that its seed gives the map."""

    network: Network
    places: Tensor | None = None
    omega: Tensor | None = None


def rows(m: int) -> int:
    """Queries that go together."""
    return min(m, max(1, NUMBERS // m))


@dataclass(frozen=True)
class Outcome:
    """Per query (p, q): where the last update led, and what bounds and masks say of it; None where a kind has no such thing."""

    error: Tensor
    close: Tensor
    bound: Tensor | None
    outside: Tensor | None
    target_kept: Tensor
    increases: Tensor | None


def ended(kind: Kind, points: list[Point], betas: list[float], first: int, stop: int) -> Outcome:
    """The outcome of queries first..stop of every point."""
    if kind.variant in kernels.DEFAULT:
        return _by_features(kind, points, betas, first, stop)
    beta = torch.tensor(betas, dtype=torch.float64, device=points[0].network.view.memories.device)[:, None, None]
    run = _Run(kind, points, beta, first, stop)
    return run.outcome()


class _Run:
    """The updates of one run of queries, under masks."""

    def __init__(self, kind: Kind, points: list[Point], beta: Tensor, first: int, stop: int) -> None:
        self.kind, self.points, self.beta, self.first, self.stop = kind, points, beta, first, stop
        self.memories = torch.stack([a.network.view.memories for a in points])
        self.keys = torch.stack([a.network.keys for a in points])
        self.fixed_mask = self._fixed_mask()

    def _fixed_mask(self) -> Tensor | None:
        """The mask that is known before the scores (p, q, m); None where there is none, or none yet."""
        if self.kind.variant not in masks.KNOWN:
            return None
        every = [a.places for a in self.points if a.places is not None]
        alike = every[:1] if all(places is every[0] for places in every) else every  # a mask of the order alone is one for all
        selection = torch.stack([places[self.first : self.stop] for places in alike])
        return masks.as_mask(selection.to(self.memories.device), self.memories.shape[1])

    def mask(self, scores: Tensor) -> Tensor | None:
        """The mask of this update."""
        return masks.top(scores, self.kind.keep) if self.kind.variant == "top_k" else self.fixed_mask

    def outcome(self) -> Outcome:
        """All updates, and what is looked at after the last."""
        x = torch.stack([a.network.view.queries[self.first : self.stop] for a in self.points])
        scores = torch.stack([a.network.scores(self.first, self.stop) for a in self.points])
        increases = None
        for update in range(self.kind.updates):
            scaled, mask = self.beta * scores, self.mask(scores)
            weights = forms.weigh(scaled, mask, self.kind.form or "renormalised")
            target_kept, off = self._off(weights, mask)
            moved, last = off + self.memories[:, self.first : self.stop], update == self.kind.updates - 1
            after = self.scores(moved) if self.descends or not last else None
            if self.descends and after is not None:
                before = self._energy(x, scaled, weights)
                energy = 0.5 * self.beta[..., 0] * (moved * moved).sum(-1)
                energy -= forms.log_partition(self.beta * after, self.mask(after))
                rises = energy > before + retrieval.ENERGY_SLACK * (1 + before.abs())
                increases = rises.long() if increases is None else increases + rises
            if last or after is None:
                outside = None if mask is None else weights.outside
                bound = self._bound(scores, target_kept)
                return Outcome(off.norm(dim=-1), _close(off), bound, outside, target_kept, increases)
            x, scores = moved, after
        raise ValueError(f"updates must be at least 1, but got {self.kind.updates}; write 1.")

    @property
    def descends(self) -> bool:
        """Whether updates of this map descend an energy, and that is asked for."""
        return self.kind.energy and self.kind.form in (None, "renormalised") and not self.points[0].network.normalise

    def scores(self, x: Tensor) -> Tensor:
        """Products of queries on their way with the memories (p, q, m)."""
        return retrieval.overlaps(self.points[0].network.compared(x), self.keys)

    def _energy(self, x: Tensor, scaled: Tensor, weights: forms.Weights) -> Tensor:
        """β times the energy (p, q) before an update, whose weights tell the partition: log Σ exp(s) = s_k - log p_k."""
        largest, position = weights.read.max(-1, keepdim=True)
        partition = scaled.gather(-1, position) - largest.log()
        return 0.5 * self.beta[..., 0] * (x * x).sum(-1) - partition[..., 0]

    def _off(self, weights: forms.Weights, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Whether each query may read its own memory (p, q), and how far the result is from it (p, q, d)."""
        own = torch.arange(self.first, self.stop, device=self.memories.device)
        every = torch.ones(weights.outside.shape, dtype=torch.bool, device=self.memories.device)
        target_kept = every if mask is None else mask[..., own - self.first, own].expand_as(every)
        missing = None
        if self.kind.form == "unnormalised":
            missing = torch.where(target_kept, weights.outside, 1 - weights.read.sum(-1))
        return target_kept, retrieval.deviations(weights.read, self.memories, self.first, missing)

    def _bound(self, scores: Tensor, target_kept: Tensor) -> Tensor:
        """The bound of each query (p, q) in the last update; NaN where the mask does not hold the target."""
        m = self.memories.shape[1]
        lengths = self.memories.norm(dim=-1).amax(-1)[:, None]
        if self.kind.updates == 1:
            gap = torch.stack([a.network.gaps(self.first, self.stop) for a in self.points])
        else:
            gap = closed.query_separation(scores, self.first)
        bound = closed.factor(self.kind.form, m, self.kind.keep) * lengths * torch.exp(-self.beta[..., 0] * gap)
        return bound.masked_fill(~target_kept, torch.nan)


def _close(off: Tensor) -> Tensor:
    return off.abs().mean(-1) <= CLOSE


def _by_features(kind: Kind, points: list[Point], betas: list[float], first: int, stop: int) -> Outcome:
    """Queries of points that have no scores, one point after the other."""
    errors, close = [], []
    for point, beta in zip(points, betas, strict=True):
        network = point.network
        x, targets = network.view.queries[first:stop], network.view.memories[first:stop]
        for _ in range(kind.updates):
            operator = kernels.attention(network.compared(x), network.keys, beta, kind.kernel, point.omega)
            x = operator.apply(network.view.memories)
        errors.append((x - targets).norm(dim=-1))
        close.append(_close(x - targets))
    every_query = torch.ones(len(points), stop - first, dtype=torch.bool, device=errors[0].device)
    return Outcome(torch.stack(errors), torch.stack(close), None, None, every_query, None)


def measured(kind: Kind, points: list[Point], betas: list[float]) -> Outcome:
    """The outcome of all queries of every point."""
    m = len(points[0].network.keys)
    parts = [ended(kind, points, betas, first, min(first + rows(m), m)) for first in range(0, m, rows(m))]
    if len(parts) == 1:
        return parts[0]
    columns = {name: [getattr(part, name) for part in parts] for name in vars(parts[0])}
    joined: dict[str, Any] = {name: None if values[0] is None else torch.cat(values, 1) for name, values in columns.items()}
    return Outcome(**joined)


def dense_errors(points: list[Point], betas: list[float], updates: int) -> Tensor:
    """Errors (p, m) of the dense network at the same scenes and temperatures, each worked out once."""
    m = len(points[0].network.keys)
    kind = Kind("dense", None, m, 0, "", updates, energy=False)
    pairs = [(point.network, beta) for point, beta in zip(points, betas, strict=True)]
    missing = {(id(network), beta): (network, beta) for network, beta in pairs if beta not in network.dense}
    if missing:
        outcome = measured(kind, [Point(network) for network, _ in missing.values()], [beta for _, beta in missing.values()])
        for (network, beta), error in zip(missing.values(), outcome.error, strict=True):
            network.dense[beta] = error
    return torch.stack([network.dense[beta] for network, beta in pairs])


def above(value: Tensor, limit: Tensor) -> Tensor:
    """Where a value exceeds a limit by more than rounding."""
    return value > limit * (1 + ROUNDED) + TINY
