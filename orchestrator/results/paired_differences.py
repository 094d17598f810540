"""Turns two tables of rows into paired differences: one for each setting of the params, with an interval, and one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.columns import OK
from orchestrator.errors import QueryError, nearest
from orchestrator.fitting.aggregates import combine, expression, named
from orchestrator.fitting.intervals import Array, interval, quantile, without_each

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.results.described import Columns

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Left minus right in one setting, over pairs that share a seed; no interval (None) where there is a single pair.

    `left` and `right` are the combined values of the pairs; `lost` counts pairs of which a side has no result.
    """

    setting: dict[str, Any]
    left: float
    right: float
    estimate: float
    low: float | None
    high: float | None
    pairs: int
    lost: int

    @property
    def apart(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, kw_only=True)
class Differences:
    """All settings that both sides have, what they were paired on, and what only one side has.

    `level` is that of each setting's interval, so that all of them hold together at 95 % (Bonferroni). `whole` averages the
    settings and takes seeds as units, for settings may share their random streams; None where nothing was paired.
    """

    column: str
    aggregate: str
    on: tuple[str, ...]
    settings: tuple[Difference, ...]
    whole: Difference | None
    level: float
    only_left: int
    only_right: int
    notes: tuple[str, ...]


def paired(left: pl.DataFrame, right: pl.DataFrame, column: str, fields: Columns, on: Sequence[str] = ()) -> Differences:
    """The differences left minus right of a result, between rows that agree in their seed and in the params `on`.

    Without `on`, those are the params that both tables have, but for such that set the two tables apart: one value on each
    side, and not the same. Rows need `seed, final, status`, the params and the column; `fields` says which columns are params
    and how seeds combine. Params not paired on are averaged over, and a note says so. Raises QueryError for an unknown name.
    """
    aggregate = fields[column].aggregate if column in fields else "mean"
    keys, notes = _keys(left, right, column, fields, on)
    sides = [_values(table, column, keys, aggregate) for table in (left, right)]
    joined = sides[0].join(sides[1], on=[*keys, "seed"], how="full", suffix="_right", nulls_equal=True, coalesce=True)
    in_left, in_right = (joined["there"].fill_null(False), joined["there_right"].fill_null(False))
    shared = joined.filter(in_left & in_right)
    groups = list(_groups(shared, keys))
    level = 1 - (1 - LEVEL) / max(len(groups), 1)
    settings = tuple(_difference(setting, part, aggregate, level) for setting, part in groups)
    return Differences(
        column=column,
        aggregate=aggregate,
        on=tuple(keys),
        settings=settings,
        whole=_whole(shared, keys, aggregate),
        level=level,
        only_left=int((in_left & ~in_right).sum()),
        only_right=int((in_right & ~in_left).sum()),
        notes=notes,
    )


def _keys(
    left: pl.DataFrame, right: pl.DataFrame, column: str, fields: Columns, on: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """The params to pair on, and what is to be said of the others; one that has the same value everywhere needs no pairing."""
    import polars as pl

    shared = [name for name in left.columns if name in right.columns]
    for name in (column, *on):
        if name not in shared:
            raise QueryError(f"differences: '{name}' must be a column of both tables, but is not{nearest(name, shared)}")
    params = [n for n, f in fields.items() if f.role == "param" and (n in left.columns or n in right.columns)]
    apart = {name for name in params if name in shared and _apart(left, right, name)}
    free = [name for name in params if name in shared and name not in apart]
    keys = list(on) or [name for name in free if pl.concat([left[name], right[name]]).n_unique() > 1]
    varying = [
        f"{name} is {_only_value(left, name)} on the left and {_only_value(right, name)} on the right"
        for name in sorted(apart - {*keys})
    ]
    for name in params:
        sides = [s for s, t in (("left", left), ("right", right)) if name in t.columns and t[name].n_unique() > 1]
        if name not in keys and name not in apart and sides:
            varying.append(f"{name} varies on the {' and the '.join(sides)} and is averaged over")
    return keys, tuple(varying)


def _apart(left: pl.DataFrame, right: pl.DataFrame, name: str) -> bool:
    values = [table[name].unique().to_list() for table in (left, right)]
    return [len(v) for v in values] == [1, 1] and values[0] != values[1]


def _only_value(table: pl.DataFrame, name: str) -> str:
    return str(table[name][0])


def _values(table: pl.DataFrame, column: str, keys: Sequence[str], aggregate: str) -> pl.DataFrame:
    """One value for each setting and seed; null where the point has no result."""
    import polars as pl

    ok = pl.col("status").cast(pl.String) == OK
    value = pl.when(ok).then(pl.col(column).cast(pl.Float64)).otherwise(None).fill_nan(None)
    final = table.filter(pl.col("final")).unique("point") if "point" in table.columns else table.filter(pl.col("final"))
    # A setting that several points make is known only where all of them have a result.
    whole = pl.when(value.is_not_null().all()).then(expression(value, aggregate)).otherwise(None)
    return final.group_by([*keys, "seed"]).agg(whole.alias("value"), pl.lit(True).alias("there"))


def _groups(shared: pl.DataFrame, keys: Sequence[str]) -> Any:
    if not keys:
        return iter([({}, shared)] if len(shared) else [])
    ordered = shared.sort([*keys, "seed"])
    return ((dict(zip(keys, key, strict=True)), part) for key, part in ordered.group_by(list(keys), maintain_order=True))


def _difference(setting: Mapping[str, Any], part: pl.DataFrame, aggregate: str, level: float) -> Difference:
    complete = part.drop_nulls(["value", "value_right"])
    left, right = complete["value"].to_numpy(), complete["value_right"].to_numpy()
    estimate, low, high = _interval(left, right, aggregate, level)
    return Difference(
        setting=dict(setting),
        left=float(combine(left, aggregate)) if len(complete) else float("nan"),
        right=float(combine(right, aggregate)) if len(complete) else float("nan"),
        estimate=estimate,
        low=low,
        high=high,
        pairs=len(complete),
        lost=len(part) - len(complete),
    )


def _interval(left: Array, right: Array, aggregate: str, level: float) -> tuple[float, float | None, float | None]:
    """Left minus right with its ends: t over pairs; for an rms t over the jackknife; for medians that of the differences."""
    if not len(left):
        return float("nan"), None, None
    if named(aggregate).extreme:
        return float(combine(left, aggregate) - combine(right, aggregate)), None, None
    if aggregate == "rms":
        return _jackknife(left, right, level)
    estimate_interval = interval(left - right, "median" if aggregate == "median" else "mean", level)
    return estimate_interval.estimate, *((estimate_interval.low, estimate_interval.high) if len(left) > 1 else (None, None))


def _jackknife(left: Array, right: Array, level: float) -> tuple[float, float | None, float | None]:
    estimate, n = float(combine(left, "rms") - combine(right, "rms")), len(left)
    if n < 2:
        return estimate, None, None
    without = without_each(left[None, :], "rms")[:, 0] - without_each(right[None, :], "rms")[:, 0]
    pseudo = n * estimate - (n - 1) * without
    half = quantile(level, n) * float(np.std(pseudo, ddof=1)) / np.sqrt(n)
    return estimate, estimate - half, estimate + half


def _whole(shared: pl.DataFrame, keys: Sequence[str], aggregate: str) -> Difference | None:
    """The mean over settings of the difference, seeds as units, from seeds that have a result in every setting."""
    import polars as pl

    complete = shared.drop_nulls(["value", "value_right"])
    settings = complete.select(keys).n_unique() if keys and len(complete) else 1
    seeds = complete.group_by("seed").agg(pl.len().alias("n"), pl.col("value", "value_right").mean()).sort("seed")
    seeds = seeds.filter(pl.col("n") == settings)
    if not len(seeds) or named(aggregate).extreme:
        return None
    left, right = seeds["value"].to_numpy(), seeds["value_right"].to_numpy()
    estimate, low, high = _interval(left, right, "mean", LEVEL)
    lost = shared["seed"].n_unique() - len(seeds)
    means = {"left": float(left.mean()), "right": float(right.mean())}
    return Difference(setting={}, estimate=estimate, low=low, high=high, pairs=len(seeds), lost=lost, **means)
