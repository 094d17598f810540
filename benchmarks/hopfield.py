"""Prints what vectorising saves in efficient retrieval, as ratios in one run: `python -m benchmarks.hopfield [--device cuda]`.

Points measured in one pack against one at a time; the numbers that 2^15 queries in 2^15 memories hold at once; linear retrieval
and random features against dense retrieval in seconds, beside what operations foretell; poolings trained as a stack against one
at a time. With `--device cuda` a cut of the gpu size of the bounds instead, and the share of the memory's bandwidth it reaches.
A CPU's seconds are those of the process, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from benchmarks.ensembles import bandwidth
from orchestrator.workload import describe
from orchestrator.workload.context import Context
from workloads.hopfield import mil, retrieval, timing
from workloads.hopfield.maths import calls, forms
from workloads.hopfield.maths.calls import Shape
from workloads.shared import memory

SMALL = retrieval.Params(d=32, m=64)
BETAS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
LARGE, HELD, TARGET = 1 << 15, 1 << 27, 1 << 14
"""Queries and memories of the large retrieval, numbers that it may hold at once, and memories of the comparison in seconds."""
STACK = 32
POOLINGS = ((10, 8), (20, 32))
"""Instances of a bag and bags of a step: a step that is mostly calls, and one that is mostly arithmetic."""
PASSES = 12
"""Times that a weight is read or written by one retrieval with its bound and energy, in numbers of 8 bytes: a lower count."""


def spent(call: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of one call."""
    begun = clock()
    call()
    return clock() - begun


def points(count: int) -> tuple[list[retrieval.Params], list[Context]]:
    """So many points of one size: every form and temperature of a seed, then of the next."""
    grid = [
        retrieval.Params("masked", form, d=SMALL.d, m=SMALL.m, keep=16, beta=beta)
        for form, beta in itertools.product(forms.FORMS, BETAS)
    ]
    chosen = [(grid[i % len(grid)], Context(i // len(grid))) for i in range(count)]
    return [p for p, _ in chosen], [ctx for _, ctx in chosen]


def packed(count: int = 2000, alone: int = 200) -> float:
    """How many times cheaper a point is in one pack of `count` than by itself, where `alone` of them are measured so."""
    params, ctxs = points(count)
    workload = describe.load("hopfield.retrieval")
    list(retrieval.run_pack(params[:48], ctxs[:48]))
    together = spent(lambda: list(retrieval.run_pack(params, ctxs))) / count
    single = spent(lambda: [list(workload.run(p, ctx)) for p, ctx in zip(params[:alone], ctxs[:alone], strict=True)]) / alone
    return single / together


def held(size: int = LARGE) -> dict[str, int]:
    """Most numbers of tensors that one retrieval of `size` queries in as many memories makes and holds at once, by variant.

    `measured` is the workload itself with all its results, on four dimensions; the others are calls alone.
    """
    shapes = (Shape("dense", size, size, 16), Shape("random", size, size, 16, keep=32), Shape("top_k", size, size, 16, keep=8))
    numbers = {
        shape.variant: memory.peak_bytes(calls.forward(shape, calls.inputs_of(shape, Context(0), torch.float32))) // 4
        for shape in shapes
    }
    whole = retrieval.Params(d=4, m=size, beta=4.0)
    return numbers | {"measured": memory.peak_bytes(lambda: list(retrieval.run_pack([whole], [Context(0)]))) // 8}


def seconds(size: int = TARGET, device: str = "cpu") -> Iterator[str]:
    """Lines on linear retrieval and random features beside dense retrieval of as many queries as memories."""
    params = [
        timing.Params("linear", size, repeats=3),
        timing.Params("prf", size, features=64, repeats=3),
        timing.Params("random", size, keep=32, repeats=3),
        timing.Params("top_k", size, keep=8, repeats=3),
    ]
    (block,) = timing.run_pack(params, [Context(0, device)] * len(params))
    for i, p in enumerate(params):
        foretold = block["flops_dense"][i] / block["flops"][i]
        took, gain = block["call_seconds"][i], block["speedup"][i]
        yield f"{p.variant:8} {took:9.4f} s {gain:8.1f}x of dense, operations {foretold:8.1f}x"


def stacked(bag: int, batch: int, models: int = STACK) -> float:
    """How many times cheaper a pooling is to train in a stack of so many than by itself, where four are trained so."""
    params = [mil.Params("dense", bag=bag, batch=batch, bags=100, steps=100)] * models
    ctxs = [Context(seed) for seed in range(models)]
    list(mil.run_pack(params[:1], ctxs[:1]))
    together = spent(lambda: list(mil.run_pack(params, ctxs))) / models
    single = spent(lambda: [list(mil.run_pack([p], [ctx])) for p, ctx in zip(params[:4], ctxs[:4], strict=True)]) / 4
    return single / together


def cut(device: str) -> Iterator[str]:
    """Lines on a cut of `hopfield_bounds --size gpu`: 4,096 memories of 64 dimensions, eight seeds, beside bandwidth."""
    params = [
        retrieval.Params("masked", form, d=64, m=4096, keep=64, beta=beta) for form in forms.FORMS for beta in (1.0, 4.0, 16.0)
    ]
    pairs: Sequence[tuple[retrieval.Params, Context]] = [(p, Context(seed, device)) for seed in range(8) for p in params]
    list(retrieval.run_pack([params[0]], [Context(0, device)]))
    took = spent(lambda: list(retrieval.run_pack(*map(list, zip(*pairs, strict=True)))), timing.timing.clock(device))
    moved = 8.0 * PASSES * 4096**2 * len(pairs)
    yield f"{len(pairs)} points in {took:.2f} s, at least {moved / took / bandwidth(device):.0%} of the memory's bandwidth"
    yield from seconds(1 << 16, device)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    device = parser.parse_args().device
    if device == "cuda":
        print("\n".join(cut(device)))
        return
    print(f"points in one pack of 2,000 against one at a time: {packed():.1f} times cheaper (at least 8)", flush=True)
    for bag, batch in POOLINGS:
        gain = f"{stacked(bag, batch):.1f} times cheaper a model (at least 3 where a step is short)"
        print(f"32 poolings as one stack, {batch} bags of {bag} a step, against one at a time: {gain}", flush=True)
    print("\n".join(seconds()), flush=True)
    for variant, numbers in held().items():
        print(f"{variant:8} of 2^15 in 2^15 holds {numbers:,} numbers at most ({numbers / HELD:.2f} of 2^27)", flush=True)


if __name__ == "__main__":
    main()
