"""Prints how fast many score networks train as one: `python -m benchmarks.ensembles [--device cuda] [--json FILE]`.

Models times steps a second of `dit_latent` in packs of growing size, up to what the device's memory holds, beside one model at
a time and beside the bound that memory traffic sets: a product of w x w matrices in float32 does about w/4 operations a byte.
Also a model alone against a group of twelve and, on a GPU, a pack that runs out of memory: is it split, and that remembered?
A CPU's seconds are those of the process, so that a busy machine does not count. `--cut MODELS` does something else: one pack of
`dit_latent_rate --size gpu` with a tenth of its steps, training and evaluation timed apart (an H100: `--cut 64`, minutes).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from orchestrator.check import contract
from orchestrator.worker.pace import Pace as Learnt
from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dit_latent import rate
from workloads.dit_latent.maths import network, problem, training_groups
from workloads.dit_latent.maths.problem import Params
from workloads.shared.diffusion.problem import PRECISIONS

SHAPES = {
    "small": Params(latent_dim=4, ambient_dim=8, n=1024, steps=100_000),
    "wide": Params(latent_dim=16, ambient_dim=32, n=1024, steps=100_000, width=64, ff=256, depth=4, batch=256),
}
SIZES = (1, 8, 64, 256, 1024, 4096, 16384)
POINTS = 16  # of the pack that is to run out of memory
# The largest shape of `sweeps/dit_latent_rate.yaml --size gpu`, with a tenth of its steps.
CUT = replace(
    SHAPES["wide"],
    latent_dim=64,
    ambient_dim=128,
    n=8192,
    steps=2000,
    samples=8192,
    sampler_steps=200,
    points=1024,
)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What one pack was trained at."""

    shape: str
    models: int
    steps: int
    seconds: float
    peak_bytes: int
    bound: float  # models times steps a second, were memory traffic all there is

    @property
    def rate(self) -> float:
        """Models times steps a second."""
        return self.models * self.steps / self.seconds


def operations(p: Params) -> float:
    """Additions and multiplications of a training step of one model: products of the blocks forwards, and twice that back."""
    tokens = problem.reshape(p)[0]
    block = 4 * p.width * p.heads * p.head_dim + 2 * p.width * p.ff
    return p.depth * (6.0 * block * p.batch * tokens + 12.0 * p.batch * tokens**2 * p.heads * p.head_dim)


def bandwidth(device: str) -> float:
    """Bytes a second, read and written, of copying 1 GiB (64 MiB on a CPU) within the device."""
    size = 1 << (30 if device == "cuda" else 26)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target, rounds = torch.empty_like(source), 10
    target.copy_(source)
    _wait(device)
    begun = time.perf_counter()
    for _ in range(rounds):
        target.copy_(source)
    _wait(device)
    return 2.0 * size * rounds / (time.perf_counter() - begun)


def paced(shape: str, models: int, device: str, seconds: float, traffic: float) -> Pace:
    """The pace of one pack over about so many seconds, whole blocks of batches at a time, the first not counted."""
    p = SHAPES[shape]
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    clock = time.perf_counter if device == "cuda" else time.process_time
    task = problem.build([p] * models, [Context(seed, device) for seed in range(models)])
    block = 64 if device == "cuda" else 8
    stream = training_groups.RUN.train(task, None, range(block, p.steps, block))
    next(stream)
    _wait(device)
    begun, steps = clock(), 0
    while clock() - begun < seconds:
        next(stream)
        _wait(device)
        steps += block
    took = clock() - begun
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return Pace(
        shape=shape, models=models, steps=steps, seconds=took, peak_bytes=peak, bound=traffic * p.width / 4 / operations(p)
    )


def sizes(shape: str, device: str, most: int) -> list[int]:
    """Sizes of packs up to what the device's memory holds, that one last."""
    room = min(training_groups.RUN.room(SHAPES[shape], device), most)
    return [size for size in SIZES if size < room] + [room]


def table(found: Sequence[Pace]) -> Iterator[str]:
    """The paces as lines of text."""
    yield f"{'shape':6} {'models':>7} {'ms a step':>10} {'models x steps/s':>17} {'over one':>9} {'of bound':>9} {'peak GB':>8}"
    alone = {pace.shape: pace.rate for pace in found if pace.models == 1}
    for pace in found:
        yield (
            f"{pace.shape:6} {pace.models:7} {1e3 * pace.seconds / pace.steps:10.2f} {pace.rate:17,.0f} "
            f"{pace.rate / alone[pace.shape]:8.1f}x {pace.rate / pace.bound:9.2%} {pace.peak_bytes / 1e9:8.2f}"
        )


def alone_and_together(device: str, precision: str) -> float:
    """The largest relative difference of a model's parameters after 50 steps, trained alone and in a group of twelve."""
    made = [
        replace(SHAPES["small"], n=8 + 5 * i, steps=50, learning_rate=1e-3 * (1 + i), precision=precision) for i in range(12)
    ]
    together = _trained(made, range(12), device)
    alone = torch.cat([_trained([made[i]], [i], device) for i in (0, 7, 11)])
    return float(((together[[0, 7, 11]] - alone).norm(dim=1) / alone.norm(dim=1)).max())


def _trained(params: Sequence[Params], seeds: Sequence[int], device: str) -> torch.Tensor:
    task = problem.build(params, [Context(seed, device) for seed in seeds])
    (trained,) = training_groups.RUN.train(task, None, [50])
    return trained.flat.double()


def squeezed() -> dict[str, Any]:
    """What comes of a pack on the GPU that is left 60 % of the memory it takes, and of the same pack with all it wants."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    heavy = replace(SHAPES["wide"], steps=20, batch=4096, points=32, samples=0)
    whole = pack(heavy, Learnt(), "cuda")
    peak, total = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.6 * peak / total)
    learnt = Learnt()
    try:
        split = pack(heavy, learnt, "cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    pairs = list(zip(whole, split, strict=True))
    away = max(abs(a["score_mse"] - b["score_mse"]) / a["score_mse"] for a, b in pairs if b["status"] == "ok")
    statuses = sorted({row["status"] for row in split})
    return {"points": POINTS, "peak_gb": peak / 1e9, "remembered": min(learnt.caps.values(), default=None)} | {
        "statuses": statuses,
        "largest_relative_difference": away,
    }


def pack(p: Params, learnt: Learnt, device: str) -> list[dict[str, Any]]:
    """Final rows of a pack of POINTS seeds of a training, by seed; `learnt` are the sizes of calls that a worker remembers."""
    workload = load("dit_latent.rate")
    points = [(asdict(p), seed) for seed in range(POINTS)]
    return [rows[-1] for rows in contract.measure(workload, points, Path("."), device, learnt, together=POINTS)]


def cut(p: Params, models: int, device: str) -> Iterator[str]:
    """Seconds of a pack's training and of what its last row takes, part by part, one line each as it is known."""
    task = problem.build([p] * models, [Context(seed, device) for seed in range(models)])
    begun = time.perf_counter()
    (trained,) = training_groups.RUN.train(task, None, [p.steps])
    _wait(device)
    yield f"training {p.steps} steps of {models} models: {time.perf_counter() - begun:.1f} s"
    for look in training_groups.RUN.looks(task, rate.measured):
        begun = time.perf_counter()
        look.values(trained, True)
        _wait(device)
        yield f"evaluating {len(look.task.params)} models: {time.perf_counter() - begun:.1f} s"


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print; with --json write the same figures there."""
    options = _options()
    device = options.device
    name = torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    traffic = bandwidth(device)
    print(f"{name}, torch {torch.__version__}, {traffic / 1e12:.3f} TB/s copied", flush=True)
    if options.cut:
        for line in cut(CUT, options.cut, device):
            print(line, flush=True)
        return
    said: dict[str, Any] = {"device": name, "torch": torch.__version__, "bytes_per_second": traffic, "packs": []}
    for shape in options.shapes:
        p = SHAPES[shape]
        megabytes = training_groups.RUN.model_bytes(p) / 1e6
        print(f"\n{shape}: {network.layout(p).count:,} parameters, {megabytes:.1f} MB a model foreseen")
        found = []
        for models in sizes(shape, device, options.most):
            found.append(paced(shape, models, device, options.seconds, traffic))
            lines = list(table(found))
            print("\n".join(lines if len(found) == 1 else lines[-1:]), flush=True)
        said["packs"] += [{**asdict(pace), "rate": pace.rate, "of_bound": pace.rate / pace.bound} for pace in found]
    said["alone_against_twelve"] = {kind: alone_and_together(device, kind) for kind in PRECISIONS}
    print("\nalone against a group of twelve, 50 steps:", said["alone_against_twelve"], flush=True)
    if device == "cuda":
        said["out_of_memory"] = squeezed()
        print("a pack with 60 % of its memory:", said["out_of_memory"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(said, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ensembles", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SHAPES), default=tuple(SHAPES))
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each pack is timed")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="models of the largest pack")
    parser.add_argument("--cut", type=int, default=0, metavar="MODELS", help="time one pack of the gpu size, and nothing else")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
