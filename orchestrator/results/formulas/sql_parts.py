"""Turns columns and literals into pieces of SQL, with what is known of the values that each piece can have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import duckdb
import polars as pl

from orchestrator.spec.expressions import WHOLE

Kind = Literal["int", "float", "bool", "text", "any"]
TYPES: dict[Kind, str] = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "text": "VARCHAR", "any": "DOUBLE"}
LOOSE, SUM, PRODUCT, SIGNED, ATOM = range(5)
"""How tightly a piece is bound: comparisons and logic, `+ -`, `* /`, a sign, and what needs no brackets anywhere."""
INF = math.inf
ENDS: dict[Kind, tuple[float, float, bool]] = {
    "int": (-WHOLE, WHOLE - 1, False),
    "float": (-INF, INF, True),
    "bool": (0, 1, False),
    "text": (-INF, INF, False),
    "any": (-INF, INF, True),
}
"""Ends of what a column of a kind may hold, and whether NaN is among it."""
LARGE = 1.7e308
"""Floats up to this size are safe from rounding to infinity."""


@dataclass(frozen=True, kw_only=True)
class SqlPart:
    """A piece of SQL; `low` and `high` are ends that its values lie between where it has any.

    `nan`: it may be NaN. `null`: a column that it needs may be NULL. `raw`: it is a column's own value, which Python passes on
    whatever it is. `hollow`: it may be NULL though no column that it needs is. `throws`: DuckDB may refuse to work it out.
    `narrow`: DuckDB may hold its whole numbers in 32 bits. `exact`: it is written as a decimal number, which DuckDB takes for a
    DECIMAL. `simple`: short enough to be written twice. `never`: it has no value at all.
    """

    text: str
    kind: Kind
    rank: int = ATOM
    low: float = -INF
    high: float = INF
    nan: bool = False
    null: bool = False
    raw: bool = False
    hollow: bool = False
    throws: bool = False
    narrow: bool = False
    exact: bool = False
    simple: bool = False
    never: bool = False

    @property
    def finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return self.kind not in ("float", "any") or (not self.nan and self.low > -LARGE and self.high < LARGE)

    @property
    def solid(self) -> bool:
        """Whether it has a value wherever its columns have."""
        return not self.hollow and not self.throws

    @property
    def nonzero(self) -> bool:
        """Whether no value is zero."""
        return not self.nan and (self.low > 0 or self.high < 0)

    def tight(self, rank: int) -> str:
        """The text, in brackets where it is bound less tightly."""
        return self.text if self.rank >= rank else f"({self.text})"


def column(name: str, values: pl.Series | None = None) -> SqlPart:
    """A column, with what its values show; of a column without values nothing is known."""
    text = identifier(name)
    if values is None:
        return SqlPart(text=text, kind="any", nan=True, null=True, raw=True, simple=True)
    kind = _kind(values)
    low, high, nan = ENDS[kind]
    if kind in ("int", "float") and values.null_count() < len(values):
        ends: tuple[Any, Any] = (values.min(), values.max())
        low, high = map(float, ends)
        nan = kind == "float" and bool(values.is_nan().any())
    null = bool(values.null_count()) or not len(values)
    return SqlPart(text=text, kind=kind, low=low, high=high, nan=nan, null=null, raw=kind in ("float", "any"), simple=True)


def _kind(values: pl.Series) -> Kind:
    kind = values.dtype
    if kind.is_integer():
        return "int"
    if kind.is_float():
        return "float"
    if kind == pl.Boolean:
        return "bool"
    return "text" if kind == pl.String or isinstance(kind, (pl.Categorical, pl.Enum)) else "any"


def literal(value: Any) -> SqlPart:
    """A value as SQL; None is an absence of a number."""
    if value is None:
        return absent("float")
    if isinstance(value, bool):
        return SqlPart(text="TRUE" if value else "FALSE", kind="bool", low=value, high=value, simple=True)
    if isinstance(value, str):
        return SqlPart(text=quoted(value), kind="text", simple=True)
    rank = SIGNED if value < 0 or str(value).startswith("-") else ATOM
    kind: Kind = "int" if isinstance(value, int) else "float"
    exact = kind == "float" and "e" not in repr(value)
    return SqlPart(
        text=repr(value), kind=kind, rank=rank, low=value, high=value, narrow=kind == "int", exact=exact, simple=True
    )


def absent(kind: Kind) -> SqlPart:
    """What has no value."""
    return SqlPart(text=f"CAST(NULL AS {TYPES[kind]})", kind=kind, low=0, high=0, hollow=True, never=True)


def double(part: SqlPart) -> SqlPart:
    """The part, where it is a decimal number, as a float: `0.5e0`."""
    return replace(part, text=f"{part.text}e0", exact=False) if part.exact else part


def number(part: SqlPart) -> SqlPart:
    """The part as a number: of a truth value 0 or 1, of text nothing."""
    if part.kind == "bool":
        return replace(part, text=f"CAST({part.text} AS BIGINT)", kind="int", rank=ATOM, low=0, high=1)
    return literal(None) if part.kind == "text" else part


def wide(part: SqlPart) -> SqlPart:
    """The part, where it is a whole number, in 64 bits."""
    return replace(part, text=f"CAST({part.text} AS BIGINT)", rank=ATOM, narrow=False, simple=False) if part.narrow else part


def truth(part: SqlPart) -> SqlPart:
    """The part as a truth value, by Python's rule: what is neither zero nor empty is true."""
    if part.kind == "bool":
        return part
    part = firm(part)
    empty = "''" if part.kind == "text" else "0"
    return replace(part, text=f"{part.tight(SUM)} <> {empty}", kind="bool", rank=LOOSE, raw=False, low=0, high=1, simple=False)


def sure(part: SqlPart) -> SqlPart:
    """The part with an error in place of NULL, so that functions which pass over NULL do not."""
    if not part.hollow:
        return part
    missing = f"CAST('no value' AS {TYPES[part.kind]})"
    return replace(part, text=f"coalesce({part.text}, {missing})", rank=ATOM, hollow=False, throws=True, simple=False)


def checked(part: SqlPart) -> SqlPart:
    """The part with NULL in place of NaN and infinity."""
    if part.finite:
        return part
    checks = f"list_filter([{part.text}], lambda _v: isfinite(_v))[1]"
    low, high = max(part.low, -LARGE / 2), min(part.high, LARGE / 2)
    return replace(part, text=checks, rank=ATOM, low=low, high=high, nan=False, raw=False, hollow=True, simple=False)


def firm(part: SqlPart) -> SqlPart:
    """The part with NULL where Python would have refused it before passing it on."""
    return part if part.raw else checked(part)


def once(parts: Iterable[SqlPart], write: Callable[[list[SqlPart]], str], fresh: Callable[[], str]) -> str:
    """What is written with the parts, each worked out once: those that are no names or literals get a name."""
    opening, closing, names = "", "", []
    for part in parts:
        if not part.simple:
            name = fresh()
            opening, closing = f"{opening}list_transform([{part.text}], lambda {name}: ", f")[1]{closing}"
            part = replace(part, text=name, rank=ATOM, simple=True)
        names.append(part)
    return f"{opening}{write(names)}{closing}"


def combined(parts: Iterable[SqlPart], text: str, kind: Kind, **more: Any) -> SqlPart:
    """A new part that needs all those others, hollow or throwing where one is."""
    parts = list(parts)
    if any(part.never for part in parts):
        return absent(kind)  # DuckDB would work out an error among constants at once, outside every TRY
    return either(parts, text, kind, **more)


def either(parts: Iterable[SqlPart], text: str, kind: Kind, **more: Any) -> SqlPart:
    """A new part that is one of those others, hollow or throwing where one is."""
    parts = list(parts)
    flags = {"hollow": any(part.hollow for part in parts), "throws": any(part.throws for part in parts)}
    return SqlPart(text=text, kind=kind, **(flags | more))


def alike(parts: list[SqlPart]) -> list[SqlPart]:
    """The parts, decimal numbers as floats unless DuckDB makes one of them for a neighbour's sake."""
    plain = any(part.kind == "float" and not part.exact for part in parts)
    return parts if plain else [double(part) for part in parts]


def kind_of(parts: list[SqlPart]) -> Kind:
    """The kind of a column that holds values of all the parts."""
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else "float"


def hull(parts: list[SqlPart]) -> dict[str, Any]:
    """Ends that the values of all the parts lie between."""
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    return {"low": low, "high": high, "nan": any(part.nan for part in parts)}


def quoted(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL, in quotes where it needs them."""
    plain = name.isidentifier() and name.isascii() and name.lower() not in _reserved()
    return name if plain else '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=1)
def _reserved() -> frozenset[str]:
    """Words that SQL keeps for itself."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(name for (name,) in rows)
