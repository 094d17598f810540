"""Compares seeds until an interval is narrow with a fixed number: `python -m benchmarks.replication` prints and draws it.

The sweep is stated: normal values of mean 1 whose standard deviation runs from 0.05 to 1.2 over nine points by equal
factors. Fixed replication gives every point the seeds that the worst one needs for the same width at the same confidence.
Beside it stands the shipped sweep of private errors against epsilon, whose run says what one number for all would take.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drawing
from orchestrator.fitting import intervals
from orchestrator.fitting.aggregates import combine
from orchestrator.search.proposers import replicate
from orchestrator.search.proposers.replicate import ReplicateTask

FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "replication.svg"
DEVIATIONS = tuple(float(s) for s in np.geomspace(0.05, 1.2, 9))
TASK = ReplicateTask(metric="y", rel_halfwidth=0.1, min=8, max=2048)
SWEEPS = 20


@dataclass(frozen=True)
class Spent:
    """What one point took, and what came of it; `plain` is what claims take: the values combined."""

    seeds: int
    plain: float
    estimate: float
    low: float
    high: float


def sequential(task: ReplicateTask, drawn: Sequence[float]) -> Spent:
    """A point that is given values of a stream until its task has enough."""
    used = 0
    while count := replicate.more(task, drawn[:used]):
        used += count
    low, estimate, high = replicate.interval(task, drawn[:used])
    plain = float(combine(np.array(drawn[:used]), task.aggregate))
    return Spent(used, plain, estimate, low, high)


def fixed(deviation: float, task: ReplicateTask = TASK) -> int:
    """The least seeds with which a t interval of the expected width is narrow enough, for mean 1."""
    return next(n for n in range(2, 10**6) if intervals.quantile(task.confidence, n) * deviation / n**0.5 <= task.rel_halfwidth)


def sweep(seed: int, task: ReplicateTask = TASK, deviations: Sequence[float] = DEVIATIONS) -> list[Spent]:
    """Every point of the stated sweep, once."""
    generator = np.random.default_rng(seed)
    return [sequential(task, (1 + s * generator.standard_normal(task.max)).tolist()) for s in deviations]


def ratio(sweeps: Sequence[Sequence[Spent]], task: ReplicateTask = TASK, deviations: Sequence[float] = DEVIATIONS) -> float:
    """How many times more seeds fixed replication takes."""
    worst = max(fixed(s, task) for s in deviations)
    spent = float(np.mean([sum(point.seeds for point in points) for points in sweeps]))
    return worst * len(deviations) / spent


def shipped(folder: Path, epsilons: Sequence[float] | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the smoke size of `dp_kde_error` spends, as its run says it, and the seeds and the spread of each assignment."""
    import polars as pl

    import orchestrator
    from orchestrator.driver.measure import Where, run
    from orchestrator.spec import parse, read

    found = read("dp_kde_error", size="smoke")
    told = {**found.resolved(), "claims": [], "figures": []} | ({"axes": {"eps": list(epsilons)}} if epsilons else {})
    note = run(parse(json.dumps(told), found.name), folder, Where(executor="inline", progress="quiet")).note
    rows = orchestrator.open(folder).sweep(found.name).filter("final").group_by("arm", "eps")
    spread = (pl.col("rmse").std() / pl.col("rmse").mean()).alias("deviation")
    return note, rows.agg(spread, pl.len().alias("seeds")).sort("deviation").collect().to_dicts()


def main() -> None:
    """Print what each way spends, and draw it."""
    sweeps = [sweep(seed) for seed in range(SWEEPS)]
    worst = max(map(fixed, DEVIATIONS))
    rows = []
    for k, deviation in enumerate(DEVIATIONS):
        mean = float(np.mean([points[k].seeds for points in sweeps]))
        print(f"deviation {deviation:6.3f}: {mean:7.1f} seeds, fixed {worst}, were it known {max(fixed(deviation), 2)}")
        ways = {"until the interval is narrow": mean, "fixed, for the worst": worst, "fixed, were it known": fixed(deviation)}
        rows += [{"way": way, "deviation": deviation, "seeds": seeds} for way, seeds in ways.items()]
    covered = float(np.mean([point.low <= 1 <= point.high for points in sweeps for point in points]))
    print(f"fixed takes {ratio(sweeps):.2f} times as many; {covered:.1%} of {SWEEPS * len(DEVIATIONS)} intervals cover")
    alike = [0.4] * 9
    times = ratio([sweep(seed, deviations=alike) for seed in range(4)], deviations=alike)
    print(f"with one deviation everywhere it takes {times:.2f} times as many")
    with tempfile.TemporaryDirectory() as folder:
        note, spent = shipped(Path(folder))
    print(f"dp_kde_error: {note['seeds']} seeds, fixed {note['fixed']}: {note['fixed_ratio']} times as many")
    print(
        f"{note['too_wide']} of its {note['assignments']} assignments are too wide at the most: their data or rare noise differ"
    )
    title = "Seeds over the standard deviation of a point (mean 1)"
    panel = drawing.lines(rows, x="deviation", y="seeds", title=title)
    drawing.save([panel, _panel(note, spent)], FIGURE)


def _panel(note: dict[str, Any], spent: Sequence[dict[str, Any]]) -> Any:
    """Seeds of each arm of `dp_kde_error`, mean over its assignments, beside one number for all."""
    all_alike = note["fixed"] / note["assignments"]
    ways = [("until the interval is narrow", lambda row: row["seeds"]), ("fixed, for the worst", lambda _: all_alike)]
    arms = [[row for row in spent if row["arm"] == arm] for arm in dict.fromkeys(row["arm"] for row in spent)]
    means = [{name: float(np.mean([row[name] for row in rows])) for name in ("deviation", "seeds")} for rows in arms]
    rows = [{"way": way, "deviation": row["deviation"], "seeds": of(row)} for way, of in ways for row in means]
    return drawing.lines(rows, x="deviation", y="seeds", title=f"dp_kde_error: {note['fixed_ratio']} times fewer")


if __name__ == "__main__":
    main()
