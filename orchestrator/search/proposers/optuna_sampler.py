"""Turns completed rounds into the next one that Optuna proposes; which assignments are best is read from the rows.

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
from orchestrator.search.proposal import Proposal, Rounds, Seen, Value
from orchestrator.search.proposers.line import settled

if TYPE_CHECKING:
    import optuna

    from orchestrator.spec.axes import Cell
    from orchestrator.spec.expressions import Expression
    from orchestrator.spec.search_model import Optuna

TRIES = 8  # times a round: samplers may propose what was measured, above all near the end of a small space


@dataclass(frozen=True, kw_only=True)
class Span:
    """Numbers from `low` to `high`, evenly or by equal factors (`geom`), perhaps whole ones."""

    low: float
    high: float
    scale: str = "lin"
    integer: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]


Space = Span | Choice
Conditions = Mapping[str, Mapping[str, tuple[Value, ...]]]


@dataclass(frozen=True, kw_only=True)
class OptunaTask:
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


def task(
    model: Optuna,
    value: Callable[[float | Expression], float],
    axes: Mapping[str, Sequence[Value]],
    aggregates: Mapping[str, str] | None = None,
) -> OptunaTask:
    """The task of a spec's model; `value` evaluates its expressions, `axes` are the values of axes that are searched.

    `aggregates` are those of the workload's results by name.
    """
    spans = {
        name: Span(low=value(given.low), high=value(given.high), scale=given.scale, integer=given.integer)
        for name, given in (model.over or {}).items()
    }
    listed = {group.names[0]: [_cell(row[0], value) for row in group.rows] for group in model.choices}
    choices = {name: Choice(values=tuple(values)) for name, values in {**listed, **axes}.items()}
    return OptunaTask(
        sampler=model.sampler,
        trials=model.trials,
        over={**spans, **choices},
        round=model.round,
        minimize=model.minimize,
        maximize=model.maximize,
        conditions={
            name: {other: tuple(_cell(cell, value) for cell in cells) for other, cells in needs.items()}
            for name, needs in model.when.items()
        },
        seed=model.seed,
        aggregates={name: how for name, how in (aggregates or {}).items() if name in (*model.minimize, *model.maximize)},
    )


def _cell(cell: Cell, value: Callable[[float | Expression], float]) -> Value:
    return cell if isinstance(cell, (int, float, str, bool)) else value(cell)


def columns(task: OptunaTask) -> tuple[str, ...]:
    """The columns that the search looks at."""
    return (*task.minimize, *task.maximize)


def propose(task: OptunaTask, rounds: Rounds) -> Proposal:
    """The next round: new assignments, all different; empty where `trials` are measured or the space is used up."""
    seen = [one for found in rounds for one in found]
    wanted = min(task.round, task.trials - len(seen))
    if wanted <= 0:
        return ()
    taken = {_key(one.values) for one in seen}
    proposed: dict[Any, dict[str, Value]] = {}
    with _quiet():
        for values in _candidates(task, rounds, wanted):
            if _key(values) not in taken:
                proposed.setdefault(_key(values), values)
            if len(proposed) == wanted:
                break
    return tuple(proposed.values())


def forecast(task: OptunaTask) -> tuple[int, int]:
    """How many assignments a study usually takes, and at most."""
    sizes = [len(space.values) if isinstance(space, Choice) else math.inf for space in task.over.values()]
    most = int(min(task.trials, math.prod(sizes)))
    return most, most


def _key(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(values.items()))


def _scores(task: OptunaTask, one: Seen) -> tuple[float, ...] | None:
    """The goals with their seeds combined, all to be minimised; None where one has no number."""
    scores = []
    for name in columns(task):
        score = float(combine(np.array(one.results[name], dtype=float), task.aggregates.get(name, "mean")))
        if math.isnan(score):
            return None
        scores.append(score if name in task.minimize else -score)
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


def _suggestions(task: OptunaTask, rounds: Rounds) -> Iterator[dict[str, Value]]:
    """What the sampler proposes after these rounds, without end; each proposal knows of those before it."""
    import optuna

    spaces = {name: _distribution(task.over[name]) for name in _order(task)}
    if task.sampler == "qmc":
        yield from _quasi(task, rounds, spaces)
        return
    sampler = _sampler(task, sum(map(len, rounds)))
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(columns(task)))
    for one in (one for found in rounds for one in found):
        if task.sampler != "nsgaii":
            study.add_trial(_trial(task, one, spaces))
    for found in rounds if task.sampler == "nsgaii" else ():
        _replay(task, study, found)
    while True:
        yield _ask(task, study.ask())


def _candidates(task: OptunaTask, rounds: Rounds, wanted: int) -> Iterator[dict[str, Value]]:
    """What the sampler proposes, and after many repeats what chance does, so that a round is short only at a space's end."""
    measured = sum(map(len, rounds)) if task.sampler == "qmc" else 0  # a sequence is gone through from its begin
    yield from islice(_suggestions(task, rounds), measured + TRIES * wanted)
    yield from islice(_suggestions(replace(task, sampler="random"), rounds), TRIES**2 * wanted)


def _sampler(task: OptunaTask, measured: int) -> optuna.samplers.BaseSampler:
    from optuna import samplers

    seed = (task.seed * 1_000_003 + measured) % 2**32
    if task.sampler == "tpe":
        return samplers.TPESampler(seed=seed)
    if task.sampler == "gp":
        return samplers.GPSampler(seed=seed)
    if task.sampler == "nsgaii":
        # A round is a generation; its random numbers go on from round to round.
        return samplers.NSGAIISampler(population_size=max(task.round, 2), seed=task.seed)
    return samplers.RandomSampler(seed=seed)


def _order(task: OptunaTask) -> list[str]:
    """Params by name, those with conditions after those without."""
    return sorted(task.over, key=lambda name: (name in task.conditions, name))


def _distribution(space: Space) -> optuna.distributions.BaseDistribution:
    from optuna import distributions

    if isinstance(space, Choice):
        return distributions.CategoricalDistribution(space.values)
    if space.integer:
        return distributions.IntDistribution(math.ceil(space.low), math.floor(space.high), log=space.scale == "geom")
    return distributions.FloatDistribution(space.low, space.high, log=space.scale == "geom")


Spaces = Mapping[str, "optuna.distributions.BaseDistribution"]


def _held(task: OptunaTask, name: str, values: Mapping[str, Value]) -> bool:
    """Whether a param is set beside these values."""
    return all(values.get(other) in allowed for other, allowed in task.conditions.get(name, {}).items())


def _ask(task: OptunaTask, trial: optuna.trial.Trial) -> dict[str, Value]:
    """The values that a trial is given, param by param."""
    values: dict[str, Value] = {}
    for name in _order(task):
        space = task.over[name]
        if not _held(task, name, values):
            continue
        if isinstance(space, Choice):
            chosen = trial.suggest_categorical(name, space.values)
            assert chosen is not None, "no choice is None"
            values[name] = chosen
        elif space.integer:
            low, high = math.ceil(space.low), math.floor(space.high)
            values[name] = trial.suggest_int(name, low, high, log=space.scale == "geom")
        else:
            values[name] = _kept(trial.suggest_float(name, space.low, space.high, log=space.scale == "geom"), space)
    return values


def _kept(value: float, space: Span) -> float:
    """A value as a point holds it, inside the interval all the same."""
    return min(max(float(settled(value)), space.low), space.high)


def _params(task: OptunaTask, one: Seen) -> dict[str, Any]:
    """What was measured, as Optuna wants it."""
    found: dict[str, Any] = {}
    for name, value in one.values.items():
        space = task.over[name]
        if isinstance(space, Choice):
            found[name] = value
        else:
            found[name] = int(value) if space.integer else _kept(float(value), space)
    return found


def _trial(task: OptunaTask, one: Seen, spaces: Spaces) -> optuna.trial.FrozenTrial:
    import optuna

    params, scores = _params(task, one), _scores(task, one)
    state = optuna.trial.TrialState.FAIL if scores is None else optuna.trial.TrialState.COMPLETE
    given = {name: spaces[name] for name in params}
    return optuna.trial.create_trial(state=state, params=params, distributions=given, values=scores)


def _replay(task: OptunaTask, study: optuna.Study, found: Sequence[Seen]) -> None:
    """Go through a round again: the sampler is asked, but given what was measured."""
    import optuna

    for one in found:
        study.enqueue_trial(_params(task, one))
    trials = [study.ask() for _ in found]
    for trial, one in zip(trials, found, strict=True):
        _ask(task, trial)
        scores = _scores(task, one)
        state = optuna.trial.TrialState.FAIL if scores is None else optuna.trial.TrialState.COMPLETE
        study.tell(trial, scores, state=state)


def _quasi(task: OptunaTask, rounds: Rounds, spaces: Spaces) -> Iterator[dict[str, Value]]:
    """Points of a scrambled Sobol sequence, from the first one that no round had; a param whose condition fails is left out."""
    import optuna

    sampler = optuna.samplers.QMCSampler(scramble=True, seed=task.seed)
    study = optuna.create_study(sampler=sampler)
    for drawn in (sampler.sample_relative(study, optuna.trial.create_trial(value=0.0), dict(spaces)) for _ in count()):
        values: dict[str, Value] = {}
        for name in _order(task):
            space = task.over[name]
            if _held(task, name, values):
                values[name] = drawn[name] if isinstance(space, Choice) or space.integer else _kept(drawn[name], space)
        yield values
