"""What many small models come to, trained together for some seconds; the process dies once on the way.

Source: none; a workload of the tests.
Symbols: `steps` is how many updates a model gets, `rate` how large they are.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
STEPS = "steps"
LOG, DEAD = Path("trained.log"), Path("dead")
PAUSE = float(os.environ.get("PAUSE", "0.1"))  # seconds an update takes


@dataclass(frozen=True)
class Params:
    """One model."""

    rate: Annotated[float, "size of an update"]
    steps: Annotated[int, "updates", {"shape": True}] = 70
    deadly: Annotated[int, "update at which the process dies, the first time; -1: none"] = -1


@dataclass(frozen=True)
class Result:
    """What it has come to."""

    weight: Annotated[float, "the model's weight"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Rows of every tenth update, all models at once."""
    kept = [ctx.load() for ctx in ctxs]
    begin = min(state["step"] if state else 0 for state in kept)
    draws = [torch.Generator() for _ in ctxs]
    for one, ctx, state in zip(draws, ctxs, kept, strict=True):
        one.set_state(state["draws"] if state else ctx.generator("noise").get_state())
    weight = torch.tensor([state["weight"] if state else 0.0 for state in kept], dtype=torch.float64)
    rate = torch.tensor([p.rate for p in params], dtype=torch.float64)
    with LOG.open("a") as log:
        log.write(f"{begin} {_node()}\n")
    for step in range(begin, params[0].steps):
        time.sleep(PAUSE)
        noise = torch.cat([torch.randn(1, generator=one, dtype=torch.float64) for one in draws])
        weight = weight - rate * (weight - 1.0 + noise)
        if step == params[0].deadly and not DEAD.exists():
            DEAD.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if (step + 1) % 10 == 0:
            for i, ctx in enumerate(ctxs):
                ctx.save({"step": step + 1, "weight": weight[i].item(), "draws": draws[i].get_state()})
            yield {"index": range(len(params)), "step": [step] * len(params), "weight": weight.tolist()}


def _node() -> str:
    """The node of the cluster that this process is on; `here` where there is no Ray."""
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_node_id()) if ray is not None and ray.is_initialized() else "here"
