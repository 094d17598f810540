"""Simulates claims whose truth is planted, and counts the verdicts: `python -m tests.helpers.calibrating` prints a table.

At the margin's edge (the truth lies exactly on the end of what is expected) a support is right by a hair and a refutation is
wrong, so both must be rare; away from it the share of right verdicts is the power.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import judging
from orchestrator.claims.sources import boundary
from tests.helpers.judging import FIELDS, spec_of

XS = 2.0 ** np.arange(5, 13)
Draw = Callable[[np.random.Generator, float], pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A way in which data are drawn around a decay, and what is claimed of it: `between` a half-width around 1/2."""

    name: str
    draw: Draw
    half: float
    claim: dict[str, Any]
    more: dict[str, Any]


def frame(y: np.ndarray[Any, Any], arm: str = "all", xs: np.ndarray[Any, Any] = XS, **more: Any) -> pl.DataFrame:
    """Rows of y `(k, n)` over x and seed."""
    k, n = y.shape
    columns = {"d": np.repeat(xs, n), "seed": np.tile(np.arange(n), k), "y": y.ravel()}
    blank = {"arm": arm, "beta": 8.0, "final": True, "status": "ok", "error": None, "step": 0, "top": None, **more}
    return pl.DataFrame(columns).with_columns(pl.lit(v).alias(n) for n, v in blank.items()).with_columns(point=pl.lit("p"))


def curve(rng: np.random.Generator, decay: float, seeds: int = 8, noise: Any = 0.1, bend: float = 0.0) -> np.ndarray[Any, Any]:
    """2 x^-decay on average, with lognormal noise of its own at each x, and a slope of its own in each seed."""
    own = (
        noise * rng.normal(size=(len(XS), seeds))
        - noise**2 / 2
        + bend * rng.normal(size=seeds) * np.log(XS / XS.mean())[:, None]
    )
    return np.asarray(2 * XS[:, None] ** -decay * np.exp(own))


def plain(seeds: int, **more: Any) -> Draw:
    return lambda rng, decay: frame(curve(rng, decay, seeds, **more))


def floored(rng: np.random.Generator, decay: float) -> pl.DataFrame:
    """A decay into a floor of a fifth of its last value, which an arm of its own measures."""
    floor = 0.2 * 2 * XS[-1] ** -decay
    fresh = floor * np.exp(0.05 * rng.normal(size=(1, 8)))
    return pl.concat([frame(curve(rng, decay, noise=0.05) + floor, "finite"), frame(fresh, "fresh", np.ones(1))])


def drowned(rng: np.random.Generator, decay: float) -> pl.DataFrame:
    """The same with a floor as high as the curve's middle: most of the curve measures the optimiser."""
    floor = 2 * 2 * XS[3] ** -decay
    fresh = floor * np.exp(0.05 * rng.normal(size=(1, 8)))
    return pl.concat([frame(curve(rng, decay, noise=0.05) + floor, "finite"), frame(fresh, "fresh", np.ones(1))])


def lossy(rng: np.random.Generator, decay: float) -> pl.DataFrame:
    """One point in twenty has failed, the highest ones of large x the likeliest: dropping them would steepen the curve."""
    y = curve(rng, decay)
    lost = rng.random(y.shape) < 0.05 * 2 * (y > np.median(y, axis=1, keepdims=True))
    rows = frame(y).with_columns(gone=pl.Series(lost.ravel()))
    return rows.with_columns(
        status=pl.when("gone").then(pl.lit("oom")).otherwise("status"), y=pl.when(~pl.col("gone")).then("y")
    ).drop("gone")


def stairs(rng: np.random.Generator, growth: float) -> pl.DataFrame:
    """Boundaries that grow like a power, rounded down to steps of a random phase, each within a narrow bracket."""
    x = np.sqrt(np.log(2.0 ** np.arange(6, 18)))
    smooth = 0.4 * x**growth * np.exp(0.2 * rng.uniform())
    step = 0.3
    value = step * np.floor(smooth / step + 1e-9)
    ends = {"beta_lower": value * 0.999, "beta_upper": value * 1.001}
    about = {"arm": "all", "curve": "c", "along": "beta", "of": "y", "level": 0.0, "evaluations": 24, "status": "found"}
    table = pl.DataFrame({"d": 2 ** np.arange(6, 18), "u": x, "beta": value, **ends})
    return table.with_columns(pl.lit(v).alias(n) for n, v in about.items())


POWER = {"fit": {"law": "power", "x": "d", "y": "y"}}
ABOVE = {"fit": {"law": "power_with_floor", "x": "d", "y": "y"}, "floor": {"arm": "fresh"}}
ARMS = {"arms": {"finite": {}, "fresh": {}}, "axes": {"d": [1, 2]}}
SEARCH = {"search": {"boundary": {"along": "beta", "of": "y", "level": 0, "between": [0.1, 4]}}, "axes": {"d": [64]}}
SEARCH |= {"derive": {"u": "sqrt(ln(d))"}}
UNEQUAL = np.geomspace(0.02, 0.4, len(XS))[:, None]
SETTINGS = {
    s.name: s
    for s in (
        Setting(name="4 seeds", draw=plain(4), half=0.1, claim=POWER, more={}),
        Setting(name="8 seeds", draw=plain(8), half=0.1, claim=POWER, more={}),
        Setting(name="32 seeds", draw=plain(32), half=0.1, claim=POWER, more={}),
        Setting(name="seeds that bend whole curves", draw=plain(8, noise=0.02, bend=0.05), half=0.1, claim=POWER, more={}),
        Setting(name="unequal variances (1 : 400)", draw=plain(8, noise=UNEQUAL), half=0.1, claim=POWER, more={}),
        Setting(name="a floor, measured", draw=floored, half=0.1, claim=ABOVE, more=ARMS),
        Setting(name="a floor that dominates", draw=drowned, half=0.1, claim=ABOVE, more=ARMS),
        Setting(name="points lost by their size", draw=lossy, half=0.1, claim=POWER, more={}),
        Setting(
            name="staircases of boundaries", draw=stairs, half=0.5, more=SEARCH,
            claim={"from": "boundary", "fit": {"law": "power", "x": "u", "y": "beta"}},
        ),
    )
}  # fmt: skip


def rates(setting: Setting, truth: float, draws: int, start: int = 0) -> Counter[str]:
    """How often each verdict comes on 1/2 ± half (3/2 for boundaries) where the truth is `truth` half-widths off the middle."""
    stair = "search" in setting.more
    middle, name = (1.5, "exponent") if stair else (0.5, "decay")
    expect = {name: {"between": [middle - setting.half, middle + setting.half]}}
    spec = spec_of({"id": "c", **setting.claim, "expect": expect}, **setting.more)
    found: Counter[str] = Counter()
    for i in range(start, start + draws):
        rows = setting.draw(np.random.default_rng([i, 7]), middle + truth * setting.half)
        if stair:
            found[judging.judge_all(spec, {"boundary": boundary(spec, rows, FIELDS)})[0].verdict] += 1
        else:
            found[judging.judge_rows(spec, rows, FIELDS)[0].verdict] += 1
    return found


def report(draws: int = 400) -> str:
    """The table: false verdicts where the truth is at the edge, and right ones where it is half a width inside or outside."""
    heads = ("data", "supported at the edge", "refuted at the edge", "power to support", "power to refute")
    lines = [f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---:|"]
    for setting in SETTINGS.values():
        edge, inside, outside = (rates(setting, truth, draws) for truth in (1.0, 0.0, 2.0))
        shares = (edge["supported"], edge["refuted"], inside["supported"], outside["refuted"])
        lines.append(f"| {setting.name} | " + " | ".join(f"{100 * n / draws:.1f} %" for n in shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
