"""Turns completed rounds into the next one that Optuna proposes, and those with several goals into their front.

The study is made anew for every round from what was measured, with a seed of its own, so nothing of it needs to be kept:
a search that was killed goes on from the rows. Where a sampler keeps more than its trials (generations), rounds are replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.fitting.aggregates import combine
from orchestrator.search.proposal import Place, Proposal, Rounds, SearchCurve, SearchResult, Seen, Value
from orchestrator.search.proposers.line import Span, settled, spans
from orchestrator.search.proposers.pareto_front import Goals
from orchestrator.search.proposers.rounds import key, measured, room
from orchestrator.spec.axes import Cell
from orchestrator.spec.expressions import Expression
from orchestrator.spec.search_kinds.optuna import Optuna

if TYPE_CHECKING:
    import optuna

TRIES = 8  # times a round: samplers may propose what was measured, above all near the end of a small space


Choice = Value | None
"""A listed value; None for a param that may be None."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """One of several values."""

    values: tuple[Choice, ...]


Space = Span | Options
Conditions = Mapping[str, Mapping[str, tuple[Choice, ...]]]


@dataclass(frozen=True, kw_only=True)
class OptunaSearch:
    """`trials` assignments of `over`, in rounds, towards less of `minimize` and more of `maximize`.

    A param with `conditions` is set only where each of the others named there has one of the values; else it is left out.
    `aggregates` says how the seeds of a goal combine; by the mean where it says nothing.
    """

    sampler: str
    trials: int
    over: Mapping[str, Space]
    round: int = 8
    minimize: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    conditions: Conditions = field(default_factory=dict)
    seed: int = 0
    aggregates: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: Mapping[str, float] | None = None

    @property
    def goals(self) -> Goals:
        """What it seeks, as a front has it."""
        return Goals(
            minimize=self.minimize,
            maximize=self.maximize,
            aggregates=self.aggregates,
            ranges=self.ranges,
            reference=self.reference,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the search looks at."""
        return (*self.minimize, *self.maximize)

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round: new assignments, all different; empty where `trials` are measured or the space is used up."""
        assignments = measured(rounds)
        most = room(len(assignments), self.round, self.trials)
        if not most:
            return ()
        keys = {key(assignment.values) for assignment in assignments}
        proposed: dict[Any, dict[str, Value]] = {}
        with _quiet():
            for values in _candidates(self, rounds, most):
                if key(values) not in keys:
                    proposed.setdefault(key(values), values)
                if len(proposed) == most:
                    break
        return tuple(proposed.values())

    def conclude(self, rounds: Rounds) -> SearchResult | None:
        """The front of several goals; None of one goal, whose best assignment is read from the rows."""
        if len(self.columns) < 2:
            return None
        assignments = measured(rounds)
        return self.goals.conclude(
            assignments, len(assignments) >= self.forecast()[1] or any(len(each) < self.round for each in rounds)
        )

    def places(self, finding: SearchResult) -> Iterator[Place]:
        """The row of its front."""
        return self.goals.places(finding)

    def forecast(self) -> tuple[int, int]:
        """How many assignments a study usually takes, and at most."""
        sizes = [len(space.values) if isinstance(space, Options) else math.inf for space in self.over.values()]
        most = int(min(self.trials, math.prod(sizes)))
        return most, most


def proposer(model: Optuna, curve: SearchCurve) -> OptunaSearch:
    """The search that a spec's model asks for on a curve."""
    listing = {group.names[0]: [_cell(row[0], curve.value) for row in group.rows] for group in model.choices}
    choices = {name: Options(values=tuple(values)) for name, values in {**listing, **curve.axes}.items()}
    return OptunaSearch(
        sampler=model.sampler,
        trials=model.trials,
        over={**spans(model.over or {}, curve.value), **choices},
        round=model.round,
        minimize=model.minimize,
        maximize=model.maximize,
        conditions={
            name: {other: tuple(_cell(cell, curve.value) for cell in cells) for other, cells in needs.items()}
            for name, needs in model.when.items()
        },
        seed=model.seed,
        ranges=curve.ranges,
        reference=model.reference,
        aggregates={name: how for name, how in curve.aggregates.items() if name in (*model.minimize, *model.maximize)},
    )


def _cell(cell: Cell, value: Callable[[float | Expression], float]) -> Choice:
    return value(cell) if isinstance(cell, Expression) else cell


def _scores(search: OptunaSearch, assignment: Seen) -> tuple[float, ...] | None:
    """The goals with their seeds combined, all to be minimised; None where one of them has no number."""
    scores = []
    for name in search.columns:
        score = float(combine(np.array(assignment.results[name], dtype=float), search.aggregates.get(name, "mean")))
        if math.isnan(score):
            return None
        scores.append(score if name in search.minimize else -score)
    return tuple(scores)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its log and its warnings about experimental parts."""
    import warnings

    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _suggestions(search: OptunaSearch, rounds: Rounds) -> Iterator[dict[str, Value]]:
    """What the sampler proposes after these rounds, without end; each proposal knows of those before it."""
    import optuna

    spaces = {name: _distribution(search.over[name]) for name in _order(search)}
    if search.sampler == "qmc":
        yield from _quasi(search, rounds, spaces)
        return
    sampler = _sampler(search, len(measured(rounds)))
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(search.columns))
    if search.sampler == "nsgaii":
        for each in rounds:
            _replay(search, study, each)
    else:
        study.add_trials([_trial(search, assignment, spaces) for assignment in measured(rounds)])
    while True:
        yield _ask(search, study.ask())


def _candidates(search: OptunaSearch, rounds: Rounds, most: int) -> Iterator[dict[str, Value]]:
    """What the sampler proposes, and after many repeats what chance does, so that a round is short only at a space's end."""
    passed = len(measured(rounds)) if search.sampler == "qmc" else 0  # a sequence is gone through from its begin
    yield from islice(_suggestions(search, rounds), passed + TRIES * most)
    yield from islice(_suggestions(replace(search, sampler="random"), rounds), TRIES**2 * most)


def _sampler(search: OptunaSearch, assignments: int) -> optuna.samplers.BaseSampler:
    from optuna import samplers

    seed = (search.seed * 1_000_003 + assignments) % 2**32
    if search.sampler == "tpe":
        return samplers.TPESampler(seed=seed)
    if search.sampler == "gp":
        return samplers.GPSampler(seed=seed)
    if search.sampler == "nsgaii":
        return samplers.NSGAIISampler(population_size=max(search.round, 2), seed=seed)  # a round is a generation
    return samplers.RandomSampler(seed=seed)


def _order(search: OptunaSearch) -> list[str]:
    """Params by name, those with conditions after those without."""
    return sorted(search.over, key=lambda name: (name in search.conditions, name))


def _distribution(space: Space) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if isinstance(space, Options):
        return distributions.CategoricalDistribution(space.values)
    if space.integer:
        return distributions.IntDistribution(math.ceil(space.low), math.floor(space.high), log=space.scale == "geom")
    return distributions.FloatDistribution(space.low, space.high, log=space.scale == "geom")


Spaces = Mapping[str, "optuna.distributions.BaseDistribution"]


def _applies(search: OptunaSearch, name: str, values: Mapping[str, Value]) -> bool:
    """Whether a param is set beside these values."""
    return all(values.get(other) in allowed for other, allowed in search.conditions.get(name, {}).items())


def _ask(search: OptunaSearch, trial: optuna.trial.Trial) -> dict[str, Value]:
    """The values that a trial is given, param by param."""
    values: dict[str, Value] = {}
    for name in _order(search):
        space = search.over[name]
        if not _applies(search, name, values):
            continue
        if isinstance(space, Options):
            value = trial.suggest_categorical(name, space.values)
            assert value is not None, "no choice is None"
            values[name] = value
        elif space.integer:
            low, high = math.ceil(space.low), math.floor(space.high)
            values[name] = trial.suggest_int(name, low, high, log=space.scale == "geom")
        else:
            values[name] = _inside(trial.suggest_float(name, space.low, space.high, log=space.scale == "geom"), space)
    return values


def _inside(value: float, space: Span) -> float:
    """A value as a point holds it, inside the interval all the same."""
    return min(max(float(settled(value)), space.low), space.high)


def _params(search: OptunaSearch, assignment: Seen) -> dict[str, Any]:
    """What was measured, as Optuna wants it."""
    params: dict[str, Any] = {}
    for name, value in assignment.values.items():
        space = search.over[name]
        if isinstance(space, Options):
            params[name] = value
        else:
            params[name] = int(value) if space.integer else _inside(float(value), space)
    return params


def _trial(search: OptunaSearch, assignment: Seen, spaces: Spaces) -> optuna.trial.FrozenTrial:
    import optuna

    params, scores = _params(search, assignment), _scores(search, assignment)
    state = optuna.trial.TrialState.FAIL if scores is None else optuna.trial.TrialState.COMPLETE
    distributions = {name: spaces[name] for name in params}
    return optuna.trial.create_trial(state=state, params=params, distributions=distributions, values=scores)


def _replay(search: OptunaSearch, study: optuna.Study, each: Sequence[Seen]) -> None:
    """Go through a round again: the sampler is asked, but told what was measured.

    A trial whose params are all given passes a sampler over, so it is made to note the generation, as if it had been asked.
    """
    import optuna

    for assignment in each:
        study.enqueue_trial(_params(search, assignment))
    trials = [study.ask() for _ in each]
    if isinstance(study.sampler, optuna.samplers.NSGAIISampler):
        frozen = study.get_trials(deepcopy=False)
        for trial in trials:
            study.sampler.get_trial_generation(study, frozen[trial.number])
    for trial, assignment in zip(trials, each, strict=True):
        _ask(search, trial)
        scores = _scores(search, assignment)
        state = optuna.trial.TrialState.FAIL if scores is None else optuna.trial.TrialState.COMPLETE
        study.tell(trial, scores, state=state)


def _quasi(search: OptunaSearch, rounds: Rounds, spaces: Spaces) -> Iterator[dict[str, Value]]:
    """Points of a scrambled Sobol sequence, from the first one that no round had; a param whose condition fails is left out."""
    import optuna

    sampler = optuna.samplers.QMCSampler(scramble=True, seed=search.seed)
    study = optuna.create_study(sampler=sampler)
    for sampled in (sampler.sample_relative(study, optuna.trial.create_trial(value=0.0), dict(spaces)) for _ in count()):
        values: dict[str, Value] = {}
        for name in _order(search):
            space = search.over[name]
            if _applies(search, name, values):
                values[name] = sampled[name] if isinstance(space, Options) or space.integer else _inside(sampled[name], space)
        yield values
