"""Turns a sweep's rows into one page of a table, failures by kind, what they cost, and where they come from."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.blocks.address import PER_PAGE, PageChoice, varied
from dashboards.data.cache import SweepRows
from orchestrator.columns import NO_FAILURES
from orchestrator.errors import QueryError, nearest
from orchestrator.wording import setting

LONGEST = 400
"""Characters of a cell that are shown; more are on the point's own page."""
SOURCES = ("commit", "dirty", "version", "host", "device", "threads", "torch", "generation")
KINDS = 20
ONE_OF = "one of "


@dataclass(frozen=True, kw_only=True)
class TablePage:
    """One page of a table: columns with their sentence, rows of cells, which rows these are, and of how many."""

    columns: tuple[Mapping[str, Any], ...]
    rows: tuple[Mapping[str, Any], ...]
    first: int
    total: int
    pages: int


def table_page(rows: SweepRows, filtered: pl.DataFrame, choice: PageChoice) -> TablePage:
    """The page of the table of the choice, of the rows that the conditions keep."""
    names = list(filtered.columns) if choice.wide else _telling(rows)
    if choice.sort and choice.sort not in filtered.columns:
        close = nearest(choice.sort, filtered.columns)
        raise QueryError(f"sort: '{choice.sort}' must be a column of the rows, but is not{close}")
    ordered = filtered.lazy()
    if choice.sort:
        column = pl.col(choice.sort)
        by = column.cast(pl.String) if filtered.schema[choice.sort] == pl.Categorical else column
        ordered = ordered.sort(by, descending=choice.down, nulls_last=True, maintain_order=True)
    pages = max(1, math.ceil(len(filtered) / PER_PAGE))
    first = (min(choice.page, pages) - 1) * PER_PAGE
    cells = ordered.slice(first, PER_PAGE).select(list(dict.fromkeys([*names, "point"]))).collect()
    says = {d["name"]: d for d in rows.described}
    columns = tuple(_head(name, says.get(name, {}), cells) for name in names)
    return TablePage(columns=columns, rows=tuple(cells.to_dicts()), first=first, total=len(filtered), pages=pages)


def allowed(rows: SweepRows) -> list[tuple[str, str]]:
    """The values that a filter may ask for, each with its column: what a param may be, and what labels there are."""
    values = [(str(value), d["name"]) for d in rows.described for value in _choices(d.get("allowed", ""))]
    labels = [name for name in ("arm", "status") if name in rows.frame.columns]
    return values + [
        (str(value), name) for name in labels for value in sorted(map(str, rows.frame[name].unique().drop_nulls()))
    ]


def _choices(text: str) -> tuple[Any, ...]:
    """The values of a sentence as `one of 'plain', 'sobol'`."""
    return tuple(ast.literal_eval(f"({text.removeprefix(ONE_OF)},)")) if text.startswith(ONE_OF) else ()


def _telling(rows: SweepRows) -> list[str]:
    """The columns that tell rows apart, and what was measured."""
    results = [name for name, field in rows.fields.items() if field.role == "result"]
    steps = ["step"] if len(rows.frame) and rows.frame["step"].max() != rows.frame["step"].min() else []
    names = ["point", "arm", *varied(rows.frame, rows.fields), "seed", *steps, *results, "status", "seconds"]
    return [name for name in names if name in rows.frame.columns]


def _head(name: str, column: Mapping[str, str], cells: pl.DataFrame) -> dict[str, Any]:
    kind = cells.schema[name]
    return {"name": name, "unit": column.get("unit", ""), "says": column.get("says", ""), "number": kind.is_numeric()}


def cell(value: Any) -> str:
    """A value as the table shows it: six digits, no more than LONGEST characters."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def whole(value: Any) -> str:
    """A value as the page of its point shows it: all digits of a float."""
    return repr(value) if isinstance(value, float) else cell(value)


def failures(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Points that failed by status and last line of their error, the most frequent first; the whole text of one."""
    lost = frame.filter(pl.col("final") & ~pl.col("status").cast(pl.String).is_in(NO_FAILURES))
    if not len(lost):
        return []
    last = pl.col("error").str.strip_chars().str.split("\n").list.last().fill_null("no text").alias("line")
    kinds = lost.with_columns(last).group_by("status", "line").agg(
        pl.col("point").n_unique().alias("points"), pl.col("point").first(), pl.col("error").first(), pl.col("arm").unique()
    )  # fmt: skip
    return kinds.sort("points", "status", "line", descending=[True, False, False]).head(KINDS).to_dicts()


def cost(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """What the points of each arm took: how many, seconds in all, and how they spread."""
    finals = frame.filter(pl.col("final"))
    seconds = pl.col("seconds")
    costs = finals.group_by("arm", "device", maintain_order=True).agg(
        pl.len().alias("points"), seconds.sum().alias("total"), seconds.median().alias("median"),
        seconds.quantile(0.95).alias("p95"), seconds.max().alias("longest"), pl.col("point").sort_by("seconds").last(),
    )  # fmt: skip
    return costs.to_dicts()


def provenance(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Where the rows come from: commits, machines, versions and when."""
    sources = [(name, _values(frame[name])) for name in SOURCES if name in frame.columns]
    if "started" in frame.columns and frame["started"].drop_nulls().len():
        first, last = (str(time)[:16] for time in (frame["started"].min(), frame["started"].max()))
        sources.append(("measured", f"{first} to {last} UTC"))
    return [(name, text) for name, text in sources if text]


def _values(column: pl.Series) -> str:
    values = column.drop_nulls().unique().cast(pl.String).sort().to_list()
    return ", ".join(values[:8]) + (f" and {len(values) - 8} more" if len(values) > 8 else "")


def arms(frame: pl.DataFrame, params: Sequence[str]) -> list[dict[str, Any]]:
    """One line an arm: its points and seeds, and the values of its params."""
    lines = []
    for arm, part in frame.filter(pl.col("final")).group_by("arm", maintain_order=True):
        values = [f"{name} = {_span(part[name])}" for name in params if part[name].drop_nulls().len()]
        counts = {"points": part["point"].n_unique(), "seeds": part["seed"].n_unique()}
        lines.append({"arm": str(arm[0]), **counts, "values": values})
    return lines


def _span(column: pl.Series) -> str:
    values = [setting(value) for value in column.drop_nulls().unique().sort().to_list()]
    return ", ".join(values) if len(values) <= 8 else f"{values[0]} … {values[-1]} ({len(values)} values)"
