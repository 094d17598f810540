"""What a search towards several goals has found: fronts and volumes from its rows to claims, SQL, files and figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import lawsweep
from orchestrator.claims import judging
from orchestrator.claims.sources import boundaries, sources
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import SpecError
from orchestrator.figures.of_sweep import drawings
from orchestrator.report import export
from orchestrator.results import diff
from orchestrator.results.stored_sweep import StoredSweep, in_store
from orchestrator.search.proposal import Seen
from orchestrator.search.proposers.pareto_front import Goals
from orchestrator.spec import parse, read
from orchestrator.store import merge, open_store

SCHAFFER = '''"""Schaffer's two goals, of which one may fail for some seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    shift: Annotated[float, "where the second goal is least"] = 2.0
    x: Annotated[float, "the place"] = 0.0
    fails: Annotated[float, "places above this one fail for seed 1"] = 9.0


@dataclass(frozen=True)
class Result:
    near: Annotated[float, "distance from 0, squared", {"range": RANGE}]
    closeness: Annotated[float, "less the distance from the shift, squared", {"range": RANGE}]


def run(params, ctx):
    with Path(__file__).with_suffix(".log").open("a") as log:
        log.write(f"{params.shift} {params.x} {ctx.seed}\\n")
    if params.x > params.fails and ctx.seed == 1:
        raise RuntimeError("it fails here")
    sign = 1 if ctx.seed == 0 else -1
    yield 0, Result(near=params.x**2 + 0.25 * sign, closeness=-((params.x - params.shift) ** 2) + 0.25 * sign)
'''
SWEEP = """\
question: How wide is the front?
workload: ./schaffer.py
axes: {shift: [1, 1.25, 1.5, 1.75, 2]}
seeds: 2
search:
  optuna:
    {sampler: random, trials: 40, round: 20, minimize: near, maximize: closeness, over: {x: [0, 2]},
     reference: {near: 4, closeness: -4}}
claims:
  - {id: wide, says: the front dominates most, from: boundary, where: shift = 2, holds: hypervolume between 12.5 and 13.3334}
  - {id: by_shift, says: the nearer goals dominate more, from: boundary,
     trend: {of: hypervolume, along: shift, is: decreasing}}
  - {id: all_at, says: points of the front, from: boundary, holds: front_size <= evaluations and front_size > 3}
figures: [{kind: pareto, x: near, y: closeness, best: [low, high], color: shift}]
"""
GOALS = Goals(minimize=("a", "b"), reference={"a": 6.0, "b": 6.0})


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredSweep:
    return made(tmp_path, monkeypatch)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = SWEEP, of: str = "(None, 9)") -> StoredSweep:
    (folder / "schaffer.py").write_text(SCHAFFER.replace("RANGE", of))
    (folder / "wide.yaml").write_text(text)
    monkeypatch.chdir(folder)
    spec = read(folder / "wide.yaml")
    measure.run(spec, folder / "results", Where(executor="inline", progress="quiet"))
    return in_store(spec, open_store("results"))


def seen(*points: tuple[float | None, ...]) -> list[Seen]:
    return [Seen(values={"x": float(at)}, results={"a": (a,), "b": (b,)}) for at, (a, b) in enumerate(points)]


def test_a_front_is_that_of_the_points_with_its_volume() -> None:
    finding = GOALS.conclude(seen((4, 1), (1, 5), (3, 3), (2, 3), (5, 5), (2, 3), (9, 0)), done=True)
    assert (finding.status, finding.position, finding.lower, finding.upper) == ("found", 17, 17, 17)
    assert [point["x"] for point in finding.points] == [0, 1, 3, 5, 6] and finding.points[0] == {"x": 0, "a": 4, "b": 1}
    (place,) = GOALS.places(finding)
    ends = {"hypervolume": 17, "hypervolume_lower": 17, "hypervolume_upper": 17}
    assert place.columns == {**ends, "front_size": 5, "a_reference": 6, "b_reference": 6}


@pytest.mark.parametrize(
    ("ranges", "low", "high"), [({}, 17, math.inf), ({"a": (0, 9), "b": (0, 9)}, 17, 36), ({"a": (3, 9), "b": (2, 5)}, 17, 18)]
)
def test_a_failed_point_counts_as_worst_and_best_in_turn(ranges: dict[str, Any], low: float, high: float) -> None:
    goals = Goals(minimize=("a", "b"), reference={"a": 6.0, "b": 6.0}, ranges=ranges)
    finding = goals.conclude(seen((4, 1), (1, 5), (2, 3), (None, math.nan)), done=True)
    assert (finding.lower, finding.upper) == (low, high)
    assert finding.status == "incomplete" and finding.position == low and finding.evaluations == 4
    assert goals.conclude(seen((4, 1), (None, 1)), done=False).status == "open"


def test_seeds_are_averaged_before_the_front_and_one_that_failed_is_filled() -> None:
    goals = Goals(maximize=("a", "b"), reference={"a": 0.0, "b": 0.0}, ranges={"a": (0, 10), "b": (0, 10)})
    both = Seen(values={"x": 1}, results={"a": (1.0, 3.0), "b": (4.0, 2.0)})
    assert goals.conclude([both], done=True).position == 6
    half = goals.conclude([Seen(values={"x": 1}, results={"a": (4.0, None), "b": (4.0, None)})], done=True)
    assert (half.lower, half.upper, half.points) == (4, 49, ({"x": 1, "a": 2, "b": 2},))


def test_claims_rest_on_what_was_found(swept: StoredSweep) -> None:
    assert {v.id: v.verdict for v in judging.judge_all(swept.spec, sources(swept))} == {
        "wide": "supported",
        "by_shift": "supported",
        "all_at": "supported",
    }
    rows = swept.boundaries
    assert rows is not None and rows["status"].to_list() == ["found"] * 5 and "x" not in rows.columns
    assert rows["evaluations"].to_list() == [40] * 5 and rows["near_reference"].to_list() == [4] * 5


def test_sql_and_frames_have_fronts_and_volumes(swept: StoredSweep) -> None:
    opened = lawsweep.open("results")
    points = opened.fronts("wide")
    assert {"arm", "curve", "shift", "x", "near", "closeness"} <= {*points.columns}
    sizes = opened.sql("select curve, count(*) as front from fronts group by curve order by curve")
    assert sizes["front"].to_list() == opened.boundaries("wide").sort("curve")["front_size"].to_list()
    near = opened.sql("select x, near, shift from fronts.wide where shift = 1 order by x")
    assert near.select((pl.col("x") ** 2 - pl.col("near")).abs().max()).item() < 1e-12  # two seeds, their noise averaged out
    # what a volume says and the rows say is one thing: worked out again by strips
    front = opened.sql("select near, closeness from fronts.wide where shift = 2 order by near").rows()
    edges = [*(near for near, _ in front), 4.0]
    strips = sum((b - a) * (closeness + 4) for a, b, (_, closeness) in zip(edges, edges[1:], front, strict=False))
    volume = opened.boundaries("wide").filter(pl.col("shift") == 2)["hypervolume"].item()
    assert volume == pytest.approx(strips, rel=1e-12) and 12.5 < volume < 40 / 3


def test_a_search_begun_again_measures_nothing_twice_and_finds_the_same(
    swept: StoredSweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, found = tmp_path / "schaffer.log", swept.fronts
    lines = log.read_text().splitlines()
    assert len(lines) == len({*lines}) == 5 * 40 * 2
    (tmp_path / "results" / "fronts" / "wide" / "base.parquet").unlink()
    again = made(tmp_path, monkeypatch)
    assert log.read_text().splitlines() == lines and found is not None and again.fronts is not None
    assert again.fronts.equals(found)


def test_diff_export_merge_and_figure_know_the_front(swept: StoredSweep, tmp_path: Path) -> None:
    side = diff.side("wide", "results")
    moves = diff.diff(side, side).boundaries
    assert [(move["moved"], move["apart"]) for move in moves] == [(0, False)] * 5
    names = {path.name for path in export.write(swept, (), tmp_path / "paper")}
    assert {"fronts.csv", "fronts.parquet", "fronts.tex", "boundaries.csv"} <= names
    other = open_store(tmp_path / "other", create=True)
    merge.merge(other, open_store("results"))
    assert swept.fronts is not None and swept.fronts.equals(in_store(swept.spec, other).fronts)
    (drawing,) = drawings(swept)
    assert [record["x"] for record in drawing.data if record["shows"] == "reference"] == [4] * 5
    assert "fronts dominate up to there, shift=1" in drawing.caption


@pytest.mark.parametrize(
    ("of", "condition", "verdict"),
    [
        ("(None, 9)", "hypervolume >= 5", "supported"),
        ("(None, 9)", "hypervolume <= 14", "undecided"),
        ("(None, 9)", "hypervolume <= 2", "refuted"),
        ("(-5, 5)", "hypervolume < 90", "supported"),
        ("(-5, 5)", "hypervolume <= 14", "undecided"),
    ],
)
def test_a_claim_counts_failed_points_as_worst_and_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, condition: str, verdict: str
) -> None:
    text = SWEEP.partition("claims:")[0].replace("[1, 1.25, 1.5, 1.75, 2]", "[2]").replace("trials: 40", "trials: 20")
    claims = f"fixed: {{fails: 1.0}}\nclaims:\n  - {{id: c, says: s, from: boundary, holds: '{condition}'}}\n"
    claims += "  - {id: m, says: s, from: boundary, mean: {y: hypervolume}, expect: {mean: {at_least: 5}}}\n"
    sweep = made(tmp_path, monkeypatch, text + claims, of)
    held, mean = judging.judge_all(sweep.spec, {"boundary": boundaries(sweep)})
    assert held.verdict == verdict, held.sentence
    assert mean.verdict in ("supported", "undecided", "unmet") and "1 boundary is incomplete" in " ".join(mean.reasons)
    assert sweep.boundaries is not None and sweep.boundaries["status"].to_list() == ["incomplete"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("minimize: [near, far]", "from: .* several goals with their 'reference', but the sweep searches by optuna"),
        ("minimize: [near, far], reference: {near: 4}", "reference: a reference must have a number for each goal, but 'far'"),
        (
            "minimize: [near, far], reference: {near: 4, fat: 1}",
            r"reference\.fat: .* of near, far, but got 'fat'; did you mean 'far'",
        ),
        ("minimize: [near, far], reference: {near: 4, far: x}", r"reference\.far: .* must be a number"),
        ("minimize: near, reference: {near: 4}", "two or three goals, but there are 1"),
        ("minimize: [a, b, c, d], reference: {a: 1, b: 1, c: 1, d: 1}", "two or three goals, but there are 4"),
        ("minimize: [near], maximize: [near]", "goals must differ, but got near, near"),
    ],
)
def test_wrong_references_are_told(said: str, told: str) -> None:
    claim = "claims: [{id: c, says: s, from: boundary, holds: hypervolume > 1}]"
    with pytest.raises(SpecError, match=told):
        parse(f"question: q\nworkload: w\nsearch: {{optuna: {{trials: 3, {said}, over: {{x: [0, 1]}}}}}}\n{claim}\n", "demo")
