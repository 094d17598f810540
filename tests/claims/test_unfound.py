"""What a search did not find is judged as what it is: beyond an edge, absent, failed; and what `where` leaves out is told."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import polars as pl
import pytest

from orchestrator.claims import Verdict, judging
from orchestrator.claims.sources import boundary
from orchestrator.spec import Spec
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of

STATUSES = ("absent", "failed", "open", "unresolved")


def sweep(claim: dict[str, Any], **more: Any) -> Spec:
    search = {"boundary": {"along": "beta", "of": "y", "level": 0, "between": {"geom": [0.1, 2]}}}
    axes = {"axes": {"d": [1, 2, 3]}, "derive": {"u": "ln(beta)", "v": "1/(beta*d)"}, "search": search}
    return spec_of({"id": "c", "from": "boundary", **claim}, seeds=1, **{**axes, **more})


def table(*found: tuple[float | None, float | None, float | None, str]) -> pl.DataFrame:
    """Boundaries, one a d: position, lower and upper end, status."""
    about = {"arm": "all", "along": "beta", "of": "y", "level": 0.0, "evaluations": 24}
    kinds = {name: pl.Float64 for name in ("beta", "beta_lower", "beta_upper", "u", "v")}
    rows = [
        {**about, "curve": f"d = {d}", "d": d, "beta": at, "beta_lower": low, "beta_upper": high, "status": status}
        | {"u": None if at is None else math.log(at), "v": None if at is None else 1 / (at * d)}
        for d, (at, low, high, status) in enumerate(found, 1)
    ]
    return pl.DataFrame(rows, schema_overrides=kinds)


ABOVE, BELOW, FOUND = (None, 2.0, None, "above"), (None, None, 0.5, "below"), (1.0, 0.99, 1.01, "found")


def verdict(claim: dict[str, Any], rows: pl.DataFrame) -> Verdict:
    spec = sweep(claim)
    return judging.judge_all(spec, {"boundary": boundary(spec, rows, FIELDS)})[0]


def test_two_of_three_boundaries_beyond_the_search_break_where_they_should_lie() -> None:
    found = verdict({"holds": "beta between 0.9 and 1.1"}, table(FOUND, ABOVE, ABOVE))
    assert found.verdict == "refuted" and found.numbers["broken"] == 2 and "status = above" in found.sentence


@pytest.mark.parametrize(
    ("condition", "above", "below"),
    [
        ("beta between 0.9 and 1.1", "refuted", "refuted"),
        ("beta >= 0.9", "supported", "refuted"),
        ("beta > 2", "supported", "refuted"),
        ("beta <= 1.1", "refuted", "supported"),
        ("beta <= 5", "undecided", "supported"),
        ("beta > 0.2", "supported", "undecided"),
        ("beta > 0", "supported", "supported"),
        ("not (beta > 1.1)", "refuted", "supported"),
        ("abs(u) <= 0.1", "refuted", "refuted"),
        ("u >= 0", "supported", "refuted"),
        ("v * d <= 1", "supported", "refuted"),
        ("beta <= 1 or evaluations = 24", "supported", "supported"),
        ("evaluations <= 40", "supported", "supported"),
        ("beta is null", "undecided", "undecided"),
        ("u is null", "undecided", "undecided"),
        ("beta is not null", "refuted", "refuted"),
        ("beta is null and status = 'above'", "supported", "refuted"),
        ("status = 'above'", "supported", "refuted"),
    ],
)
def test_a_boundary_beyond_the_search_counts_with_its_open_edge(condition: str, above: str, below: str) -> None:
    assert verdict({"holds": condition}, table(ABOVE)).verdict == above
    assert verdict({"holds": condition}, table(BELOW)).verdict == below


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("condition", ["beta is null", "beta between 0.9 and 1.1", "beta >= 0", "u is null", "not (beta > 2)"])
def test_a_search_that_ended_without_a_place_supports_nothing(status: str, condition: str) -> None:
    alone = verdict({"holds": condition}, table((None, None, None, status)))
    assert alone.verdict == "undecided" and any(f"1 {status}" in reason for reason in alone.reasons)
    assert verdict({"holds": condition}, table(FOUND, (None, None, None, status))).verdict != "supported"


def test_that_nothing_is_found_is_said_by_its_status() -> None:
    rows = table(ABOVE, (None, None, None, "absent"))
    assert verdict({"holds": "status in ('above', 'absent')"}, rows).verdict == "supported"
    assert verdict({"holds": "beta is null and status = 'above'"}, rows).verdict == "refuted"


@pytest.mark.parametrize("condition", ["beta between 0.9 and 1.1", "beta <= 5", "u >= 0", "beta is null", "beta is not null"])
def test_the_printed_sql_says_so_too(condition: str) -> None:
    rows = table(FOUND, ABOVE, BELOW, (None, None, None, "failed"))
    found = verdict({"holds": condition}, rows)
    with duckdb.connect() as connection:
        connection.register("rows", rows.to_arrow())
        text = found.sql.replace("boundaries.toy_sweep", "rows")
        said = [row[-1] for row in connection.execute(text).fetchall()]
    assert said.count(False) == found.numbers["broken"] and said.count(None) == found.numbers["unfound"]


@pytest.mark.parametrize("where", ["beta is not null", "status = 'found'", "u > -9", "d < 9 and beta is not null"])
def test_what_where_leaves_out_for_want_of_a_place_is_told(where: str) -> None:
    claim = {"where": where, "holds": "beta <= 1.1"}
    found = verdict(claim, table(FOUND, ABOVE, (None, None, None, "failed")))
    assert found.verdict == "supported" and "leaves out 2 boundaries without a result (1 above, 1 failed)" in " ".join(
        found.reasons
    )
    fit = {"where": where, "fit": {"law": "power", "x": "d", "y": "beta"}, "expect": {"exponent": {"at_most": 1}}}
    assert "leaves out 1 boundary without a result (1 above)" in " ".join(verdict(fit, table(*[FOUND] * 5, ABOVE)).reasons)


def test_what_where_leaves_out_for_another_reason_is_not() -> None:
    rows = table(FOUND, ABOVE)
    assert verdict({"where": "d < 2 and beta is not null", "holds": "beta <= 1.1"}, rows).reasons == ()
    assert verdict({"where": "d < 2", "holds": "beta <= 1.1"}, rows).reasons == ()


@pytest.mark.parametrize("where", ["y is not null", "status = 'ok'", "y > 0"])
def test_failed_points_that_where_leaves_out_are_told(where: str) -> None:
    lost = pl.col("d") == 3
    rows = rows_of(lambda d: d, range(2, 7), seeds=2).with_columns(
        status=pl.when(lost).then(pl.lit("error")).otherwise(pl.lit("ok")),
        y=pl.when(~lost).then(pl.col("y")),
        top=pl.when(~lost).then(pl.col("top")),
    )
    found = judged({"where": where, "holds": "y <= top"}, rows)
    assert "leaves out 2 points without a result (2 error)" in " ".join(found.reasons)
    assert judged({"where": f"d > 3 and {where}", "holds": "y <= top"}, rows).reasons == ()
