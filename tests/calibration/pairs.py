"""Settings of comparisons, contrasts, trends, collapses, preferences, and of settings that are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from orchestrator.results.described import Described
from tests.calibration.cells import Draw, Setting
from tests.calibration.planting import FIVE, Array, Noise, law, lognormal, lost, table

TWO: dict[str, Any] = {"arms": {"a": {}, "b": {}}, "axes": {"d": [1, 2]}}
THREE: dict[str, Any] = {"arms": {"a": {}, "b": {}, "c": {}}, "axes": {"d": [1, 2]}}
EXPONENTS = {"fit": {"law": "power", "x": "d", "y": "y"}, "by": ["arm"]}
PAIRED = {"compare": {"y": "y", "arms": "a - b"}}
NOT_NEGATIVE = {"expect": {"difference": {"at_least": 0}}}


def two(
    left: Callable[[np.random.Generator, int], Array], right: Callable[[np.random.Generator, int], Array], xs: Array
) -> Draw:
    return lambda rng, seeds: pl.concat([table(left(rng, seeds), xs, "a"), table(right(rng, seeds), xs, "b")])


def four_seeds(rng: np.random.Generator, seeds: int) -> Array:
    return law(-0.5, lognormal(0.5), FIVE)(rng, 4)


def common(make: Noise) -> Draw:
    """Two arms that share their seeds' numbers, and differ by noise of mean zero."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        shared, own = rng.normal(size=(3, seeds)), make(rng, (3, seeds))
        return pl.concat([table(5 + shared + own, FIVE[:3], "a"), table(5 + shared, FIVE[:3], "b")])

    return draw


def crossed(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Three arms at common random numbers: the part of a alone is as large as that of c."""
    shared = rng.normal(size=(3, seeds))
    parts = {"a": 1.0, "b": 0.0, "c": 1.0}
    return pl.concat(table(5 + part + shared + 0.3 * rng.normal(size=(3, seeds)), FIVE[:3], arm) for arm, part in parts.items())


def twenty(make: Noise) -> Draw:
    """Twenty comparisons that share the level, each on rows of its own, none with a difference."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        parts = []
        for part in range(20):
            shared = rng.normal(size=(1, seeds))
            parts += [
                table(5 + shared + make(rng, (1, seeds)), np.ones(1), "a", part=part),
                table(5 + shared, np.ones(1), "b", part=part),
            ]
        return pl.concat(parts)

    return draw


def centred(noise: Noise, mean: float) -> Noise:
    return lambda rng, size: noise(rng, size) - mean


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.normal(size=size)


def student(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.standard_t(3, size)


def rarely(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return (rng.random(size) < 0.1) - 0.1


def diverging(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """A tenth of a's runs diverge, and would have been far worse."""
    rows = pl.concat([table(1 + 0.1 * rng.normal(size=(3, seeds)), FIVE[:3], arm) for arm in ("a", "b")])
    gone = (rng.random(rows.height) < 0.3) & (rows["arm"] == "a").to_numpy()
    gone[0] = True
    return lost(rows, gone)


def compare(name: str, draw: Draw, claim: dict[str, Any], **more: Any) -> Setting:
    kind = "compare, paired" if "y" in claim["compare"] else "compare"
    more = {"at": "edge", "number": "difference", "truth": 0.0, "more": TWO, **more}
    return Setting(kind=kind, name=name, claim={**claim, **NOT_NEGATIVE} if "expect" not in claim else claim, draw=draw, **more)


EQUAL = two(law(-0.5, lognormal(0.05), FIVE), law(-0.5, lognormal(0.5), FIVE), FIVE)
CLOSE = {"inside": {"difference": {"between": [-0.6, 0.6]}}, "outside": {"difference": {"at_least": 0.6}}}
COMPARED = (
    compare("exponents, noise 0.05 and 0.5", EQUAL, {**EXPONENTS, "compare": {"exponent": "a - b"}}, **CLOSE),
    compare(
        "exponents, 4 seeds and more",
        two(four_seeds, law(-0.5, lognormal(0.05), FIVE), FIVE),
        {**EXPONENTS, "compare": {"exponent": "a - b"}},
        seeds=(32,),
    ),
    compare("prefactors, x far from 1", EQUAL, {**EXPONENTS, "compare": {"prefactor": "a - b"}}),
    compare(
        "common random numbers",
        common(normal),
        PAIRED,
        inside={"difference": {"between": [-2, 2]}},
        outside={"difference": {"at_least": 2}},
    ),
    compare("differences of t3", common(student), PAIRED),
    compare("differences lognormal, sigma 1", common(centred(lognormal(1.0), 1)), PAIRED, seeds=(4, 8, 32)),
    compare(
        "interaction, common random numbers",
        crossed,
        {
            "compare": {**PAIRED["compare"], "interaction": "c"},
            "expect": {"interaction": {"at_least": 0}, "difference": {"at_least": -99}},
        },
        number="interaction",
        more=THREE,
    ),
    *(
        compare(f"20 intervals, differences {name}", twenty(noise), {**PAIRED, "by": ["part"]}, number="", seeds=seeds, costs=4)
        for name, noise, seeds in (
            ("normal", normal, (4, 8, 32)),
            ("t3", student, (4, 32)),
            ("lognormal, sigma 1", centred(lognormal(1.0), 1), (4, 8, 32)),
            ("lognormal, sigma 1.5", centred(lognormal(1.5), 1), (4, 8, 32)),
            ("of 0 or 1", rarely, (4, 8, 32)),
        )
    ),
    compare("one seed, equal arms", common(normal), PAIRED, seeds=(1,), answer="unmet"),
    compare(
        "a diverges on three in ten",
        diverging,
        {**PAIRED, "expect": {"difference": {"at_most": 0.05}}},
        at="false",
        number="",
        seeds=(4, 8, 32),
        answer="undecided",
    ),
)


def contrasted(noise: Noise) -> Draw:
    return lambda rng, seeds: table(np.array([[2.0], [4.0]]) * noise(rng, (2, seeds)), np.array([2.0, 4.0]))


def plain(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return 1 + 0.1 * rng.normal(size=size)


def contrast(name: str, noise: Noise, way: str, number: str, **more: Any) -> Setting:
    claim = {"contrast": {"y": "y", "of": {"d": 4}, way: {"d": 2}}, "expect": {number: {"at_least": 2}}}
    return Setting(kind="contrast", name=name, claim=claim, draw=contrasted(noise), number=number, truth=2.0, **more)


CONTRASTS = (
    contrast("difference, normal", plain, "minus", "difference"),
    contrast("ratio, normal", plain, "over", "ratio"),
    contrast("ratio, lognormal, sigma 1", lognormal(1.0), "over", "ratio"),
    contrast("difference, lognormal, sigma 1", lognormal(1.0), "minus", "difference", seeds=(4, 8, 32)),
)


def steps(means: list[float], spread: float = 1.0, fall: float = 0.0) -> Draw:
    """Places with those means; the last one lies so many standard errors of a mean below the one before it."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        levels = np.array(means, dtype=float)
        if fall:
            levels[-1] = levels[-2] - fall * spread / np.sqrt(seeds)
        return table(levels[:, None] + spread * rng.normal(size=(len(levels), seeds)), np.arange(1.0, 1 + len(levels)))

    return draw


def flat_shares(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    return table(rng.random((4, seeds)) < 0.6, np.arange(1.0, 5))


def flat_lognormal(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    return table(lognormal(0.5)(rng, (4, seeds)), np.arange(1.0, 5))


def trend(name: str, draw: Draw, way: str = "rising_overall", **more: Any) -> Setting:
    return Setting(kind="trend", name=name, claim={"trend": {"of": "y", "along": "d", "is": way}}, draw=draw, **more)


def how(aggregate: str) -> dict[str, Described]:
    return {"y": Described(name="y", role="result", aggregate=aggregate)}


TRENDS = (
    trend("flat, normal", steps([0, 0, 0, 0])),
    trend("flat, lognormal", flat_lognormal),
    trend("flat share of zeros and ones", flat_shares, fields=how("proportion"), seeds=(4, 8, 32)),
    *(
        trend(f"last step falls by {fall} standard errors", steps([0, 3, 6, 8, 9, 8], fall=fall), "increasing", at="false")
        for fall in (1, 2, 3)
    ),
    trend("steps of four deviations", steps([0, 4, 8, 12]), "increasing", at="true"),
    trend("one noisy seed", steps([0, 2, 4]), "increasing", seeds=(1,), answer="unmet"),
    trend("largest of the seeds", steps([0, 2, 4]), "increasing", fields=how("max"), seeds=(8,), answer="undecided"),
)


def curves(
    shape: Callable[[Array], Array], noise: float, factors: tuple[float, ...] = (1, 1, 1), shifted: bool = False
) -> Draw:
    """Curves over one rescaled x, on grids that may be shifted against each other; noise of a mean in units of y's range."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        parts = []
        for i, factor in enumerate(factors):
            xs = np.linspace(1, 8, 8) + (0.3 * i if shifted else 0.0)
            y = factor * shape(xs)[:, None]
            spread = noise * np.ptp(shape(np.linspace(1, 8, 8))) * np.sqrt(seeds)
            parts.append(table(y + spread * rng.normal(size=(8, seeds)), xs, part=i))
        return pl.concat(parts)

    return draw


def decades_apart(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
    """Curves that differ by factors of 2 to 4, where the linear scale sees their first places only."""
    xs = np.linspace(1, 8, 8)
    y = np.exp(-1.3 * xs)[:, None]
    return pl.concat([table(f * y * lognormal(0.02)(rng, (8, seeds)), xs, part=i) for i, f in enumerate((2, 3, 4))])


def collapse(name: str, draw: Draw, at: Any, bound: float, scale: str = "linear", **more: Any) -> Setting:
    claim = {"collapse": {"x": "d", "y": "y", "curves": "part", "scale": scale}, "expect": {"spread": {"at_most": bound}}}
    return Setting(kind="collapse", name=name, claim=claim, draw=draw, at=at, **more)


COLLAPSES = (
    *(
        collapse(f"true, shifted grids, noise {s:g} of the range", curves(np.tanh, s, shifted=True), "true", 0.1)
        for s in (0.05, 0.2, 0.4)
    ),
    *(
        collapse(f"true, same x, noise {s:g} of the range", curves(np.tanh, s), "true", 0.05, seeds=(4, 8, 32))
        for s in (0.1, 0.2, 0.4)
    ),
    Setting(
        kind="collapse",
        name="factors 2, 3, 4 over four decades, no scale",
        claim={"collapse": {"x": "d", "y": "y", "curves": "part"}, "expect": {"spread": {"at_most": 0.1}}},
        draw=decades_apart,
        at="false",
        seeds=(4, 8),
    ),
    collapse("curves apart by half the range", curves(np.sqrt, 0.02, (1.0, 1.5, 2.0)), "false", 0.1),
    collapse(
        "true, 1/x on four places",
        lambda rng, n: pl.concat(
            [
                table((1 / x)[:, None] * (1 + 1e-3 * rng.normal(size=(4, n))), x, part=i)
                for i, x in enumerate(np.array([1.0, 2, 4, 8]) * f for f in (1.0, 1.2, 1.45))
            ]
        ),
        "true",
        0.05,
        seeds=(4, 8),
    ),
)


def preferred(shape: Callable[[Array], Array], noise: float, k: int) -> Draw:
    xs = np.arange(2.0, 2 + k)
    return lambda rng, seeds: table(shape(xs)[:, None] * lognormal(noise)(rng, (k, seeds)), xs)


def prefer(name: str, draw: Draw, first: str = "power", rival: str = "exponential", at: Any = "false", **more: Any) -> Setting:
    claim = {"prefer": {"law": first, "over": [rival], "x": "d", "y": "y"}}
    return Setting(kind="prefer", name=name, claim=claim, draw=draw, at=at, **more)


PREFERRED = (
    *(prefer(f"the truth is the rival, k = {k}", preferred(lambda x: np.exp(0.5 * x), 0.2, k)) for k in (5, 7)),
    prefer("the truth is the law, k = 7", preferred(lambda x: x**2.0, 0.05, 7), at="true"),
    *(
        prefer(f"the truth lies between, k = {k}", preferred(lambda x: np.exp(1.5 * np.sqrt(x)), 0.1, k), seeds=(4, 8))
        for k in (5, 7)
    ),
    *(
        prefer(
            f"the truth is a logistic, k = {k}",
            preferred(lambda x: 1 / (1 + np.exp(-(x - 5))), 0.01, k),
            "exponential",
            "power",
            seeds=(8,),
        )
        for k in (5, 7)
    ),
)


def alike(settings: int) -> Draw:
    """One plain setting, and several of a tuned arm that are no better."""

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        tuned = [table(5 + rng.normal(size=(1, seeds)), np.array([float(i)]), "b") for i in range(settings)]
        return pl.concat([table(5 + rng.normal(size=(1, seeds)), np.zeros(1), "a"), *tuned])

    return draw


CHOSEN = tuple(
    compare(f"best of {n} that are alike", alike(n), {**PAIRED, "choose": {"over": ["d"], "of": "y"}}, seeds=(8, 16))
    for n in (8, 64)
)
SETTINGS = (*COMPARED, *CHOSEN, *CONTRASTS, *TRENDS, *COLLAPSES, *PREFERRED)
