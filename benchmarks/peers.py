"""Measures the grid in the ways that people do without lawsweep, and prints what each took as one line of JSON.

Run as `python -m benchmarks.peers NAME SEEDS`. Start-up (processes, imports, the first call) is never counted.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from benchmarks import cell, cell_packed
from benchmarks.grid import BETAS, CELLS, SIZES_D, SIZES_M, WORKERS, Point, Timing, grid
from orchestrator.workload.context import Context

TUNE_POINTS = 400
MLFLOW_POINTS = 100


def error_of(point: Point) -> float:
    """The error at one point."""
    d, m, beta, seed = point
    return next(cell.run(cell.Params(d, m, beta), Context(seed)))[1].distance


def bare(seeds: int) -> Timing:
    """A loop over points in as many processes as workers; each takes every second point."""
    seconds, total = in_processes(_loop, seeds)
    return Timing(name="bare loop", points=CELLS * seeds, seconds=seconds, total=total)


def _loop(seeds: int, rank: int) -> float:
    return sum(error_of(point) for i, point in enumerate(grid(seeds)) if i % WORKERS == rank)


def vectorised(seeds: int) -> Timing:
    """The same by hand over beta and seed for each (d, m); each process takes every second seed."""
    seconds, total = in_processes(_tensors, seeds)
    return Timing(name="vectorised by hand", points=CELLS * seeds, seconds=seconds, total=total)


def _tensors(seeds: int, rank: int) -> float:
    mine = range(rank, seeds, WORKERS)
    return sum(_slab(d, m, mine) for d in SIZES_D for m in SIZES_M)


def _slab(d: int, m: int, seeds: Iterable[int]) -> float:
    """Sum of errors over all betas and the given seeds, in chunks that stay in the cache."""
    cells = [(beta, seed) for seed in seeds for beta in BETAS]
    size = cell_packed.chunk_size(d, m)
    total = 0.0
    for start in range(0, len(cells), size):
        chunk = cells[start : start + size]
        drawn = torch.empty(len(chunk), m, d, dtype=torch.float64)
        for row, (beta, seed) in zip(drawn, chunk, strict=True):
            torch.randn(m, d, generator=Context(seed).generator(f"memories at beta {beta:g}"), out=row)
        beta = torch.tensor([b for b, _ in chunk], dtype=torch.float64)
        total += sum(cell_packed.recall_errors(drawn, beta).tolist())
    return total


def in_processes(work: Callable[[int, int], float], seeds: int) -> tuple[float, float]:
    """Seconds from the moment that all processes are ready until the last one ends, and the sum of what they give."""
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(WORKERS), context.SimpleQueue()
    workers = [context.Process(target=_timed, args=(work, seeds, rank, ready, answers)) for rank in range(WORKERS)]
    for worker in workers:
        worker.start()
    spans = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans), sum(total for _, _, total in spans)


def _timed(work: Callable[[int, int], float], seeds: int, rank: int, ready: Any, answers: Any) -> None:
    torch.set_num_threads(1)
    work(1, rank)
    ready.wait()
    begin = time.monotonic()
    total = work(seeds, rank)
    answers.put((begin, time.monotonic(), total))


def joblib(seeds: int) -> Timing:
    """One call a point through joblib's own processes and batches."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=WORKERS) as parallel:
        parallel(delayed(error_of)(point) for point in grid(1))
        begin = time.monotonic()
        total = sum(parallel(delayed(error_of)(point) for point in grid(seeds)))
        return Timing(name="joblib", points=CELLS * seeds, seconds=time.monotonic() - begin, total=total)


def tune(seeds: int) -> Timing:
    """One Ray Tune trial a point, actors reused, all else as it comes; few points, for a trial costs the same at any number."""
    return _tuned("Ray Tune, actors reused", _few(TUNE_POINTS, seeds), lambda folder: [])


def tune_silent(seeds: int) -> Timing:
    """The same without the loggers that Tune brings along."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    return _tuned("Ray Tune, its loggers off", _few(TUNE_POINTS, seeds), lambda folder: [])


def tune_mlflow(seeds: int) -> Timing:
    """The same with Ray's MLflow callback on an SQLite database instead."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"

    def callbacks(folder: str) -> list[Any]:
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return [MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="cell")]

    return _tuned("Ray Tune, MLflow callback", _few(MLFLOW_POINTS, seeds), callbacks)


def _few(number: int, seeds: int) -> list[Point]:
    """That many points, evenly over the grid."""
    points = list(grid(min(seeds, 25)))
    return points[:: max(1, len(points) // number)][:number]


def _tuned(name: str, points: list[Point], callbacks: Callable[[str], list[Any]]) -> Timing:
    import ray
    from ray import tune as ray_tune

    class Cell(ray_tune.Trainable):
        """One point a trial; the actor stays."""

        def setup(self, config: dict[str, Any]) -> None:
            torch.set_num_threads(1)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

        def step(self) -> dict[str, Any]:
            return {"error": error_of(self.config["point"]), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing to keep."""

        def load_checkpoint(self, checkpoint: Any) -> None:
            """Nothing was kept."""

    ends: list[float] = []

    class Clock(ray_tune.Callback):
        """Notes when each trial ends."""

        def on_trial_complete(self, *args: Any, **info: Any) -> None:
            ends.append(time.monotonic())

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        results = ray_tune.Tuner(
            ray_tune.with_resources(Cell, {"cpu": 1}),
            param_space={"point": ray_tune.grid_search(points)},
            tune_config=ray_tune.TuneConfig(reuse_actors=True),
            run_config=ray_tune.RunConfig(
                storage_path=folder,
                verbose=0,
                checkpoint_config=ray_tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[Clock(), *callbacks(folder)],
            ),
        ).fit()
        total = sum(result.metrics["error"] for result in results)
        end = time.monotonic()
    ray.shutdown()
    _same(total, sum(error_of(point) for point in points), name)
    return Timing(name=name, points=len(points) - 1, seconds=end - ends[0], total=total, note=f"{len(points)} points")


def _same(total: float, expected: float, name: str) -> None:
    if abs(total - expected) > 1e-9 * abs(expected):
        raise SystemExit(f"{name} measured {total!r}, but the points sum to {expected!r}: the peers do not do the same work")


PEERS = {f.__name__: f for f in (bare, vectorised, joblib, tune, tune_silent, tune_mlflow)}

if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(PEERS[sys.argv[1]](int(sys.argv[2])))))
