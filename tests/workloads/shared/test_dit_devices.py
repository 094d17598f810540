"""No tensor of the CPU meets one of a point's device: trainings and samplers on a device that has shapes and no numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from orchestrator.workload.context import Context
from workloads.dit_conditional import guidance
from workloads.dit_conditional import latent as conditional_latent
from workloads.dit_conditional import rate as conditional_rate
from workloads.dit_conditional.maths import evaluation as conditional_evaluation
from workloads.dit_conditional.maths.family import Law
from workloads.dit_latent import attention, early_stopping, rate, sampling
from workloads.dit_latent.maths import evaluation
from workloads.shared.diffusion import probes
from workloads.shared.training import ensemble

SHORT: dict[str, Any] = {"steps": 4, "every": 2, "batch": 8, "points": 4, "samples": 8, "sampler_steps": 3}
CASES: dict[str, tuple[Any, list[Any]]] = {
    "trained": (rate, [rate.Params(latent_dim=2, n=8, fresh=f, ambient_noise=0.1, **SHORT) for f in (False, True)]),
    "laplace": (rate, [rate.Params(latent_dim=2, n=8, family="laplace", **SHORT)]),
    "plugin": (rate, [rate.Params(latent_dim=2, n=8, estimator="plugin", family="gaussian", points=4, samples=8)]),
    "empirical": (rate, [rate.Params(latent_dim=2, n=8, estimator="empirical", points=4, samples=8)]),
    "stopped": (early_stopping, [early_stopping.Params(latent_dim=2, n=8, steps=4, batch=8, points=4)]),
    "euler": (sampling, [sampling.Params(mu=0.5, samples=8, points=4)]),
    "bridge": (sampling, [sampling.Params(mu=0.5, samples=8, points=4, scheme="bridge", score="empirical", n=8)]),
    "attention": (attention, [attention.Params(64, dim=2, gradient=True)]),
    "guidance": (guidance, [guidance.Params(gamma=g, steps=10, samples=8) for g in (2.0, 3.0)]),
    "series": (conditional_rate, [conditional_rate.Params(n=8, fresh=f, gamma=2.0, **SHORT) for f in (False, True)]),
    "plane": (conditional_rate, [conditional_rate.Params(n=8, x_dim=2, y_dim=0, **SHORT)]),
    "labels": (conditional_rate, [conditional_rate.Params(n=8, family="classes", gamma=2.0, **SHORT)]),
    "subspace": (conditional_latent, [conditional_latent.Params(n=8, **SHORT)]),
    "kernels": (conditional_rate, [conditional_rate.Params(n=32, y_dim=0, estimator="kde")]),
}


class Apart(TorchDispatchMode):
    """Raises where tensors of two devices meet in one operation; what copies or looks up places may."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation's own result."""
        given = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor) and x.dim()]
        if len({x.device for x in given}) > 1 and not any(word in func.__name__ for word in ("copy", "index")):
            raise RuntimeError(f"{func.__name__} got tensors of {sorted({str(x.device) for x in given})}")
        return func(*args, **(kwargs or {}))


@dataclasses.dataclass
class Blank:
    """A generator that is on a device and draws nothing."""

    device: torch.device


def numbers(shape: tuple[int, ...]) -> Any:
    """Numbers in lists, as a tensor without any would give them."""
    return [numbers(shape[1:]) for _ in range(shape[0])] if shape else 0.5


@pytest.fixture
def numberless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators are of no account, and whoever asks a tensor for its numbers gets some."""

    def without(draw: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *args, generator=None, **kind: draw(*args, **kind)

    for name in ("rand", "randn", "randint"):
        monkeypatch.setattr(torch, name, without(getattr(torch, name)))
    for module in (ensemble, probes, evaluation, conditional_evaluation):
        monkeypatch.setattr(module, "generator", lambda ctx, stream: Blank(torch.device(ctx.device)))
    for name, value in (("item", 0.5), ("__float__", 0.5), ("__bool__", True)):
        monkeypatch.setattr(torch.Tensor, name, lambda self, value=value: value)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: numbers(tuple(self.shape)))
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: torch.zeros(self.shape, dtype=self.dtype) if self.is_meta else self)
    # Rejection goes on until enough is accepted, which cannot be seen there.
    monkeypatch.setattr(Law, "sample", lambda self, y, _: torch.randn(len(y), self.x_dim, device=y.device).double())


@pytest.mark.parametrize("name", CASES)
def test_a_measurement_keeps_to_its_device(name: str, numberless: None) -> None:
    module, params = CASES[name]
    ctxs = [Context(i, "meta") for i in range(len(params))]
    with Apart():
        found = list(module.run_pack(params, ctxs)) if hasattr(module, "run_pack") else list(module.run(params[0], ctxs[0]))
    assert found
