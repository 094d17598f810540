"""Claims of every example of the grammar are judged, on rows made up for them."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import judging, verdict
from orchestrator.claims.sources import Source, boundary, own
from orchestrator.claims.verdict import WORDS
from orchestrator.results.described import Described
from orchestrator.spec import Spec, read
from orchestrator.spec.columns_used import columns_used
from tests.helpers.judging import FIELDS, rows_of, spec_of

EXAMPLES = sorted((Path(__file__).parents[1] / "golden" / "specs").glob("*.yaml"))
JUDGED = [path for path in EXAMPLES if read(path).claims]


def rows_for(spec: Spec, seeds: int) -> pl.DataFrame:
    """A row for each assignment and seed of a sweep; what it does not set is drawn."""
    rng, rows = np.random.default_rng(0), []
    for grid in spec.grids():
        for parts in itertools.product(*(list(group.rows) for group in grid.axes)):
            row = {
                name: value
                for group, part in zip(grid.axes, parts, strict=True)
                for name, value in zip(group.names, part, strict=True)
            }
            for place in np.linspace(0.5, 2, 6) if grid.searched else [None]:
                values = grid.assign({**row, **({} if place is None else dict.fromkeys(grid.searched, float(place)))})
                rows += [{"arm": grid.arm, "seed": seed, **values} for seed in range(seeds)]
    table = pl.DataFrame(rows, infer_schema_length=None)
    free = {name for _, name in columns_used(spec)} | {"optimisation_gap", "bound", "capacity_upper"}
    drawn = {name: pl.Series(rng.lognormal(size=len(table))) for name in free - set(table.columns)}
    blank = {"final": True, "status": "ok", "error": None, "step": 0}
    return table.with_columns(**drawn, **{k: pl.lit(v) for k, v in blank.items()}, point=pl.lit("p"))


def sources(spec: Spec) -> dict[str, Source]:
    rows = rows_for(spec, 30)
    names = {n for grid in spec.grids() for n in (*grid.fixed, *(m for g in grid.axes for m in g.names))}
    known = {"rows": own(spec, rows, {n: Described(name=n, role="param") for n in names})}
    if spec.search is not None and spec.search.boundary is not None:
        along = spec.search.boundary.along
        fixed = rows.filter(pl.col("seed") == 0).unique(
            [c for c in rows.columns if c not in (along, "e", "log_error_ratio", "point")]
        )
        ends = {f"{along}_lower": pl.col(along) * 0.999, f"{along}_upper": pl.col(along) * 1.001, "evaluations": pl.lit(9)}
        known["boundary"] = boundary(spec, fixed.drop("seed", "step", "final").with_columns(**ends), {})
    return known


@pytest.mark.parametrize("path", JUDGED, ids=[path.stem for path in JUDGED])
def test_claims_of_an_example_are_judged(path: Path) -> None:
    spec = read(path)
    found = judging.judge_all(spec, sources(spec))
    assert [v.id for v in found] == [claim.id for claim in spec.claims] and {v.verdict for v in found} <= set(WORDS)
    assert all(v.sentence.endswith(".") and v.sql.startswith("SELECT ") and v.expected for v in found)


def test_the_ndlinear_example_asks_for_an_effect_and_its_interaction() -> None:
    spec = read(EXAMPLES[0].with_name("ndlinear_arms.yaml"))
    (found,) = judging.judge_all(spec, sources(spec))
    assert set(found.numbers) == {"difference", "interaction"} or "n_params must match" in found.sentence


def test_every_kind_survives_json() -> None:
    for path in JUDGED:
        for found in judging.judge_all(read(path), sources(read(path))):
            assert verdict.restore(found.record()).record() == found.record()


KINDS: dict[str, dict[str, Any]] = {
    "fit": {"fit": {"law": "power", "x": "d", "y": "y", "by": ["beta"]}, "expect": {"decay": {"at_least": 0.3}}},
    "prefer": {"prefer": {"law": "power", "over": ["exponential"], "x": "d", "y": "y", "by": ["beta"]}},
    "compare": {"compare": {"y": "y", "arms": "a - b", "pair": ["seed", "d"]}},
    "trend": {"trend": {"of": "y", "along": "d", "is": "decreasing"}},
    "collapse": {"collapse": {"x": "d", "y": "y", "curves": "beta"}},
    "holds": {"holds": "y < top", "unmet_if": "top < y"},
    "mean": {"mean": {"y": "y", "by": ["d"]}, "expect": {"mean": {"at_least": 0.2}}},
    "contrast": {"contrast": {"y": "y", "of": {"d": 4}, "over": {"d": 8}}, "expect": {"ratio": {"at_least": 1.4}}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_thousand_rows_are_judged_in_a_second(kind: str) -> None:
    one = rows_of(lambda d: d**-0.5, range(2, 22), seeds=1).drop("seed", "y")
    rows = one.join(pl.DataFrame({"seed": range(500)}), how="cross")
    rows = pl.concat([rows.with_columns(beta=pl.lit(float(b)), arm=pl.lit("ab"[b % 2])) for b in range(10)])
    noise = np.exp(0.05 * np.random.default_rng(0).normal(size=len(rows)))
    rows = rows.with_columns(y=pl.col("d") ** -0.5 * noise)
    spec = spec_of({"id": "c", **KINDS[kind]}, arms={"a": {}, "b": {}}, axes={"d": [2, 3]})
    judging.judge_rows(spec, rows.filter(pl.col("seed") < 8), FIELDS)
    began = time.process_time()
    judging.judge_rows(spec, rows, FIELDS)
    assert len(rows) == 100_000 and time.process_time() - began < 1
