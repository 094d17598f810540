"""Turns the query of an address into what a sweep's page shows, and what a page shows into an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import polars as pl
from starlette.datastructures import QueryParams

from orchestrator.errors import QueryError, nearest
from orchestrator.results.described import Described

OPERATORS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "has": "contains"}
PER_PAGE = 50
AXES = ("x", "y", "color", "facet")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A condition on one column, as `beta:eq:8` in an address."""

    column: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}:{self.operator}:{self.value}"

    @property
    def says(self) -> str:
        """The condition as one reads it."""
        return f"{self.column} {OPERATORS[self.operator]} {self.value}"

    def keep(self, frame: pl.DataFrame) -> pl.Expr:
        """The condition over a frame; QueryError where the column is not there or holds no such values."""
        column = pl.col(self.column)
        if self.operator == "has":
            return column.cast(pl.String).str.contains(self.value, literal=True)
        value = _cast(self.column, self.value, frame.schema[self.column])
        column = column.cast(pl.String) if isinstance(value, str) else column
        condition: pl.Expr = getattr(column, self.operator)(value)
        return condition


@dataclass(frozen=True, kw_only=True)
class PageChoice:
    """What a sweep's page shows: axes of the figure, conditions on the rows, order and page of the table, its columns."""

    x: str = ""
    y: str = ""
    color: str = ""
    facet: str = ""
    log: tuple[str, ...] = ()
    where: tuple[Filter, ...] = ()
    sort: str = ""
    down: bool = False
    page: int = 1
    wide: bool = False
    size: str = ""

    def but(self, **changes: Any) -> str:
        """The query of an address that shows the same but for these changes; empty where all is as it is by default."""
        changed = dataclasses.replace(self, **changes)
        pairs = [(name, getattr(changed, name)) for name in ("size", *AXES)]
        pairs += [("log", name) for name in changed.log] + [("where", str(condition)) for condition in changed.where]
        pairs += [("sort", changed.sort), ("down", "1" if changed.down else ""), ("wide", "1" if changed.wide else "")]
        pairs += [("page", str(changed.page) if changed.page > 1 else "")]
        text = urlencode([(name, value) for name, value in pairs if value])
        return f"?{text}" if text else "?"

    def without(self, condition: Filter) -> str:
        """The query without one of the conditions."""
        return self.but(where=tuple(c for c in self.where if c != condition), page=1)

    def sorted(self, column: str) -> str:
        """The query that sorts by a column: up, then down, then not at all."""
        if self.sort != column:
            return self.but(sort=column, down=False, page=1)
        return self.but(sort="" if self.down else column, down=not self.down, page=1)

    def filtered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that all conditions keep; QueryError where one names no column."""
        for condition in self.where:
            if condition.column not in frame.columns:
                close = nearest(condition.column, frame.columns)
                raise QueryError(f"filter: '{condition.column}' must be a column of the rows, but is not{close}")
            frame = frame.filter(condition.keep(frame))
        return frame


def read(query: QueryParams) -> PageChoice:
    """The choice that an address makes; QueryError where a condition or a page is none."""
    page = query.get("page", "1")
    if not page.isdecimal() or not 1 <= int(page) <= 10**6:
        raise QueryError(f"page: it must be a number from 1, but got '{page}'; leave it out for the first page.")
    return PageChoice(
        **{name: query.get(name, "") for name in (*AXES, "sort", "size")},
        log=tuple(axis for axis in ("x", "y") if axis in query.getlist("log")),
        where=tuple(_filter(text) for text in query.getlist("where")) + _added(query),
        down=query.get("down") == "1",
        wide=query.get("wide") == "1",
        page=int(page),
    )


def _added(query: QueryParams) -> tuple[Filter, ...]:
    """The condition that the page's form adds: three fields, until the address is made plain."""
    column, operator, value = (query.get(name, "") for name in ("column", "is", "value"))
    return (_filter(f"{column}:{operator}:{value}"),) if column and value else ()


def _filter(text: str) -> Filter:
    column, _, condition = text.partition(":")
    operator, _, value = condition.partition(":")
    if operator not in OPERATORS:
        raise QueryError(f"filter: it must be column:operator:value with one of {', '.join(OPERATORS)}, but got '{text}'.")
    return Filter(column=column, operator=operator, value=value)


def _cast(column: str, text: str, kind: Any) -> Any:
    """The text as a value of the column's type."""
    if kind == pl.Boolean:
        if text.lower() not in ("true", "false"):
            raise QueryError(f"filter: '{column}' must be compared with true or false, but got '{text}'.")
        return text.lower() == "true"
    if not kind.is_numeric():
        return text
    try:
        return float(text)
    except ValueError as error:
        raise QueryError(f"filter: '{column}' must be compared with a number, but got '{text}'.") from error


def varied(frame: pl.DataFrame, fields: Mapping[str, Described]) -> list[str]:
    """The params that take more than one value, as the workload orders them."""
    params = [name for name, field in fields.items() if field.role == "param" and name in frame.columns]
    counts = frame.select(pl.col(name).n_unique() for name in params).row(0) if params and len(frame) else ()
    return [name for name, count in zip(params, counts, strict=False) if count > 1]


def numeric(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of the columns that hold numbers or truth values."""
    return [
        name
        for name in names
        if name in frame.columns and (frame.schema[name].is_numeric() or frame.schema[name] == pl.Boolean)
    ]


def address(*parts: str, **query: str | None) -> str:
    """An address of this server: parts of the path, and the query's values that are there."""
    path = "/".join(quote(part, safe="") for part in parts)
    text = urlencode({name: value for name, value in query.items() if value})
    return f"/{path}" + (f"?{text}" if text else "")
