"""Turns rows of several settings into those of the best one, chosen on seeds that are then held out of what is judged.

A baseline that was tuned, or the best of several restarts, looks better on the seeds it was chosen on than it is.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from orchestrator.claims.evidence import Evidence, settled
from orchestrator.claims.queries import names, select
from orchestrator.claims.sources import Source
from orchestrator.columns import OK
from orchestrator.fitting import aggregates
from orchestrator.results.derived_columns import with_column
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec.claim_model import Choice, Claim
from orchestrator.wording import setting

LISTED = 6


def keep(claim: Claim, evidence: Evidence, source: Source, columns: list[str]) -> tuple[Evidence, tuple[str, ...], str]:
    """The evidence of the chosen settings on the other seeds, what was chosen, and why nothing could be: one is empty."""
    choice = claim.choose
    if choice is None or not len(evidence.rows):
        return evidence, (), ""
    rows = with_column(evidence.rows, choice.of, f"claims.{claim.id}.choose.of")
    seeds = sorted(rows["seed"].filter(settled(rows)).unique().to_list())
    held_out = seeds[: choice.seeds or max(1, len(seeds) // 2)]
    judged = [seed for seed in seeds if seed not in held_out]
    if not judged:
        return evidence, (), f"it has {len(seeds)} seeds, choosing takes {len(held_out)}, and none is left to judge on"
    params = [name for name, field in source.fields.items() if field.role == "param" and name in rows.columns]
    key = ["arm", *(name for name in params if name not in choice.over)]
    best = _best(rows.filter(rows["seed"].is_in(held_out) & rows["final"]), key, choice, source.fields)
    left_to_judge = rows.join(best, on=[*key, *choice.over], how="semi", nulls_equal=True, maintain_order="left")
    left_to_judge = left_to_judge.filter(~left_to_judge["seed"].is_in(held_out))
    table = _chosen_sql(claim, source, key, held_out)
    sentence = (
        f"chosen by {choice.of} on {len(held_out)} held-out seed{'s' * (len(held_out) != 1)}: {_choice_text(best, key, choice)}"
    )
    return replace(evidence, rows=left_to_judge, sql=select(source.spec, claim, columns, table, source.rows)), (sentence,), ""


def _best(rows: pl.DataFrame, key: list[str], choice: Choice, fields: Columns) -> pl.DataFrame:
    """For each assignment of `key` the setting with the best value; one that lost a seed only where all have."""
    ok = settled(rows)
    value = aggregates.expression(pl.col(choice.of).filter(pl.col("_ok")), aggregate(fields, choice.of))
    candidates = rows.with_columns(_ok=ok).group_by([*key, *choice.over], maintain_order=True)
    table = candidates.agg(pl.col("_ok").sum(), value.alias("_value"))
    order = ["_ok", "_value", *choice.over]
    down = [True, choice.goal == "maximize", *(False for _ in choice.over)]
    return table.sort(order, descending=down, nulls_last=True).unique(key, keep="first", maintain_order=True)


def _chosen_sql(claim: Claim, source: Source, key: list[str], held_out: list[int]) -> str:
    """The rows that are left, as a table in SQL."""
    choice = claim.choose
    assert choice is not None
    terms = names(source.spec, source.rows)
    column = terms.term(choice.of)
    where = f"WHERE {terms.condition(claim.where)} " if claim.where is not None else ""
    some = f"FILTER (WHERE final AND seed IN ({', '.join(map(str, held_out))}) AND status = '{OK}')"
    window = f"OVER (PARTITION BY {', '.join([*key, *choice.over])})"
    value = aggregates.sql(column, aggregate(source.fields, choice.of), f"{some} {window}")
    way = " DESC" if choice.goal == "maximize" else ""
    order = f"_ok DESC, _value{way} NULLS LAST, {', '.join(choice.over)}"
    candidates = f"SELECT *, count(*) {some} {window} AS _ok, {value} AS _value FROM {source.table} {where}"
    ranked = f"SELECT *, dense_rank() OVER (PARTITION BY {', '.join(key)} ORDER BY {order}) AS _rank FROM ({candidates})"
    return f"(SELECT * FROM ({ranked}) WHERE _rank = 1 AND seed NOT IN ({', '.join(map(str, held_out))}))"


def _choice_text(best: pl.DataFrame, key: list[str], choice: Choice) -> str:
    """Which setting was chosen where: `rate = 0.1 at arm = tuned, d = 8`."""
    varied = [name for name in key if best[name].n_unique() > 1]
    lines = []
    for row in best.sort(varied or key).iter_rows(named=True):
        places = ", ".join(f"{name} = {setting(row[name])}" for name in varied if row[name] is not None)
        lines.append(", ".join(f"{name} = {setting(row[name])}" for name in choice.over) + (f" at {places}" if places else ""))
    more = f" and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    return "; ".join(lines[:LISTED]) + more
