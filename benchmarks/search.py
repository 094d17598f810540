"""Compares searches with grids on shipped measurements: `python -m benchmarks.search` prints a table and draws a figure.

A boundary: the bound B of entries at which polynomial attention begins to fail, for nine lengths (`lora.boundary`).
Level sets: the same failure in the plane of bound and error allowed, and the corner that two norms make together, in closed
form. All ways see the same measure; grid and random points get the search's own Gaussian process to read the curve off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drawing
from orchestrator.search.proposal import Seen
from orchestrator.search.proposers import boundary, level_set
from orchestrator.search.proposers.line import Span
from orchestrator.workload.context import Context
from workloads.lora import boundary as lora

FIGURE = Path(__file__).parent.parent / "docs" / "figures" / "search.svg"
LENGTHS = tuple(2**k for k in range(6, 15))
TOLERANCE = 0.002
NUMBERS = (16, 36, 64)
DRAWS = 4
SIDE = 40

Over = Mapping[str, tuple[float, float, str]]
Assignments = Sequence[Mapping[str, Any]]
Measure = Callable[[float], float]
Plane = Callable[[Assignments], list[float]]


def failure(length: int) -> Measure:
    """log10(error / eps) of polynomial attention at a bound, for sequences of that length: `lora.boundary`."""

    def at(b: float) -> float:
        params = lora.Params(seq_len=length, dim=math.ceil(math.log2(length)), b=b, rows=16)
        (columns,) = lora.run_pack([params], [Context(0)])
        return float(columns["log_error_ratio"][0])

    return at


def interval(length: int) -> tuple[float, float]:
    """Where the shipped sweep searches: 0.1 to 1 times sqrt(ln L)."""
    u = math.sqrt(math.log(length))
    return 0.1 * u, u


def searched(measure: Measure, low: float, high: float, size: int = 8, tolerance: float = TOLERANCE) -> list[tuple[int, float]]:
    """(evaluations, position) after each round of a boundary search, on a geom scale."""
    task = boundary.BoundarySearch(
        along="b", of="y", level=0.0, low=low, high=high, scale="geom", tolerance=tolerance, round=size
    )
    rounds: list[list[Seen]] = []
    found = []
    while proposal := task.propose(rounds):
        rounds.append([Seen(values=v, results={"y": (measure(float(v["b"])),)}) for v in proposal])
        now = task.conclude(rounds)
        if now.position is not None:
            found.append((now.evaluations, now.position))
    return found


def scanned(measure: Measure, low: float, high: float, passes: Sequence[int]) -> tuple[int, float]:
    """(evaluations, position) of a grid of that many points, and of finer ones inside the cell that the last one left."""
    used = 0
    for count in passes:
        ends = np.geomspace(low, high, count + (2 if used else 0))
        inner = ends[1:-1] if used else ends
        below = sum(measure(float(b)) < 0 for b in inner) + (1 if used else 0)
        used += count
        low, high = float(ends[below - 1]), float(ends[below])
    return used, math.sqrt(low * high)


def resolution(low: float, high: float) -> int:
    """Cells of a grid as fine as the tolerance."""
    return math.ceil(math.log(high / low) / math.log1p(TOLERANCE))


def evaluations(length: int) -> dict[str, int]:
    """How many evaluations each way needs to place the boundary within the tolerance."""
    low, high = interval(length)
    cells = resolution(low, high)
    return {
        "boundary, rounds of 8": searched(failure(length), low, high)[-1][0],
        "boundary, bisection": searched(failure(length), low, high, size=1)[-1][0],
        "coarse to fine, 3 passes": _least(cells, 3),
        "coarse to fine, 2 passes": _least(cells, 2),
        "grid": cells + 1,
    }


def _least(cells: int, passes: int) -> int:
    """Points of equal passes whose cells multiply to as many, the first with both ends."""
    each = next(n for n in range(2, cells + 2) if (n - 1) * (n + 1) ** (passes - 1) >= cells)
    return passes * each


def lora_plane(at: Assignments) -> list[float]:
    """log10(error / eps) at 1,024 tokens, in the plane of bound and error allowed."""
    params = [lora.Params(seq_len=1024, dim=10, b=values["b"], eps=values["eps"], rows=16) for values in at]
    (columns,) = lora.run_pack(params, [Context(0)] * len(params))
    return [float(y) for y in columns["log_error_ratio"]]


def corner(at: Assignments) -> list[float]:
    """log10 of the error of degree 4 over 0.01 where the larger of two norms decides: an L-shaped curve."""
    return [math.log10(max(values.values()) ** 10 / math.factorial(5) / 0.01) for values in at]


def staircase(at: Assignments) -> list[float]:
    """log10(error / eps) in the plane of bound and length: the degree is whole, so the curve has steps."""
    lengths = [round(values["seq_len"]) for values in at]
    params = [
        lora.Params(seq_len=length, dim=math.ceil(math.log2(length)), b=values["b"], rows=16)
        for length, values in zip(lengths, at, strict=True)
    ]
    found = [0.0] * len(params)
    for columns in lora.run_pack(params, [Context(0)] * len(params)):
        for index, y in zip(columns["index"], columns["log_error_ratio"], strict=True):
            found[index] = float(y)
    return found


REGIONS: dict[str, tuple[Plane, Over]] = {
    "bound and error allowed (lora.boundary)": (
        lora_plane,
        {"b": (0.2, 3.0, "geom"), "eps": (1e-5, 0.3, "geom")},
    ),
    "two norms (closed form)": (corner, {"b": (0.1, 2.2, "lin"), "prompt": (0.1, 2.2, "lin")}),
}

# What a Gaussian process is not made for; one boundary for each length is.
STEPS: dict[str, tuple[Plane, Over]] = {
    "bound and length (lora.boundary), which has steps": (staircase, {"b": (0.3, 1.5, "geom"), "seq_len": (64, 16384, "geom")})
}


def straddled(plane: Plane, over: Over, points: int) -> list[list[Seen]]:
    """The rounds of a level-set search that uses all its points, four at a time."""
    task = _task(over, points)
    rounds: list[list[Seen]] = []
    while proposal := task.propose(rounds):
        rounds.append(seen(plane, proposal))
    return rounds


def _task(over: Over, points: int = max(NUMBERS)) -> level_set.LevelSetSearch:
    spans = {name: Span(low=low, high=high, scale=scale) for name, (low, high, scale) in over.items()}
    return level_set.LevelSetSearch(over=spans, of="y", level=0.0, round=4, points=points, tolerance=-1.0)


def wrong_shares(plane: Plane, over: Over, numbers: Sequence[int] = NUMBERS, draws: int = DRAWS) -> list[dict[str, Any]]:
    """The share of the region on the wrong side, for each way and number of points; random points are a mean of draws."""
    at = gridded(over, SIDE)
    sides = np.array(plane(at)) >= 0

    def wrong(rounds: list[list[Seen]]) -> float:
        return float(np.mean(np.array(level_set.classify(_task(over), rounds, at)) != sides))

    rounds = straddled(plane, over, max(numbers))
    found = []
    for count in numbers:
        chance = [wrong([seen(plane, drawn(over, count, seed))]) for seed in range(draws)]
        ways = {
            "level_set": wrong(rounds[: count // 4]),
            "grid": wrong([seen(plane, gridded(over, math.isqrt(count)))]),
            "random": float(np.mean(chance)),
        }
        found += [{"way": way, "points": count, "wrong": share} for way, share in ways.items()]
    return found


def gridded(over: Over, side: int) -> list[dict[str, Any]]:
    """Assignments of a square grid."""
    axes = [np.geomspace(*ends[:2], side) if ends[2] == "geom" else np.linspace(*ends[:2], side) for ends in over.values()]
    return [
        dict(zip(over, map(float, place), strict=True)) for place in np.stack(np.meshgrid(*axes), -1).reshape(-1, len(axes))
    ]


def drawn(over: Over, count: int, seed: int) -> list[dict[str, Any]]:
    """Assignments by chance, even on each scale."""
    places = np.random.default_rng(seed).random((count, len(over)))
    return [
        {
            name: float(low * (high / low) ** x if scale == "geom" else low + (high - low) * x)
            for (name, (low, high, scale)), x in zip(over.items(), place, strict=True)
        }
        for place in places
    ]


def seen(plane: Plane, assignments: Assignments) -> list[Seen]:
    """What these assignments measure."""
    return [Seen(values=dict(v), results={"y": (y,)}) for v, y in zip(assignments, plane(assignments), strict=True)]


def errors() -> list[dict[str, Any]]:
    """How far each way is from the boundary, as a share of it, by evaluations: means over the lengths."""
    found: list[dict[str, Any]] = []
    for length in LENGTHS:
        low, high = interval(length)
        measure = failure(length)
        right = searched(measure, low, high, tolerance=1e-9)[-1][1]
        ways = {
            "boundary, rounds of 8": searched(measure, low, high),
            "boundary, bisection": searched(measure, low, high, size=1),
            "coarse to fine, 2 passes": [scanned(measure, low, high, (n, n)) for n in (4, 8, 16, 35)],
            "grid": [scanned(measure, low, high, (n,)) for n in (8, 32, 128, 512, resolution(low, high) + 1)],
        }
        found += [
            {"way": way, "step": step, "evaluations": used, "error": abs(place / right - 1)}
            for way, places in ways.items()
            for step, (used, place) in enumerate(places)
        ]
    return _means(found)


def _means(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over lengths for each way and step."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["way"], row["step"]), []).append(row)
    return [
        {"way": way, **{name: float(np.mean([row[name] for row in rows])) for name in ("evaluations", "error")}}
        for (way, _), rows in groups.items()
        if len(rows) == len(LENGTHS)
    ]


def main() -> None:
    """Print what each way needs, and draw it."""
    needed = [evaluations(length) for length in LENGTHS]
    print(f"evaluations to place a boundary within {TOLERANCE:.1%}, mean over {len(LENGTHS)} lengths")
    for way in needed[0]:
        print(f"  {way:28} {np.mean([row[way] for row in needed]):8.1f}")
    panels = [
        drawing.lines(
            errors(), x="evaluations", y="error", title="Boundary of lora.boundary, 9 lengths", says="mean relative error"
        )
    ]
    for name, (plane, over) in {**REGIONS, **STEPS}.items():
        shares = wrong_shares(plane, over)
        print(f"share of the region on the wrong side: {name}")
        for row in shares:
            print(f"  {row['way']:28} {row['points']:4} points {row['wrong']:8.2%}")
        if name in REGIONS:
            says = "share on the wrong side (lowest mark: 0)"
            panels.append(drawing.lines(shares, x="points", y="wrong", title=name[0].upper() + name[1:], says=says))
    drawing.save(panels, FIGURE)


if __name__ == "__main__":
    main()
