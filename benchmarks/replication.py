"""Compares seeds until an interval is narrow with a fixed number: `python -m benchmarks.replication` prints and draws it.

The sweep is stated: normal values of mean 1 whose standard deviation runs from 0.05 to 1.2 over nine points by equal
factors. Fixed replication gives every point the seeds that the worst one needs for the same width at the same confidence.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import drawing
from orchestrator import intervals
from orchestrator.proposers import replicate
from orchestrator.proposers.replicate import ReplicateTask

FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "replication.svg"
DEVIATIONS = tuple(float(s) for s in np.geomspace(0.05, 1.2, 9))
TASK = ReplicateTask(metric="y", rel_halfwidth=0.1, min=8, max=2048)
SWEEPS = 20
# On rows of the shipped sweep: an RMSE of 1,024 releases is known to 2 % after one seed.
SHIPPED = ReplicateTask(metric="rmse", rel_halfwidth=0.01, min=6, max=40, aggregate="rms")
EPSILONS = (0.1, 1.0, 10.0)


@dataclass(frozen=True)
class Spent:
    """What one point took, and what came of it."""

    seeds: int
    estimate: float
    low: float
    high: float


def sequential(task: ReplicateTask, drawn: Sequence[float]) -> Spent:
    """A point that is given values of a stream until its task has enough."""
    used = 0
    while count := replicate.more(task, drawn[:used]):
        used += count
    low, estimate, high = replicate.interval(task, drawn[:used])
    return Spent(used, estimate, low, high)


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


def measured(folder: Path, task: ReplicateTask = SHIPPED, epsilons: Sequence[float] = EPSILONS) -> dict[str, list[float]]:
    """The metric of every seed up to the task's most, for each assignment of `dp_kde_error` at some epsilons."""
    import orchestrator
    from orchestrator.measure import Where, run
    from orchestrator.spec import parse, read

    found = read("dp_kde_error", size="smoke")
    told = {**found.resolved(), "seeds": task.max, "axes": {"eps": list(epsilons)}, "claims": [], "figures": []}
    run(parse(json.dumps(told), found.name), folder, Where(inline=True, progress="quiet"))
    rows = orchestrator.open(folder).sweep(found.name).select("arm", "eps", "seed", task.metric).sort("seed").collect()
    parts = rows.group_by("arm", "eps", maintain_order=True)
    return {f"{arm} at eps {eps:g}": part[task.metric].to_list() for (arm, eps), part in parts}


def needed(values: Sequence[float], task: ReplicateTask) -> int:
    """The least seeds with which the plain interval of these values is narrow enough; the most there are if none is."""
    for n in range(2, len(values) + 1):
        found = intervals.interval(np.array(values[:n]), task.aggregate, task.confidence)
        if (found.high - found.low) / 2 <= task.rel_halfwidth * abs(found.estimate):
            return n
    return len(values)


def shipped_ratio(values: dict[str, list[float]], task: ReplicateTask = SHIPPED) -> tuple[float, int, int]:
    """How many times more seeds fixed replication takes on these assignments, and both totals."""
    worst = max(needed(each, task) for each in values.values())
    spent = sum(sequential(task, each).seeds for each in values.values())
    return worst * len(values) / spent, worst * len(values), spent


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
        times, all_fixed, spent = shipped_ratio(measured(Path(folder)))
    print(f"dp_kde_error to {SHIPPED.rel_halfwidth:.0%}: {spent} seeds, fixed {all_fixed}: {times:.2f} times as many")
    panel = drawing.lines(rows, x="deviation", y="seeds", title="Seeds over the standard deviation of a point (mean 1)")
    drawing.save([panel], FIGURE)


if __name__ == "__main__":
    main()
