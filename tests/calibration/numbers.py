"""Settings of means, tables, conditions, boundaries, lost points and seeds until an interval is narrow."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import polars as pl

from orchestrator.results.described import Described
from orchestrator.search.proposers import replicate
from tests.calibration.cells import Draw, Setting
from tests.calibration.planting import FIVE, Array, Noise, lognormal, lost, table

ONE = np.ones(1)
MEAN: dict[str, Any] = {"mean": {"y": "y"}}


def how(aggregate: str, **more: Any) -> dict[str, Described]:
    return {"y": Described(name="y", role="result", aggregate=aggregate, **more)}


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return 1 + 0.3 * rng.normal(size=size)


def student(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return 1 + 0.3 * rng.standard_t(3, size)


def heavy_errors(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.standard_t(3, size)


def errors(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.normal(size=size)


def exponential(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.exponential(size=size)


def logged(sigma: float) -> Noise:
    return lambda rng, size: np.exp(sigma * rng.normal(size=size))


def two_values(low: float, share: float) -> Noise:
    """One of two neighbouring whole numbers, the higher one so often."""
    return lambda rng, size: low + (rng.random(size) < share)


def mean(name: str, noise: Noise, truth: float, aggregate: str = "mean", **more: Any) -> Setting:
    return Setting(
        kind="mean",
        name=name,
        claim={**MEAN, "expect": {"mean": {"at_least": truth}}},
        number="mean",
        truth=truth,
        draw=lambda rng, seeds: table(noise(rng, (1, seeds)), ONE),
        fields=how(aggregate),
        **more,
    )


MEANS = (
    mean("normal", normal, 1.0),
    mean("t3", student, 1.0),
    mean("lognormal, sigma 1", lognormal(1.0), 1.0),
    mean("lognormal, sigma 1.5", lognormal(1.5), 1.0),
    mean("exponential", exponential, 1.0),
    mean("counts 2 or 3, one in ten", two_values(2, 0.1), 2.1),
    mean("rms of normal errors", errors, 1.0, "rms"),
    mean("rms of t3 errors", heavy_errors, 3**0.5, "rms"),
    mean("median, lognormal sigma 1", logged(1.0), 1.0, "median", seeds=(4, 8, 32)),
    mean("zeros and ones 0.93, declared", two_values(0, 0.93), 0.93, "proportion"),
    mean("zeros and ones 0.93, not declared", two_values(0, 0.93), 0.93),
)


def stopped(noise: Noise, aggregate: str, narrow: float) -> Draw:
    """Seeds that were added until the interval was narrow, by the rule of a run; at least as many as the setting has."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        values = noise(rng, (512,)).tolist()
        task = replicate.ReplicateTask(metric="y", rel_halfwidth=narrow, min=seeds, max=256, aggregate=aggregate)
        n = seeds
        while more := replicate.more(task, values[:n]):
            n += more
        return table(np.array([values[:n]]), ONE)

    return draw


def until(name: str, noise: Noise, truth: float, aggregate: str = "mean", narrow: float = 0.1) -> Setting:
    claim = {**MEAN, "expect": {"mean": {"at_least": truth}}}
    return Setting(
        kind="seeds until",
        name=name,
        claim=claim,
        number="mean",
        truth=truth,
        seeds=(2, 4, 8),
        draw=stopped(noise, aggregate, narrow),
        fields=how(aggregate),
    )


UNTIL = (
    until("normal, cv 0.3", normal, 1.0),
    until("lognormal, sigma 1", lognormal(1.0), 1.0, narrow=0.2),
    until("integers 7 or 8, one in five", two_values(7, 0.2), 7.2, narrow=0.01),
    until("integers 2 or 3, one in ten", two_values(2, 0.1), 2.1, narrow=0.05),
    until("zeros and ones 0.9, not declared", two_values(0, 0.9), 0.9),
    until("zeros and ones 0.9, declared", two_values(0, 0.9), 0.9, "proportion"),
    until("rms of t3 errors", heavy_errors, 3**0.5, "rms"),
)


def shared_effect(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Sixteen rows of a seed share its effect."""
    y = 1.05 + 0.1 * rng.normal(size=seeds) + 0.01 * rng.normal(size=(16, seeds))
    part = np.repeat(np.arange(16), seeds)
    return table(y, np.arange(16.0), part=part).with_columns(d=pl.lit(1.0))


def equals(name: str, draw: Draw, tolerance: float, **more: Any) -> Setting:
    claim = {"equals": {"y": "y", "table": [{"d": 1, "y": 1.0}], "tolerance": tolerance}}
    return Setting(kind="equals", name=name, claim=claim, draw=draw, **more)


TABLES = (
    equals("16 rows a seed share its effect", shared_effect, 0.05),
    equals("normal", lambda rng, n: table(1.05 + 0.1 * rng.normal(size=(1, n)), ONE), 0.05),
    equals("zeros and ones 0.95, 1 within 2 %", lambda rng, n: table(rng.random((1, n)) < 0.95, ONE), 0.02, at="false"),
    equals("one seed", shared_effect, 0.05, seeds=(1,), answer="unmet"),
)


def measured_errors(repeats: int) -> Draw:
    """Forty-eight rows at their bound, each a mean of so many repeats with the standard error of these."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        values = rng.normal(size=(48, seeds, repeats))
        error = values.std(axis=2, ddof=1) / np.sqrt(repeats)
        return table(values.mean(axis=2), np.arange(48.0), top=0.0 * error, part=error)

    return draw


def holds(name: str, draw: Draw, claim: dict[str, Any], at: Literal["edge", "true", "false"] = "edge", **more: Any) -> Setting:
    return Setting(kind="holds", name=name, claim={"holds": "y <= top", **claim}, draw=draw, at=at, **more)


def rarely_broken(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Rows of which each breaks its bound as often as the claim allows."""
    broken = rng.random((100, seeds)) < 1e-3
    return table(
        np.where(broken, 3.0, 1 + 0.01 * rng.normal(size=(100, seeds))), np.arange(100.0), top=np.full(100 * seeds, 2.0)
    )


CONDITIONS = (
    *(
        holds(
            f"with errors of {n} repeats, 48 rows",
            measured_errors(n),
            {"se": {"column": "part", "df": n - 1}},
            seeds=(1,),
            costs=4,
        )
        for n in (4, 8, 16, 64)
    ),
    holds("random rows, chance 0.001", rarely_broken, {"chance": 1e-3}, "true", seeds=(8, 32), costs=2),
    holds(
        "an infinite value, a bound",
        lambda rng, n: table(np.array([[1.0] * n, [np.inf] * n]), FIVE[:2], top=np.full(2 * n, 2.0)),
        {},
        "false",
        seeds=(8,),
        answer="refuted",
    ),
)

SEARCH: dict[str, Any] = {
    "search": {"boundary": {"along": "beta", "of": "y", "level": 0, "between": [0.1, 4]}},
    "axes": {"d": [64]},
    "derive": {"u": "sqrt(ln(d))"},
}
BOUNDARY = {"from": "boundary", "fit": {"law": "power", "x": "u", "y": "beta"}, "expect": {"exponent": {"at_least": 1.5}}}
D = 2 ** np.arange(6, 18)
U = np.sqrt(np.log(D))


def positions(value: Array, low: Array, high: Array) -> pl.DataFrame:
    about = {"arm": "all", "curve": "c", "along": "beta", "of": "y", "level": 0.0, "evaluations": 24, "status": "found"}
    rows = pl.DataFrame({"d": D, "u": U, "beta": value, "beta_lower": low, "beta_upper": high})
    return rows.with_columns(pl.lit(v).alias(n) for n, v in about.items())


def bracketed(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Positions in brackets that hold them somewhere."""
    truth, width = 0.4 * U**1.5 * np.exp(0.2 * rng.uniform()), 0.1
    low = truth - width * rng.uniform(size=len(U))
    return positions(low + width / 2, low, low + width)


def stairs(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """A power law rounded down to steps, each within a narrow bracket."""
    value = 0.3 * np.floor(0.4 * U**1.5 * np.exp(0.2 * rng.uniform()) / 0.3 + 1e-9)
    return positions(value, value * 0.999, value * 1.001)


def whole(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Whole numbers as an integer search has them: the ceiling, in the bracket up to it."""
    value = np.ceil(rng.uniform(0.8, 2.5) * U**1.5 * 2)
    return positions(value, value - 1, value)


def beyond(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Two of the positions lie beyond the search."""
    rows = bracketed(rng, seeds)
    gone = pl.col("d") >= int(D[-2])
    cut = [pl.when(~gone).then(name).alias(name) for name in ("beta", "beta_upper")]
    return rows.with_columns(
        *cut,
        status=pl.when(gone).then(pl.lit("above")).otherwise("status"),
        beta_lower=pl.when(gone).then(4.0).otherwise("beta_lower"),
    )


def position(name: str, draw: Draw, **more: Any) -> Setting:
    more = {"claim": BOUNDARY, "number": "exponent", "truth": 1.5, **more}
    return Setting(kind="boundaries", name=name, draw=draw, seeds=(1,), more=SEARCH, **more)


BOUNDARIES = (
    position("brackets", bracketed),
    position("staircases, rounded down", stairs),
    position("whole numbers, rounded up", whole),
    position(
        "two lie beyond the search",
        beyond,
        claim={"from": "boundary", "holds": "beta <= 3.9"},
        number="",
        at="false",
        answer="refuted",
    ),
)
LEVEL = {"fit": {"law": "constant", "x": "d", "y": "y"}, "expect": {"intercept": {"at_most": 2}}}
DECAY = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"decay": {"at_least": 0.5}}}


def diverging(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """A quarter of the runs diverge, and would have had 20; the others have 1."""
    gone = rng.random(4 * seeds) < 0.25
    gone[0] = True
    return lost(table(1 + 0.1 * rng.normal(size=(4, seeds)), FIVE[:4]), gone)


def largest_lost(status: str) -> Draw:
    """The largest three in eight are lost at the last three x."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        y = 2 * FIVE[:, None] ** -0.5 * lognormal(0.3)(rng, (5, seeds))
        rank = y.argsort(axis=1).argsort(axis=1)
        gone = (rank >= seeds - max(1, 3 * seeds // 8)) & (np.arange(5) >= 2)[:, None]
        return lost(table(y, FIVE), gone, status)

    return draw


LOST = tuple(
    Setting(kind="lost points", name=name, claim=claim, draw=draw, at=at, seeds=(4, 8, 32), answer="undecided")
    for name, claim, draw, at in (
        ("a quarter diverge, mean at most 2", LEVEL, diverging, "false"),
        ("the largest failed", DECAY, largest_lost("diverged"), "edge"),
        ("the largest are null", DECAY, largest_lost("ok"), "edge"),
    )
)
SETTINGS = (*MEANS, *UNTIL, *TABLES, *CONDITIONS, *BOUNDARIES, *LOST)
