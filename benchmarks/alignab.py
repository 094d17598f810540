"""Prints what alignment costs here: `python -m benchmarks.alignab [--device cuda] [--json FILE]`; seconds are the process's.

Ratios of one run: twelve models aligned in a stack beside one at a time (at least 2.5 times cheaper), energies of 10^6 designs
beside a loop over one design after the other (at most a quarter, and under 0.5 s), the exact area of 10^5 points (0.1 s), and
how many references a changed weight trains (none). On a GPU also a cut of `alignab_pareto --size gpu`: 32
points, a tenth of its steps.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from orchestrator.workload.context import Context
from workloads.alignab import pareto
from workloads.alignab.maths import alignment, references, trade_offs, world

MODELS, DESIGNS, LOOPED, POINTS = 12, 1_000_000, 1_000, 100_000
SHORT = pareto.Params(align_steps=60, pretrain_steps=60)
CUT = replace(
    pareto.Params(positions=12, types=20, times=100, width=256, pretrain_steps=500),
    align_steps=90,
    pool=10_000,
    batch=256,
    rounds=3,
    weights=3,
)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What was measured, in seconds, beside what it is compared with, and what of it is asked for."""

    what: str
    seconds: float
    beside: float | None = None
    least_ratio: float | None = None

    @property
    def line(self) -> str:
        """The measurement as a line of text."""
        if self.beside is None:
            return f"{self.what}: {self.seconds:.3g} s"
        return f"{self.what}: {self.seconds:.3g} s, beside {self.beside:.3g} s ({self.beside / self.seconds:.2f} times cheaper)"


def seconds(call: Callable[[], object], device: str = "cpu", repeats: int = 1) -> float:
    """The least time of several calls; the process's own on a CPU, where others may be busy."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(repeats):
        begin = clock()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - begin)
    return min(times)


def stacked(device: str) -> Pace:
    """Twelve models of one seed each, aligned as one stack and one after the other, from references that are there."""
    points = [replace(SHORT, method="poea" if i % 2 else "weighted_sum") for i in range(MODELS)]
    ctxs = [Context(seed=i, device=device) for i in range(MODELS)]
    start = references.flat(SHORT.shape, ctxs)

    def one_by_one() -> None:
        for i in range(MODELS):
            alignment.align(pareto.course(points[i : i + 1]), start[i : i + 1], ctxs[i : i + 1])

    whole = seconds(lambda: alignment.align(pareto.course(points), start, ctxs), device)
    return Pace(what=f"{MODELS} models in a stack", seconds=whole, beside=seconds(one_by_one, device), least_ratio=2.5)


def energies() -> Pace:
    """Energies of many designs at once, and of one after the other, scaled up."""
    energy_world = world.build("formula", 6, 6, 2.0)
    types, angles = torch.randint(6, (DESIGNS, 6)), 6 * torch.rand(DESIGNS, 6)

    def loop() -> None:
        for i in range(LOOPED):
            world.energies(energy_world, types[i], angles[i])

    whole = seconds(lambda: world.energies(energy_world, types, angles), repeats=3)
    return Pace(what="energies of 10^6 designs", seconds=whole, beside=seconds(loop) * DESIGNS / LOOPED, least_ratio=4)


def area() -> Pace:
    """The exact area of many points."""
    att, rep = -torch.rand(POINTS).double(), torch.rand(POINTS).double()
    return Pace(
        what="exact area of 10^5 points", seconds=seconds(lambda: trade_offs.hypervolume(att, rep, (0.0, 1.0)), repeats=3)
    )


def trained_again() -> int:
    """References that a point with another weight trains."""
    tiny = replace(SHORT, times=4, width=8, pretrain_steps=8, align_steps=6, pool=16, batch=4, designs=12, draws=1)
    list(pareto.run_pack([tiny], [Context(seed=0)]))
    before = references.trainings
    list(pareto.run_pack([replace(tiny, weight=0.75)], [Context(seed=0)]))
    return references.trainings - before


def cut(device: str, models: int = 32) -> Pace:
    """A cut of the GPU size: references, alignment and designs of so many points."""
    ctxs = [Context(seed=i, device=device) for i in range(models)]
    return Pace(what=f"{models} points of the gpu size, a tenth of their steps",
                seconds=seconds(lambda: list(pareto.run_pack([CUT] * models, ctxs)), device))  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and keep the numbers where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    paces = [stacked(given.device), energies(), area(), *([cut(given.device)] if given.device != "cpu" else [])]
    again = trained_again()
    for pace in paces:
        print(pace.line)
    print(f"references that a changed weight trains: {again}")
    if given.json:
        numbers = {pace.what: {"seconds": pace.seconds, "beside": pace.beside} for pace in paces}
        given.json.write_text(json.dumps({**numbers, "trained again": again}, indent=1))


if __name__ == "__main__":
    main()
