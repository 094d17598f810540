"""Prints what stacks and packs of `ndlinear` save, and its layer beside the wheel's: `python -m benchmarks.ndlinear`.

Each ratio is of one run, best of three rounds in turn. A CPU's seconds are those of the process, so a busy machine does not
count. With `--device cuda` two large cases are timed instead, beside the memory bandwidth of the device: 256 seeds of 4 arms
and 5 budgets on digits, and 4,096 starts at d = 32.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.ensembles import bandwidth
from orchestrator.workload.context import Context
from workloads.ndlinear import accuracy, floor
from workloads.ndlinear.maths import layer
from workloads.shared import memory, timing
from workloads.shared.timing import Call

TRAINING = accuracy.Params("digits", "nd", 985)
FLOOR = floor.Params("dial", 6, 0.3)
BUDGETS = (985, 1665, 2860, 10_000, 100_000)
ROUNDS = 3
SHAPES = (((8, 8), (9, 9)), ((32, 32), (32, 32)), ((28, 28, 3), (16, 16, 6)), ((64, 8, 8), (64, 8, 8)))
BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Seconds of one way of doing some work over those of another, and the least ratio that is aimed at."""

    says: str
    slow: float
    quick: float
    aim: float
    peak_bytes: int = 0

    @property
    def ratio(self) -> float:
        """How many times as long the slow way takes."""
        return self.slow / self.quick

    def __str__(self) -> str:
        peak = f"  peak {self.peak_bytes / 1e6:8.1f} MB" if self.peak_bytes else ""
        word = "pass" if self.ratio >= self.aim else "MISS"
        return f"{self.says:52} {self.slow:9.4f} s {self.quick:9.4f} s  {self.ratio:6.2f} x  aim {self.aim:g}  {word}{peak}"


def seconds(call: Callable[[], object], clock: timing.Clock = time.process_time) -> float:
    """What a call takes."""
    begun = clock()
    call()
    return clock() - begun


def measured(module: Any, params: Any, seeds: Sequence[int], device: str = "cpu") -> None:
    """All rows of a pack of seeds."""
    for _ in module.run_pack([params] * len(seeds), [Context(seed, device) for seed in seeds]):
        pass


def packed(says: str, module: Any, params: Any, count: int, alone: int, aim: float) -> Saving:
    """So many seeds in one pack against one by one, of which `alone` are measured and the others reckoned alike."""
    measured(module, params, [0])  # what is loaded once
    rounds = [
        (
            seconds(lambda: [measured(module, params, [seed]) for seed in range(alone)]) * count / alone,
            seconds(lambda: measured(module, params, range(count))),
        )
        for _ in range(ROUNDS)
    ]
    slow, quick = (min(times) for times in zip(*rounds, strict=True))
    return Saving(says=says, slow=slow, quick=quick, aim=aim, peak_bytes=peak(module, params, count))


def peak(module: Any, params: Any, count: int) -> int:
    """Most bytes of tensors that a pack makes and holds at one time, over few steps."""
    short = replace(params, steps=8) if hasattr(params, "steps") else replace(params, sweeps=2)
    return memory.peak_bytes(lambda: measured(module, short, range(count)))


def beside_the_wheel(inner: layer.Sizes, outer: layer.Sizes) -> Saving:
    """The wheel's layer, by views, against products of this package, of the same weights; forward calls."""
    wheel = importlib.import_module("ndlinear").NdLinear(inner, outer)
    weights, biases = ([getattr(mode, name)[None] for mode in wheel.align_layers] for name in ("weight", "bias"))
    x, order = torch.randn(BATCH, *inner), range(len(inner))
    calls: list[Call] = [lambda: wheel(x), lambda: layer.apply(x[None], weights, biases, order)]
    with torch.inference_mode():
        slow, quick = timing.quickest(calls, ROUNDS, timing.clock("cpu"))
    return Saving(says=f"wheel's views : products, {inner} to {outer}", slow=slow, quick=quick, aim=1.0)


def on_cpu() -> Iterator[str]:
    """The ratios as lines, each as it is known."""
    yield str(packed("32 trainings one by one : as a stack", accuracy, TRAINING, 32, 4, 4.0))
    yield str(packed("2,000 floors one by one : in packs", floor, FLOOR, 2000, 100, 10.0))
    if importlib.util.find_spec("ndlinear") is None:
        yield "the wheel ndlinear is not installed: pip install ndlinear"
        return
    yield from (str(beside_the_wheel(*shapes)) for shapes in SHAPES)


def on_gpu() -> Iterator[str]:
    """Two large cases on a GPU, beside what its memory moves."""
    clock = timing.clock("cuda")
    yield f"{torch.cuda.get_device_name()}: {bandwidth('cuda') / 1e12:.2f} TB/s copied"
    for budget in BUDGETS:
        for name in ("nd", "dense"):
            for permute in (False, True):
                torch.cuda.reset_peak_memory_stats()
                point = replace(TRAINING, layer=name, budget=budget, permute=permute)
                net = accuracy.built(point)
                begun = clock()
                measured(accuracy, point, range(256), "cuda")
                took = clock() - begun
                traffic = 256 * point.steps * (28 * net.layout.count + 4 * point.batch * net.activations)
                yield (
                    f"256 seeds, {name}, budget {budget}, permute {permute}: {took:.2f} s, "
                    f"{traffic / took / 1e12:.3f} TB/s of parameters and activations, "
                    f"peak {torch.cuda.max_memory_allocated() / 1e9:.2f} GB"
                )
    wide = floor.Params("dial", 32, 0.3, restarts=4096)
    took = seconds(lambda: measured(floor, wide, [0], "cuda"), clock)
    yield f"4,096 starts at d = 32: {took:.2f} s, {4 * wide.sweeps * 4096 * 1024**2 / took / 1e12:.2f} TFLOP/s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ndlinear", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    for line in on_gpu() if parser.parse_args().device == "cuda" else on_cpu():
        print(line, flush=True)


if __name__ == "__main__":
    main()
