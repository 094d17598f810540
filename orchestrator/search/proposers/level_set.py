"""Turns completed rounds into the next points around the curve on which a measure meets its level, and in the end into it.

A Gaussian process over the searched region says at each candidate where the measure lies and how sure that is; the next
round are the candidates whose side is most in doubt ("straddle": B. Bryan et al. 2005), each as if those before it in the
round had come out as expected. The search ends when little of the region is in doubt. Candidates are a fixed set, so ties
and rounding cannot move a point by a little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.fitting.aggregates import combine
from orchestrator.search.proposal import Place, Proposal, Rounds, SearchCurve, SearchResult, Seen, Value
from orchestrator.search.proposers.line import Span, spans
from orchestrator.search.proposers.rounds import measured, room
from orchestrator.spec.field_types import ENDS
from orchestrator.spec.search_kinds.level_set import LevelSet

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

SURE = 1.96  # deviations beyond which a side is not in doubt
CANDIDATES = 1024
CELLS = 2048  # of the grid on which the curve is read off, over all axes
AREA = 0.02  # share of the region that may stay in doubt where no tolerance is given
FAR = 4.0  # asinh of the distance from the level in small ones, beyond which a value says no more
JITTER = 1e-6
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class LevelSetSearch:
    """A curve (or surface) to find: `of` at `level` over params with a span each, in rounds, `points` at most.

    `tolerance` is the share of the region that may stay in doubt; `aggregate` combines seeds.
    """

    over: Mapping[str, Span]
    of: str
    level: float
    round: int = 8
    points: int = 64
    tolerance: float | None = None
    aggregate: str = "mean"

    @property
    def names(self) -> list[str]:
        """The params, sorted: the order of axes in all arrays."""
        return sorted(self.over)

    @property
    def start(self) -> int:
        """Points that fill the region before the first Gaussian process."""
        return min(max(self.round, 4 * len(self.over)), self.points)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that the search looks at."""
        return (self.of,)

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round; empty where little is in doubt or `points` are measured."""
        data = _measured(self, rounds)
        most = room(data.count, self.round, self.points)
        if not most:
            return ()
        free = _free(self, data)
        if data.count < self.start or len(data.values) < 2:
            return _values(self, free[: min(most, max(self.start - data.count, 1))])
        process = _process(data)
        return () if _finished(self, process) else _values(self, _straddle(process, data, free, most))

    def conclude(self, rounds: Rounds) -> SearchResult:
        """Points of the curve, by `status`: found, unresolved (out of points), open (unfinished), absent (no crossing),
        failed.
        """
        data = _measured(self, rounds)
        out = data.count >= self.points
        if len(data.values) < 2:
            return SearchResult(status="failed" if out else "open", evaluations=data.count)
        process = _process(data)
        curve = _curve(self, process)
        status = "found" if data.count >= self.start and _finished(self, process) else "unresolved" if out else "open"
        return SearchResult(
            status=status if curve or status == "open" else "absent",
            evaluations=data.count,
            points=tuple(point for point, _ in curve),
            brackets=tuple(bracket for _, bracket in curve),
        )

    def places(self, finding: SearchResult) -> Iterator[Place]:
        """A row for each point of the curve."""
        along = ", ".join(self.over)
        for point, ends in zip(finding.points, finding.brackets, strict=True):
            columns = {f"{name}_{end}": float(at) for name, pair in ends.items() for end, at in zip(ENDS, pair, strict=True)}
            yield Place(along=along, of=self.of, level=float(self.level), columns=columns, point=point)

    def forecast(self) -> tuple[int, int]:
        """How many assignments a study usually takes (it may end earlier), and at most."""
        return self.points, self.points


def proposer(model: LevelSet, curve: SearchCurve) -> LevelSetSearch:
    """The search that a spec's model asks for on a curve."""
    return LevelSetSearch(
        over=spans(model.over, curve.value),
        of=model.of,
        level=curve.value(model.level),
        round=model.round,
        points=model.points,
        tolerance=model.tolerance,
        aggregate=curve.aggregate(model.of),
    )


def classify(search: LevelSetSearch, rounds: Rounds, at: Sequence[Mapping[str, Value]]) -> list[bool]:
    """Whether the process that these rounds gave expects the measure at or above the level, at each assignment."""
    data = _measured(search, rounds)
    unit = np.array([[search.over[name].part(float(values[name])) for name in search.names] for values in at])
    return [bool(side) for side in _process(data).predict(unit) >= 0]


@dataclass(frozen=True, kw_only=True)
class _Data:
    """What was measured, in the unit cube: places with a value (its distance from the level, its variance), and without.

    Distances are as asinh, straight near the level and logarithmic far from it, so what explodes does not hide the curve.
    """

    places: Array  # (n, axes)
    values: Array  # (n,)
    noise: Array  # (n,)
    failed: Array  # (m, axes)

    @property
    def count(self) -> int:
        return len(self.values) + len(self.failed)


def _measured(search: LevelSetSearch, rounds: Rounds) -> _Data:
    size = len(search.over)
    every = [(_position(search, assignment), _combined(search, assignment)) for assignment in measured(rounds)]
    good = [(position, moments) for position, moments in every if moments is not None]
    failed = [position for position, moments in every if moments is None]
    values = np.array([mean for _, (mean, _) in good])
    # A small distance, of the points that fill the region: later ones lie near the level.
    first = [abs(float(value)) for value in values[: search.start] if np.isfinite(value) and value]
    small = float(np.quantile(first, 0.25)) if first else 1.0
    bent = np.clip(np.arcsinh(values / small), -FAR, FAR)
    return _Data(
        places=np.array([position for position, _ in good]).reshape(-1, size),
        values=bent,
        noise=np.array([noise for _, (_, noise) in good]) / (small * np.cosh(bent)) ** 2,
        failed=np.array(failed).reshape(-1, size),
    )


def _position(search: LevelSetSearch, assignment: Seen) -> list[float]:
    return [search.over[name].part(float(assignment.values[name])) for name in search.names]


def _combined(search: LevelSetSearch, assignment: Seen) -> tuple[float, float] | None:
    """How far an assignment's seeds lie from the level together, and the variance of that; None where all failed."""
    good = np.array(assignment.numbers(search.of))
    if not len(good):
        return None
    mean = float(combine(good, search.aggregate)) - search.level
    noise = float(np.var(good, ddof=1)) / len(good) if len(good) > 1 and math.isfinite(mean) else 0.0
    return None if math.isnan(mean) else (mean, noise)


def _values(search: LevelSetSearch, places: Array) -> Proposal:
    return tuple({name: search.over[name].value(position[k]) for k, name in enumerate(search.names)} for position in places)


def _candidates(search: LevelSetSearch) -> Array:
    """A Sobol set over the region, with its corners; places that stand for the same values stand once."""
    from scipy.stats import qmc

    size = len(search.over)
    spread = qmc.Sobol(size, scramble=True, seed=0).random(CANDIDATES)
    corners = np.array(list(product((0.0, 1.0), repeat=size))) if size <= 4 else np.empty((0, size))
    distinct: dict[tuple[Value, ...], Array] = {}
    for position in (*spread, *corners):
        values = {name: search.over[name].value(position[k]) for k, name in enumerate(search.names)}
        parts = np.array([search.over[name].part(float(value)) for name, value in values.items()])
        distinct.setdefault(tuple(values.values()), parts)
    return np.array(list(distinct.values()))


def _free(search: LevelSetSearch, data: _Data) -> Array:
    """Candidates that were not measured."""
    every = _candidates(search)
    measured_places = np.concatenate([data.places, data.failed])
    if not len(measured_places):
        return every
    apart: Array = np.abs(every[:, None, :] - measured_places[None, :, :]).max(axis=2).min(axis=1)
    return every[apart > 1e-9]


def _process(data: _Data) -> GaussianProcessRegressor:
    """A Gaussian process of the distances from the level, with its kernel fitted and rounded."""
    import warnings

    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    size = data.places.shape[1]
    scale = float(np.std(data.values)) or 1.0
    kernel = ConstantKernel(1.0, (0.05, 50.0)) * Matern([0.5] * size, [(0.05, 10.0)] * size, nu=2.5) + WhiteKernel(
        1e-4, (JITTER, 0.3)
    )
    process = GaussianProcessRegressor(kernel, alpha=JITTER + data.noise / scale**2, normalize_y=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound is an answer
        fitted = process.fit(data.places, data.values / scale)
    # What another machine would fit differs in the last digits; rounded, the process is the same.
    fixed = fitted.kernel_.clone_with_theta(np.round(fitted.kernel_.theta, 2))
    return GaussianProcessRegressor(fixed, alpha=process.alpha, optimizer=None).fit(data.places, data.values / scale)


def _finished(search: LevelSetSearch, process: GaussianProcessRegressor) -> bool:
    """Whether the share of the region whose side is in doubt is small enough."""
    mean, deviation = process.predict(_candidates(search), return_std=True)
    share = float(np.mean(np.abs(mean) < SURE * deviation))
    return share <= (AREA if search.tolerance is None else search.tolerance)


def _straddle(process: GaussianProcessRegressor, data: _Data, free: Array, batch: int) -> Array:
    """The candidates most in doubt, one after the other, each as if those before it (and failed ones) met expectation."""
    mean, covariance = process.predict(np.concatenate([free, data.failed]), return_cov=True)
    covariance = np.array(covariance)
    for index in range(len(free), len(mean)):
        covariance = _conditioned(covariance, index)
    picked: list[int] = []
    for _ in range(min(batch, len(free))):
        doubt = SURE * np.sqrt(np.maximum(np.diag(covariance), 0.0)) - np.abs(mean)
        doubt[[*picked, *range(len(free), len(mean))]] = -np.inf
        best = int(np.argmax(np.round(doubt, 6)))
        picked.append(best)
        covariance = _conditioned(covariance, best)
    return free[picked]


def _conditioned(covariance: Array, index: int) -> Array:
    """The covariance once the value at that index is known."""
    column = covariance[:, index]
    return covariance - np.outer(column, column) / max(float(covariance[index, index]), JITTER)


Bracket = dict[str, tuple[Value, Value]]


def _curve(search: LevelSetSearch, process: GaussianProcessRegressor) -> list[tuple[dict[str, Value], Bracket]]:
    """Where the process meets the level on the lines of a grid, interpolated between neighbours, sorted; with the ends of what
    lies in doubt on that line about it, as far as the grid tells: the line's param has two, the others lie on the grid.
    """
    size = len(search.over)
    side = max(4, round(CELLS ** (1 / size)))
    steps = np.linspace(0.0, 1.0, side)
    grid = np.stack(np.meshgrid(*[steps] * size, indexing="ij"), axis=-1)
    mean, deviation = (part.reshape([side] * size) for part in process.predict(grid.reshape(-1, size), return_std=True))
    doubted = np.abs(mean) < SURE * deviation
    crossings = []
    for axis in range(size):
        for index in np.argwhere(np.diff(mean >= 0, axis=axis)):
            line = tuple(slice(None) if k == axis else int(at) for k, at in enumerate(index))
            low, high = (float(y) for y in mean[line][index[axis] : index[axis] + 2])
            position = grid[tuple(index)].copy()
            position[axis] += low / (low - high) / (side - 1)
            ends = [position.copy(), position.copy()]
            ends[0][axis], ends[1][axis] = (steps[k] for k in _spread(doubted[line], int(index[axis])))
            crossings.append((tuple(position), *map(tuple, ends)))
    # Whole params have values between whole ones too: the curve passes there.
    lines = {name: replace(search.over[name], integer=False) for name in search.names}
    points = [[_at(lines, position) for position in three] for three in sorted(crossings)]
    return [(at, {name: (low[name], high[name]) for name in at}) for at, low, high in points]


def _at(lines: Mapping[str, Span], position: Sequence[float]) -> dict[str, Value]:
    return {name: line.value(at) for (name, line), at in zip(lines.items(), position, strict=True)}


def _spread(doubted: Any, start: int) -> tuple[int, int]:
    """The first and the last place (n,) of a line about the cell (start, start + 1), neighbours taken in while in doubt."""
    first, last = start, start + 1
    while first > 0 and doubted[first]:
        first -= 1
    while last < len(doubted) - 1 and doubted[last]:
        last += 1
    return first, last
