"""Compares results on a GPU with those on the CPU: `python -m benchmarks.devices [WORKLOAD…]` prints one line a workload.

The same points as the contract tests, all in one pack. Where a workload draws on the CPU whatever the device, only rounding,
the order of sums and what torch's GPU kernels do otherwise can tell the two apart. Trainings draw where they run: those rows
are another sample of the same distribution, and differ as two seeds do.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.check import contract
from orchestrator.check.contract import Rows
from orchestrator.workload import describe
from orchestrator.workload.describe import Workload

SMALL = 1e-9
"""Size below which a difference is looked at as it is, and not relative: what only rounding makes differs by all of itself."""


def compared(name: str, devices: Sequence[str] = ("cpu", "cuda")) -> str:
    """The line of a workload: points, seconds on each device, points whose status differs, and the largest difference."""
    one = describe.load(name, Path.cwd())
    points = contract.choose(one, ())
    measured, seconds = [], []
    for device in devices:
        begun = time.perf_counter()
        measured.append(contract.measure(one, points, Path.cwd(), device))
        seconds.append(time.perf_counter() - begun)
    left, right = ([row for rows in found for row in rows] for found in measured)
    others = sum(a["status"] != b["status"] for a, b in zip(left, right, strict=True))
    worst = max(differences(one, left, right), default=(0.0, "", None, None), key=lambda found: found[0])
    took = " ".join(f"{device} {spent:.2f} s" for device, spent in zip(devices, seconds, strict=True))
    told = f"{worst[0]:.1e} in {worst[1]} ({worst[2]!r}, {worst[3]!r})" if worst[0] else "none"
    return f"{name:24} {len(points):3} points  {took}  status differs {others}  largest difference {told}"


def differences(one: Workload, left: Rows, right: Rows) -> Iterator[tuple[float, str, Any, Any]]:
    """Of every result of every row: the relative difference, its column and both values; nothing of times and samples."""
    if one.measures != "value":
        return
    for a, b in zip(left, right, strict=True):
        for field in one.results:
            x, y = a[field.name], b[field.name]
            if all(isinstance(value, (int, float)) and math.isfinite(value) for value in (x, y)):
                yield abs(x - y) / max(abs(x), abs(y), SMALL), field.name, x, y
            elif repr(x) != repr(y):
                yield math.inf, field.name, x, y


def main(names: Sequence[str]) -> None:
    """Print the lines."""
    for name in names or describe.shipped():
        print(compared(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
