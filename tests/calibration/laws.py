"""Settings of fits: noises, unlike seeds, misfit, counts, shares, floors and places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from orchestrator.results.described import Described
from tests.calibration.cells import Draw, Setting
from tests.calibration.planting import FIVE, SIX, XS, Array, heavy, law, lognormal, outliers, table, unlike

POWER = {"fit": {"law": "power", "x": "d", "y": "y"}}
SHARE = {"y": Described(name="y", role="result", aggregate="proportion")}


def drawn(values: Callable[[np.random.Generator, int], Array], xs: Array = XS) -> Draw:
    return lambda rng, seeds: table(values(rng, seeds), xs)


def fit(name: str, draw: Draw, *, law: str = "power", number: str = "exponent", truth: float = -0.5, **more: Any) -> Setting:
    claim = {"fit": {"law": law, "x": "d", "y": "y"}, "expect": {number: {"at_least": truth}}, **more.pop("claim", {})}
    return Setting(kind="fit", name=name, claim=claim, draw=draw, number=number, truth=truth, **more)


def core(name: str, draw: Draw, half: float = 0.1, **more: Any) -> Setting:
    """A setting whose power is watched: true by half a width, and false by as much."""
    return fit(
        name,
        draw,
        inside={"exponent": {"between": [-0.5 - half, -0.5 + half]}},
        outside={"exponent": {"at_least": -0.5 + half}},
        **more,
    )


def how(aggregate: str) -> dict[str, Described]:
    return {"y": Described(name="y", role="result", aggregate=aggregate)}


def bent(rng: np.random.Generator, seeds: int) -> Array:
    """Seeds that bend whole curves."""
    tilt = 0.05 * rng.normal(size=seeds) * np.log(XS / XS.mean())[:, None]
    return np.asarray(law(-0.5, lognormal(0.02))(rng, seeds) * np.exp(tilt))


def rms_errors(rng: np.random.Generator, seeds: int) -> Array:
    return np.asarray(2 * FIVE[:, None] ** -0.5 * rng.normal(size=(5, seeds)))


def quiet_at_two(rng: np.random.Generator, seeds: int) -> Array:
    return law(-0.5, lognormal(np.array([0, 0, 0.1, 0.1, 0.1, 0.1])[:, None]), SIX)(rng, seeds)


def offsets(k: int, size: float) -> Draw:
    """An offset of each x that all seeds share, in standard errors of the mean."""
    xs = 2.0 ** np.arange(3, 3 + k)

    def values(rng: np.random.Generator, seeds: int) -> Array:
        shared = np.exp(size * 0.1 / np.sqrt(seeds) * rng.normal(size=(k, 1)))
        return np.asarray(law(-0.5, lognormal(0.1), xs)(rng, seeds) * shared)

    return drawn(values, xs)


def alone(noise: Any, common: float = 0.0) -> Draw:
    """One seed along six x, with noise that may be alike at neighbours."""

    def values(rng: np.random.Generator, seeds: int) -> Array:
        z = rng.normal(size=6)
        for i in range(1, 6):
            z[i] = common * z[i - 1] + np.sqrt(1 - common**2) * z[i]
        return np.asarray(2 * SIX**-0.5 * np.exp(noise * z))[:, None]

    return drawn(values, SIX)


def counts(exponent: float, rounded: Any, noise: float = 0.0, factor: tuple[float, float] = (0.8, 2.5)) -> Draw:
    """Whole numbers: a law of a random prefactor, rounded."""
    xs = 2.0 ** np.arange(3, 11)

    def values(rng: np.random.Generator, seeds: int) -> Array:
        smooth = law(exponent, lognormal(noise), xs, rng.uniform(*factor))(rng, seeds)
        return np.asarray(rounded(smooth))

    return drawn(values, xs)


def exponential_counts(rng: np.random.Generator, seeds: int) -> Array:
    return np.ceil(rng.uniform(0.8, 2.5) * np.exp(0.4 * np.arange(2, 12)))[:, None] * np.ones(seeds)


def shares(true: float, trials: int = 1, k: int = 4) -> Draw:
    xs = 2.0 ** np.arange(1, 1 + k)
    return drawn(lambda rng, seeds: rng.binomial(trials, true, size=(k, seeds)) / trials, xs)


def falling_shares(rng: np.random.Generator, seeds: int) -> Array:
    return rng.binomial(20, 0.5 * (FIVE / FIVE[0])[:, None] ** -0.5, size=(5, seeds)) / 20


def decayed(noise: float) -> Draw:
    return drawn(lambda rng, seeds: (XS[:, None] ** -0.5 + 0.02) * lognormal(noise)(rng, (8, seeds)))


def rising(centre: float, spread: float) -> Draw:
    xs = np.arange(1.0, 11.0)

    def values(rng: np.random.Generator, seeds: int) -> Array:
        return np.asarray(1 / (1 + np.exp(-(xs - centre)))[:, None] + spread * rng.normal(size=(10, seeds)))

    return drawn(values, xs)


def knotted(after: float, spread: float) -> Draw:
    xs = np.arange(1.0, 11.0)
    line = xs + (after - 1) * np.maximum(xs - 5.3, 0)
    return drawn(lambda rng, seeds: line[:, None] + spread * rng.normal(size=(10, seeds)), xs)


def filling(spread: float) -> Draw:
    xs = np.arange(1.0, 9.0)
    return drawn(lambda rng, seeds: (1 - np.exp(-xs / 4))[:, None] + spread * rng.normal(size=(8, seeds)), xs)


def above_a_floor(share: float) -> Draw:
    """A curve above a floor of a share of its last value, which an arm of its own measures."""
    floor = share * 2 * XS[-1] ** -0.5

    def draw(rng: np.random.Generator, seeds: int) -> Any:
        finite = law(-0.5, lognormal(0.05))(rng, seeds) + floor
        fresh = floor * lognormal(0.05)(rng, (1, seeds))
        return table(finite, arm="finite").vstack(table(fresh, np.ones(1), "fresh"))

    return draw


def line(xs: Array, slope: float, noise: float, constant: float = 1.0) -> Draw:
    return drawn(lambda rng, seeds: constant + slope * xs[:, None] + noise * rng.normal(size=(len(xs), seeds)), xs)


WIDE = 10.0 ** np.arange(0, 13, 2)
ARMS = {"arms": {"finite": {}, "fresh": {}}, "axes": {"d": [1, 2]}}
FLOOR = {"claim": {"floor": {"arm": "fresh"}}, "more": ARMS, "law": "power_with_floor", "costs": 2}
SOUND = (
    core("power, lognormal noise 10 %, k = 5", drawn(law(-0.5, lognormal(0.1), FIVE), FIVE), half=0.15),
    core("power, t3 noise 30 %", drawn(law(-0.5, heavy(0.3))), half=0.3),
    core("power, lognormal sigma 1", drawn(law(-0.5, lognormal(1.0))), half=0.6),
    core("seeds that bend whole curves", drawn(bent), half=0.15),
    core("unequal variances, 1 : 400", drawn(law(-0.5, lognormal(np.geomspace(0.02, 0.4, 8)[:, None]))), half=0.15),
    core("rms of normal errors", drawn(rms_errors, FIVE), fields=how("rms"), half=0.6),
    core("median, lognormal sigma 1", drawn(law(-0.5, lognormal(1.0))), fields=how("median"), half=0.6, seeds=(4, 8, 32)),
)
NOISES = (
    fit("noise that grows 0.05 to 1.5", drawn(law(-0.5, lognormal(np.geomspace(0.05, 1.5, 8)[:, None])))),
    fit("one seed in 20 ten times too large", drawn(law(-0.5, outliers)), seeds=(8, 32)),
    fit("no noise at two x", drawn(quiet_at_two, SIX), seeds=(4, 8)),
    fit("x from 1 to 1e12", drawn(law(-0.5, lognormal(0.3), WIDE), WIDE)),
    fit("linear, x to 1e12, slope 1e-6", line(WIDE, 1e-6, 1e5), law="linear", number="slope", truth=1e-6),
    fit("negative y, linear in d", line(np.arange(1.0, 7), 2.0, 1.0, -30.0), law="linear", number="slope", truth=2.0),
    fit(
        "unlike seeds 32, 32, 32, 4, 4, 4",
        lambda rng, n: table(unlike((32, 32, 32, 4, 4, 4), law(-0.5, lognormal(0.3), SIX)(rng, 32)), SIX),
        seeds=(32,),
    ),
    fit(
        "one x with a single seed",
        lambda rng, n: table(unlike((n, n, n, n, n, 1), law(-0.5, lognormal(0.3), SIX)(rng, n)), SIX),
        seeds=(8, 32),
        answer="unmet",
    ),
)
MISFITS = tuple(
    fit(f"offsets of {size:g} standard errors, k = {k}", offsets(k, size), seeds=(4, 8, 32))
    for k, size in ((4, 1.0), (4, 1.5), (4, 2.0), (4, 3.0), (6, 1.5), (6, 3.0))
)
ALONE = (
    fit("one seed, equal noise", alone(0.1), seeds=(1,)),
    fit("one seed, noise 0.4 to 0.02", alone(np.geomspace(0.4, 0.02, 6)), seeds=(1,)),
    fit("one seed, noise alike at neighbours (0.8)", alone(0.1, 0.8), seeds=(1,)),
)
COUNTS = (
    *(
        fit(f"counts, {word} of x^{p:g}", counts(p, act), truth=p, seeds=(1, 4))
        for word, act in (("ceiling", np.ceil), ("floor", np.floor))
        for p in (0.5, 1.0, 1.5)
    ),
    fit(
        "counts, ceiling of e^(0.4 d)",
        drawn(exponential_counts, np.arange(2.0, 12)),
        law="exponential",
        number="rate",
        truth=0.4,
        seeds=(1,),
    ),
    fit("noisy counts, floor, 14 to 2.5", counts(-0.35, np.floor, 0.1, (28.0, 30.0)), truth=-0.35, seeds=(4, 8, 32)),
    fit("noisy counts, nearest", counts(-0.35, np.round, 0.1, (28.0, 30.0)), truth=-0.35, seeds=(4, 8, 32)),
)
LEVELS = tuple(
    fit(
        name,
        shares(true, trials),
        law="constant",
        number="intercept",
        truth=true,
        at="false",
        seeds=(4, 8, 32),
        fields=SHARE,
        claim={"expect": {"intercept": bound}},
    )
    for name, true, trials, bound in (
        ("zeros and ones 0.93, at least 0.95", 0.93, 1, {"at_least": 0.95}),
        ("zeros and ones 0.985, at least 0.99", 0.985, 1, {"at_least": 0.99}),
        ("failure share 0.04, at most 0.02", 0.04, 1, {"at_most": 0.02}),
        ("shares of 50 trials 0.93, at least 0.95", 0.93, 50, {"at_least": 0.95}),
    )
)
UNDECLARED = tuple(
    fit(
        f"zeros and ones {true}, at least {edge}, undeclared",
        shares(true),
        law="constant",
        number="intercept",
        truth=true,
        at="false",
        seeds=(4, 8),
        claim={"expect": {"intercept": {"at_least": edge}}},
    )
    for true, edge in ((0.93, 0.95), (0.985, 0.99))
)
PLACES = (
    fit("power law of shares of 20", drawn(falling_shares, FIVE), seeds=(8, 32)),
    *(
        fit(f"power with floor, noise {100 * s:g} %", decayed(s), law="power_with_floor", seeds=(4, 8, 32), costs=2)
        for s in (0.05, 0.3)
    ),
    fit("logistic centre", rising(5.5, 0.03), law="logistic", number="centre", truth=5.5, seeds=(4, 8)),
    fit("logistic width", rising(5.5, 0.03), law="logistic", number="width", truth=1.0, seeds=(4, 8)),
    fit(
        "logistic centre near the end of x", rising(9.0, 0.1), law="logistic", number="centre", truth=9.0, seeds=(4, 8), costs=2
    ),
    fit("saturating ceiling", filling(0.05), law="saturating", number="ceiling", truth=1.0, seeds=(4, 32)),
    fit("piecewise knot", knotted(3.0, 0.2), law="piecewise", number="knot", truth=5.3, seeds=(4, 8)),
    fit("piecewise knot, weak bend", knotted(1.5, 0.3), law="piecewise", number="knot", truth=5.3, seeds=(4, 8)),
    fit("a floor, measured", above_a_floor(0.25), seeds=(4, 8, 32), **FLOOR),
    fit("a floor that dominates", above_a_floor(8.0), seeds=(8,), answer="unmet", **FLOOR),
)
SETTINGS = (*SOUND, *NOISES, *MISFITS, *ALONE, *COUNTS, *LEVELS, *UNDECLARED, *PLACES)
