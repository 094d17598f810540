"""Turns what a comparison must hold equal (`require: {matched: {n_params: 0.02}}`) into what is not, as sentences."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orchestrator.errors import SpecError, nearest
from orchestrator.fitting.aggregates import expression
from orchestrator.results.derived_columns import with_column
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec.claim_model import Claim
from orchestrator.wording import setting, shown


def by_x(claim: Claim, x: str, sides: Mapping[str, pl.DataFrame], fields: Columns) -> list[str]:
    """What differs between the sides at an x by more than the claim allows."""
    return unequal(claim, [x], sides, fields)


def unequal(claim: Claim, keys: list[str], sides: Mapping[str, pl.DataFrame], fields: Columns) -> list[str]:
    """What differs by more than the claim allows between rows of different sides that share the keys, the worst of each."""
    worst = (_worst(claim, name, keys, sides, aggregate(fields, name)) for name in claim.require.matched)
    return [sentence for sentence in worst if sentence]


def _worst(claim: Claim, name: str, keys: list[str], sides: Mapping[str, pl.DataFrame], how: str) -> str:
    where = f"claims.{claim.id}.require.matched"
    room, combined = claim.require.matched[name], []
    for label, rows in sides.items():
        if name not in rows.columns:
            raise SpecError(f"{where}: it must name columns of the rows, but got '{name}'{nearest(name, rows.columns)}")
        present = with_column(rows, name, where).filter(pl.col(name).is_not_null())
        combined.append(present.group_by(keys).agg(expression(pl.col(name), how)).with_columns(pl.lit(label).alias("side")))
    spread = pl.concat(combined).group_by(keys, maintain_order=True)
    ratios = spread.agg(pl.col(name).min().alias("least"), pl.col(name).max().alias("most")).with_columns(
        off=(pl.col("most") - pl.col("least")) / pl.max_horizontal(pl.col("most").abs(), pl.col("least").abs())
    )
    worst = ratios.filter(pl.col("off") > room * (1 + 1e-9)).sort("off", descending=True).head(1)
    if not len(worst):
        return ""
    row = worst.row(0, named=True)
    at = ", ".join(f"{key} = {setting(row[key])}" for key in keys)
    return f"{name} must match within {shown(100 * room)} %, but is {shown(row['least'])} against {shown(row['most'])} at {at}"
