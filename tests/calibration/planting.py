"""Rows planted from known laws and noises, in the shape in which a sweep's rows come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

Array = np.ndarray[Any, Any]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]
XS = 2.0 ** np.arange(5, 13)
FIVE = 2.0 ** np.arange(3, 8)
SIX = 2.0 ** np.arange(3, 9)


def table(y: Array, xs: Array = XS, arm: str = "all", **more: Any) -> pl.DataFrame:
    """Rows of y `(x, seeds)`; further columns are constants, or values of the rows in that order. NaN is no row at all."""
    y = np.atleast_2d(np.asarray(y, dtype=float))
    k, n = y.shape
    columns = {"d": np.repeat(np.asarray(xs), n), "seed": np.tile(np.arange(n), k), "y": y.ravel()}
    blank = {"arm": arm, "beta": 8.0, "final": True, "status": "ok", "error": None, "step": 0, "top": None, "part": 0, **more}
    listed = {name: value for name, value in blank.items() if isinstance(value, np.ndarray)}
    rows = pl.DataFrame({**columns, **{name: value.ravel() for name, value in listed.items()}})
    rows = rows.with_columns(pl.lit(value).alias(name) for name, value in blank.items() if name not in listed)
    rows = rows.filter(pl.col("y").is_not_nan())
    return rows.with_columns(point=pl.concat_str("arm", "d", "beta", "part", "seed", separator="/"))


def lost(rows: pl.DataFrame, gone: Array, status: str = "diverged") -> pl.DataFrame:
    """The rows with some points failed; of status `ok` these are nulls."""
    mask = pl.Series("gone", gone.ravel())
    kept = rows.with_columns(mask)
    return kept.with_columns(
        status=pl.when("gone").then(pl.lit(status)).otherwise("status"), y=pl.when(~pl.col("gone")).then("y")
    ).drop("gone")


def lognormal(sigma: Any) -> Noise:
    """Factors of mean one."""
    return lambda rng, size: np.exp(sigma * rng.normal(size=size) - np.square(sigma) / 2)


def heavy(scale: float) -> Noise:
    """Factors whose logarithm has three degrees of freedom."""
    return lambda rng, size: 1 + scale * np.clip(rng.standard_t(3, size), -0.99 / scale, None)


def outliers(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """A tenth of noise, and one in twenty ten times too large."""
    return lognormal(0.1)(rng, size) * np.where(rng.random(size) < 0.05, 10.0, 1.0)


def law(exponent: float, noise: Noise, xs: Array = XS, factor: float = 2.0) -> Callable[[np.random.Generator, int], Array]:
    """A power law times noise, as values `(x, seeds)`."""
    return lambda rng, seeds: np.asarray(factor * xs[:, None] ** exponent * noise(rng, (len(xs), seeds)))


def unlike(counts: tuple[int, ...], y: Array) -> Array:
    """The values with as many seeds at each x as listed."""
    y = y.copy()
    for row, n in zip(y, counts, strict=True):
        row[n:] = np.nan
    return y
