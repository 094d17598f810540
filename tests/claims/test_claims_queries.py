"""The SQL of a claim gives the rows that it is judged on, for every shipped sweep and every form of formula."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from orchestrator.claims.evidence import gather
from orchestrator.claims.judging import _columns
from orchestrator.claims.queries import names, select
from orchestrator.claims.sources import own
from orchestrator.plan import expand
from orchestrator.results import conditions
from orchestrator.spec import Spec
from orchestrator.spec import parsing as specs
from orchestrator.store.row_format import row_schema
from orchestrator.workload.describe import load
from tests.helpers.judging import rows_of, spec_of

CLAIM = {"id": "c", "fit": {"law": "linear", "x": "u", "y": "y"}, "expect": {"slope": {"at_least": 0}}}
DERIVED = [
    "d if d > 3 else 0.5", "max(d, 4)", "min(d, 4)", "d // 2", "d % 3", "d**2", "sqrt(d)", "ln(d - 2)", "ceil(log2(d))",
    "round(beta/3, 2)", "floor(abs(2.5 - d))", "d > 2 and beta < 9", "1/(d - 3)",
]  # fmt: skip


def queried(text: str, rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.register("rows", rows.to_arrow())
        return connection.execute(text).fetchall()


def compare(spec: Spec, rows: pl.DataFrame) -> Iterator[tuple[str, bool]]:
    """For each claim on the sweep's own rows whether its SQL gives what it is judged on."""
    source = own(spec, rows, None)
    meant = [claim.model_among(spec.claims) or claim for claim in spec.claims]
    for claim in (claim for claim in meant if claim.from_ == "rows" and claim.choose is None):
        columns = _columns(claim)
        evidence = gather(spec, claim, source.rows, columns, "rows")
        found = [row[: len(row) - (claim.holds is not None)] for row in queried(evidence.sql, rows)]
        wanted = ["arm", "seed", "status", *(["point"] if claim.holds is not None else [])]
        parts = [evidence.rows, *([] if evidence.floor is None else [evidence.floor])]
        shown = [row for part in parts for row in part.select(list(dict.fromkeys([*wanted, *columns]))).rows()]
        yield claim.id, alike(found, shown)


def alike(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> bool:
    def order(row: tuple[Any, ...]) -> list[str]:
        return [f"{value:.6g}" if isinstance(value, (int, float)) else str(value) for value in row]

    return len(left) == len(right) and all(
        same(a, b)
        for one, two in zip(sorted(left, key=order), sorted(right, key=order), strict=True)
        for a, b in zip(one, two, strict=False)
    )


def same(left: Any, right: Any) -> bool:
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right, rel_tol=1e-9) or (math.isnan(left) and math.isnan(right))
    return bool(left == right)


def drawn(spec: Spec) -> pl.DataFrame:
    """Rows of the sweep's smoke plan with results drawn at random; without points where a search makes them."""
    workload = load(spec.workload)
    plan, random = expand(spec, workload), np.random.default_rng(0)
    empty = pl.from_arrow(row_schema(workload).empty_table())
    assert isinstance(empty, pl.DataFrame)
    points = [(label, at) for label, ats in plan.arms for at in ats]
    given = {name: [values[at] for _, at in points] for name, values in plan.params.items()}
    given |= {"point": [plan.ids[at] for _, at in points], "seed": [plan.seeds[at] for _, at in points]}
    given |= {"status": ["ok"] * len(points), "final": [True] * len(points), "step": [0] * len(points)}
    for field in workload.results:
        kind = empty[field.name].dtype
        values = random.uniform(0.1, 9, len(points))
        given[field.name] = [f"r{v:.0f}" for v in values] if kind == pl.String else pl.Series(values).cast(kind, strict=False)
    rows = pl.DataFrame({name: pl.Series(values, dtype=empty.schema[name], strict=False) for name, values in given.items()})
    return rows.with_columns(arm=pl.Series([label for label, _ in points], dtype=pl.String), sweep=pl.lit(spec.name))


@pytest.mark.parametrize("name", specs.shipped())
def test_the_sql_of_shipped_claims_gives_the_rows_they_are_judged_on(name: str) -> None:
    spec = specs.read(name, "smoke") if "smoke" in specs.read(name).sizes else specs.read(name)
    assert [claim for claim, right in compare(spec, drawn(spec)) if not right] == []


@pytest.mark.parametrize("formula", DERIVED)
@pytest.mark.parametrize("where", ["u > 1 or u is null", "arm <> 'u' and (u = u or /* u */ u is null)"])
def test_the_sql_of_every_form_gives_the_values_judged(formula: str, where: str) -> None:
    spec = spec_of({**CLAIM, "where": where}, derive={"u": formula, "v": "u + 1"})
    rows = rows_of(lambda d: d, range(1, 7)).with_columns(final=True)
    assert [right for _, right in compare(spec, rows)] == [True]


def test_a_name_that_arms_define_differently_is_written_by_arm() -> None:
    arms = {"a": {"derive": {"u": "2*d"}}, "b": {"derive": {"u": "3*d"}}, "c": {}}
    spec = spec_of({**CLAIM, "fit": {"law": "linear", "x": "d", "y": "y"}}, arms=arms)
    text = select(spec, spec.claims[0], ["u"])
    assert "CASE WHEN arm = 'a' THEN" in text and names(spec).term("u").startswith(
        "list_transform([0], lambda _t: TRY(CASE WHEN arm = 'a' THEN"
    )


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("u > 1 and 'u' = u", "<u> > 1 and 'u' = <u>"),
        ("uu = 1 -- u", "uu = 1 -- u"),
        ('"u" = 1 or U = /* u */ 2', "<u> = 1 or <u> = /* u */ 2"),
        ("t.u = 1 and u(1) = 2", "t.u = 1 and u(1) = 2"),
        ("'é it''s u' = s and u in (1, u)", "'é it''s u' = s and <u> in (1, <u>)"),
        ("list_filter([u], lambda u: u > 1)[1] = u", "list_filter([<u>], lambda u: u > 1)[1] = <u>"),
    ],
)
def test_a_name_is_replaced_where_it_is_a_column(condition: str, found: str) -> None:
    assert conditions.replaced(condition, ["u"], lambda name: f"<{name}>") == found
