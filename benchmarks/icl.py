"""Prints what in-context descent costs, as ratios of one run: `python -m benchmarks.icl [--device cuda]`.

On a CPU: tokens that hold the weights once against tokens that all hold them; 1,000 constructed problems in a pack against one
at a time; eight trainings in a stack against one at a time, and whether they learn the same; direct training of 256 prompts as
one stack. A CPU's seconds are those of the process, so that a busy machine does not count. With `--device cuda` a cut of
`icl_trained --size gpu` is timed alone: models times steps a second, beside the arithmetic of a step.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from benchmarks.__main__ import Target
from orchestrator.workload.context import Context
from workloads.icl import construction, trained
from workloads.icl.maths import descent, prompts, rivals, teachers
from workloads.icl.maths.prompts import Task

LITERAL = construction.Params(depth=3, width=8, dim=4, examples=64, steps=5)
MANY = construction.Params(depth=3, width=8, dim=4, examples=20, steps=5)
TRAINED = trained.Params(steps=100_000)
GPU = trained.Params(dim=10, hidden=16, context=32, blocks=4, width=64, heads=8, steps=10_000, batch=64, learning_rate=1e-3)
PROBLEMS, ALONE, MODELS, PROMPTS = 1000, 50, 8, 256


def seconds(call: Callable[[], object], rounds: int = 3) -> float:
    """Processor seconds of the quickest of some calls, after one that is not counted."""
    call()
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return min(taken)


def tokens() -> Iterator[Target]:
    """Literal against collapsed tokens, of eight problems."""
    task = construction.start(LITERAL, [Context(seed) for seed in range(8)])
    ways = [dataclasses.replace(LITERAL, tokens=kind) for kind in ("collapsed", "literal")]
    built = construction.build(LITERAL, task.x)
    cheap, dear = (seconds(lambda p=p: construction.applied(p, built, task, task.query)) for p in ways)  # type: ignore[misc]
    last = [construction.applied(p, built, task, task.query).last for p in ways]
    yield Target(says="collapsed : literal tokens, 64 examples", value=cheap / dear, limit=1 / 8)
    yield Target(
        says="largest difference of their weights", value=float(descent.largest_difference(*last).max()), limit=1e-12, unit=""
    )


def problems() -> Iterator[Target]:
    """Problems in a pack against one at a time, a part of them for the latter."""
    ctxs = [Context(seed) for seed in range(PROBLEMS)]
    pack = seconds(lambda: list(construction.run_pack([MANY] * PROBLEMS, ctxs)), 1) / PROBLEMS
    alone = seconds(lambda: [list(construction.run_pack([MANY], [ctx])) for ctx in ctxs[:ALONE]], 1) / ALONE
    yield Target(says=f"{PROBLEMS} problems in a pack : one at a time", value=pack / alone, limit=1 / 10)
    print(f"a problem takes {1e3 * pack:.2f} ms of a pack, {1e3 * alone:.2f} ms alone", flush=True)


def step_seconds(p: trained.Params, seeds: Sequence[int], device: str, steps: int) -> float:
    """Seconds of a step of a stack, over so many, the first as many not counted; a GPU's by the clock on the wall."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    task = Task([p] * len(seeds), [Context(seed, device) for seed in seeds])
    course = trained.train(task, None, [steps, 2 * steps])
    next(course)
    _wait(device)
    begun = clock()
    next(course)
    _wait(device)
    return (clock() - begun) / steps


def trainings() -> Iterator[Target]:
    """A stack of trainings against one at a time, and what they learn."""
    pairs = [
        (step_seconds(TRAINED, range(MODELS), "cpu", 24) / MODELS, step_seconds(TRAINED, [0], "cpu", 24)) for _ in range(3)
    ]
    stack, alone = (min(times) for times in zip(*pairs, strict=True))
    yield Target(says=f"{MODELS} trainings in a stack : one at a time, a model", value=stack / alone, limit=1 / 2.5)
    print(f"a step of a model takes {1e3 * stack:.2f} ms of a stack, {1e3 * alone:.2f} ms alone", flush=True)
    short = dataclasses.replace(TRAINED, steps=50)
    for p, limit in ((short, 1e-5), (dataclasses.replace(short, precision="float64"), 1e-10)):
        together, single = (_weights(p, seeds) for seeds in (range(MODELS), [0]))
        away = float((together[0] - single[0]).norm() / single[0].norm())
        yield Target(says=f"alone and stacked after 50 steps, {p.precision}", value=away, limit=limit, unit="")


def _weights(p: trained.Params, seeds: Sequence[int]) -> torch.Tensor:
    ((ensemble, _),) = trained.train(Task([p] * len(seeds), [Context(seed) for seed in seeds]), None, [p.steps])
    return ensemble.flat


def direct() -> Iterator[Target]:
    """Direct training of many prompts as one stack, against a few of them one at a time."""
    p = dataclasses.replace(TRAINED, prompts=PROMPTS)
    tests = prompts.tests(Task([p], [Context(0)]))
    x, y, queries = tests.x[0, :, : p.context], tests.y[0, :, : p.context], tests.queries[0]
    sizes = teachers.sizes(p.dim, p.direct_width, p.depth)

    def train(start: int, stop: int) -> rivals.Direct:
        examples = rivals.examples_of(x[start:stop], y[start:stop], p.context, hold=True)
        return rivals.direct(examples, queries[start:stop], sizes, p.direct_steps)

    stack = seconds(lambda: train(0, PROMPTS), 1) / PROMPTS
    alone = seconds(lambda: [train(i, i + 1) for i in range(3)], 1) / 3
    yield Target(says=f"direct training, {PROMPTS} prompts in a stack : one at a time", value=stack / alone)
    print(f"direct training of a prompt takes {1e3 * stack:.2f} ms of a stack, {1e3 * alone:.1f} ms alone", flush=True)


def operations(p: trained.Params) -> float:
    """Multiplications and additions of a training step of one model: its products forwards, and twice that back."""
    length = 2 * p.context + 1
    token = p.width * (p.dim + 1) + p.blocks * (6 * p.width**2 + 2 * length * p.width)
    return 6.0 * p.batch * length * token


@dataclass(frozen=True)
class Cut:
    """What a cut of the gpu size was trained at."""

    kind: str
    models: int
    seconds: float

    def __str__(self) -> str:
        rate = self.models / self.seconds
        done = rate * operations(GPU)
        return (
            f"{self.kind:8} {self.models:4} models  {1e3 * self.seconds:8.2f} ms a step  {rate:10,.0f} models x steps/s  "
            f"{done / 1e12:7.2f}e12 operations/s  {GPU.steps * self.seconds / 60:6.1f} min for {GPU.steps:,} steps"
        )


def cut(device: str, sizes: Sequence[int], steps: int) -> Iterator[Cut]:
    """Both kinds in stacks of those sizes."""
    for kind in ("softmax", "relu"):
        for models in sizes:
            yield Cut(kind, models, step_seconds(dataclasses.replace(GPU, kind=kind), range(models), device, steps))


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def main() -> None:
    """Measure and print; leaves with 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.icl", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sizes", nargs="+", type=int, default=(8, 24, 48), help="models of a stack, with --device cuda")
    parser.add_argument("--steps", type=int, default=64, help="steps that are timed, with --device cuda")
    options = parser.parse_args()
    if options.device == "cuda":
        print(f"{torch.cuda.get_device_name()}, {operations(GPU):.3g} operations a step of a model")
        for line in cut(options.device, options.sizes, options.steps):
            print(line, flush=True)
        return
    torch.set_num_threads(1)
    targets = [target for part in (tokens, problems, trainings, direct) for target in part()]
    for target in targets:
        limit = "" if target.limit is None else f" <= {target.limit:8.3g}  {'pass' if target.met else 'MISS'}"
        print(f"{target.says:58} {target.value:10.3g}{limit}")
    sys.exit(0 if all(target.met for target in targets) else 1)


if __name__ == "__main__":
    main()
