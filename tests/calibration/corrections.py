"""Settings of laws with corrections to scaling, with a break, and of a loss of two sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from tests.calibration.cells import Draw, Setting
from tests.calibration.laws import fit
from tests.calibration.planting import Array, lognormal, table

LONG = 2.0 ** np.arange(3, 15)
LIMIT = -0.5
SIZES = list(itertools.product(2.0 ** np.arange(4, 14, 2), 2.0 ** np.arange(6, 16, 2)))
FIRST_DECAY = 0.35


def around(curve: Callable[[Array], Array], noise: float) -> Draw:
    return lambda rng, seeds: table(curve(LONG)[:, None] * lognormal(noise)(rng, (len(LONG), seeds)), LONG)


def two_sizes(noise: float) -> Draw:
    """A loss of two sizes, in the columns d and beta."""
    n, d = (np.array(column) for column in zip(*SIZES, strict=True))

    def draw(rng: np.random.Generator, seeds: int) -> pl.DataFrame:
        loss = (1.7 + 12 * n**-FIRST_DECAY + 20 * d**-0.45)[:, None] * lognormal(noise)(rng, (len(n), seeds))
        rows = table(loss, np.arange(float(len(n))))
        at = rows["d"].cast(pl.Int64).to_numpy()
        return rows.with_columns(d=pl.Series(n[at].astype(int)), beta=pl.Series(d[at]))

    return draw


def joint(name: str, draw: Draw, **more: Any) -> Setting:
    claim = {"joint": {"sizes": ["d", "beta"], "y": "y"}, "expect": {"first_decay": {"at_least": FIRST_DECAY}}}
    return Setting(kind="joint", name=name, claim=claim, draw=draw, number="first_decay", truth=FIRST_DECAY, costs=6, **more)


SETTINGS = (
    fit(
        "power with a logarithm, limit",
        around(lambda x: 2 * x**LIMIT * np.log(x), 0.05),
        law="power_log",
        seeds=(2, 4, 8, 32),
    ),
    fit(
        "power with a correction, limit",
        around(lambda x: 2 * x**LIMIT * (1 + 3 * x**-0.6), 0.02),
        law="power_corrected",
        seeds=(4, 8, 32),
        costs=3,
    ),
    fit(
        "broken power, limit",
        around(lambda x: 2 * x**-0.2 * (1 + (x / 200) ** (1 / 0.3)) ** ((LIMIT + 0.2) * 0.3), 0.02),
        law="broken_power",
        seeds=(4, 8, 32),
        costs=3,
    ),
    joint("two sizes, noise 1 %", two_sizes(0.01), seeds=(2, 4, 8)),
    joint("two sizes, noise 5 %", two_sizes(0.05), seeds=(4,)),
)
