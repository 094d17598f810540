"""dit_conditional.rate and dit_conditional.latent: groups, checkpoints, hidden conditions, guidance, errors of known scores."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dit_conditional import latent, rate
from workloads.dit_conditional.maths import evaluation, network, problem, training, training_groups
from workloads.dit_conditional.maths.problem import Params
from workloads.shared.training import ensemble

SMALL = Params(n=32, steps=50, every=20, batch=32, points=16, samples=32, sampler_steps=6)
# One shape, and everything that may differ within it.
GROUP = [
    dataclasses.replace(
        SMALL, n=8 + 5 * i, t0=0.02 * (1 + i % 3), beta=0.5 * (1 + i), mask=0.1 * (i % 4), learning_rate=0.001 * i
    )
    for i in range(12)
]


@dataclass(frozen=True)
class Kept(Context):
    """A context that keeps what is saved as a file would."""

    files: list[bytes] = field(default_factory=list)

    def save(self, state: Any) -> None:
        """Write the state down."""
        file = io.BytesIO()
        torch.save(state, file)
        self.files.append(file.getvalue())

    def load(self) -> Any:
        """What was last written."""
        return torch.load(io.BytesIO(self.files[-1]), weights_only=True) if self.files else None


def rows(module: Any, params: Sequence[Any], ctxs: Sequence[Context]) -> dict[tuple[int, int], dict[str, Any]]:
    """Rows by (index, step)."""
    found = {}
    for columns in module.run_pack(params, ctxs):
        for place, index in enumerate(columns["index"]):
            found[index, columns["step"][place]] = {name: columns[name][place] for name in module.NAMES}
    return found


def group(params: Sequence[Params], precision: str = "float32") -> torch.Tensor:
    """Parameters (models, P) after 50 steps."""
    made = [dataclasses.replace(p, precision=precision) for p in params]
    task = problem.build(made, [Context(p.n) for p in made])
    (trained,) = training_groups.RUN.train(task, None, [50])
    return trained.flat


def batch(task: problem.Problem) -> dict[str, torch.Tensor]:
    """Nine training points of each model."""
    models, draws = len(task.params), torch.Generator().manual_seed(1)
    shapes = {"clean": (models, 9, 1), "noise": (models, 9, 1), "condition": (models, 9, 1)}
    made = {name: torch.rand(shape, generator=draws) for name, shape in shapes.items()}
    return made | {"time": torch.full((models, 9), 0.3), "uniform": torch.rand(models, 9, generator=draws)}


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_network_learns_in_a_group_of_twelve_what_it_learns_alone(precision: str, tolerance: float) -> None:
    together = group(GROUP, precision)
    for place in (1, 7, 11):
        alone = group(GROUP[place : place + 1], precision)[0]
        assert float((together[place] - alone).norm() / alone.norm()) < tolerance


@pytest.mark.parametrize("taken", [1, 2])
@pytest.mark.parametrize("module", [rate, latent])
def test_a_training_cut_off_after_any_row_goes_on_bitwise(module: Any, taken: int) -> None:
    shared = {name: getattr(SMALL, name) for name in ("steps", "every", "batch", "points", "samples", "sampler_steps")}
    points = [module.Params(**shared, n=16 + i, mask=0.2 * i) for i in range(3)]
    whole = rows(module, points, [Context(i) for i in range(3)])
    ctxs = [Kept(i) for i in range(3)]
    pack = module.run_pack(points, ctxs)
    for _ in range(taken):
        next(pack)
    pack.close()
    rest = rows(module, points, ctxs)
    assert sorted({step for _, step in rest}) == [20, 40, 50][taken:]
    assert repr(rest) == repr({at: row for at, row in whole.items() if at in rest})


def test_with_no_mask_training_is_bitwise_that_without_hidden_conditions() -> None:
    task = problem.build([dataclasses.replace(SMALL, mask=0.0)], [Context(0)])
    flat = ensemble.begin(network.layout(SMALL), [network.initial(SMALL, Context(0).generator())])
    made, parameters = batch(task), flat.parameters
    x = made["clean"] + made["noise"]
    hidden = made["uniform"] < 0.0
    seen = network.predict(parameters, task.fixed, x, made["time"], made["condition"], hidden, SMALL)
    assert torch.equal(seen, network.predict(parameters, task.fixed, x, made["time"], made["condition"], None, SMALL))
    made["uniform"] = torch.ones_like(made["uniform"])
    (trained,) = training_groups.RUN.train(task, None, [20])
    assert not bool(trained.parameters["hidden"].any())  # the token of hidden conditions was never met


def test_a_hidden_condition_plays_no_part() -> None:
    task = problem.build([SMALL], [Context(0)])
    (trained,) = training_groups.RUN.train(task, None, [20])
    predict, _ = training.predictor(task, trained)
    x, t, y = torch.randn(1, 9, 1), torch.full((1, 9), 0.3), torch.rand(2, 1, 9, 1)
    assert torch.equal(predict(x, t, y[0], True), predict(x, t, y[1], True))
    assert not torch.equal(predict(x, t, y[0], False), predict(x, t, y[1], False))


def test_without_guidance_sampling_is_bitwise_the_conditional_path() -> None:
    task = problem.build([SMALL] * 2, [Context(0), Context(1)])
    (trained,) = training_groups.RUN.train(task, None, [10])
    predict, _ = training.predictor(task, trained)
    x, t, y = torch.randn(2, 9, 1), torch.full((2, 9), 0.3), torch.rand(2, 9, 1)
    mixed = training.guided(predict, torch.tensor([1.0, 3.0]))(x, t, y)
    with_y, without = predict(x, t, y, False), predict(x, t, y, True)
    assert torch.equal(mixed[0], with_y[0])
    assert torch.equal(training.guided(predict, torch.ones(2))(x, t, y), with_y)
    assert torch.allclose(mixed[1], (3 * with_y - 2 * without)[1])


@pytest.mark.parametrize("p", [SMALL, dataclasses.replace(SMALL, y_dim=0, beta=2.0), latent.Params(n=8, points=16)])
def test_the_true_prediction_errs_nowhere(p: Params) -> None:
    task = problem.build([dataclasses.replace(p, precision="float64")], [Context(0)])
    found = evaluation.score_errors(task, evaluation.probe(task), evaluation.exact(task), task.basis)
    for name in {"score_mse", "score_mse_uncond", "score_mse_orthogonal", "subspace_error"} & found.keys():
        assert float(found[name].abs().max()) < 1e-12
    if p.x_dim == 1:
        assert float(evaluation.density_error(task, evaluation.exact(task))) < 0.025


def test_the_true_prediction_is_the_mean_of_the_clean_points() -> None:
    task = problem.build([dataclasses.replace(SMALL, precision="float64")], [Context(0)])
    x0, y = (part[None] for part in problem.drawn(task.laws[0], task.basis[0], 20_000, Context(0).generator()))
    t = torch.full((1, 20_000), 0.5, dtype=torch.float64)
    noise = torch.randn(x0.shape, generator=Context(1).generator(), dtype=torch.float64)
    x = torch.exp(-t / 2)[..., None] * x0 + (1 - torch.exp(-t)).sqrt()[..., None] * noise
    for hidden, test in ((False, torch.cos(4 * y)), (True, torch.tanh(x))):
        away = (torch.exp(-t / 2)[..., None] * x0 - evaluation.exact(task)(x, t, y, hidden)) * test
        assert abs(float(away.mean())) < 5 * float(away.std()) / 20_000**0.5


def test_training_learns_both_scores() -> None:
    p = Params(fresh=True, n=1, steps=300, points=64, samples=256, beta=2.0)
    ((_, row),) = load(rate).run(p, Context(0))
    assert row.score_mse is not None and row.score_mse_uncond is not None and row.tv is not None
    assert row.score_mse < 0.1 and row.score_mse_uncond < 0.1
    assert row.tv < 0.4
    assert row.tv_sampled is not None and row.tv_noise is not None and row.tv_sampled < 0.3 + row.tv_noise


def test_a_subspace_is_learnt_with_its_law() -> None:
    ((_, row),) = load(latent).run(latent.Params(fresh=True, n=1, x_dim=1, steps=300, points=64), Context(0))
    assert row.subspace_error < 0.02
    assert row.score_mse == pytest.approx(row.score_mse_on_support + row.score_mse_orthogonal, rel=1e-4)


def test_kernel_estimates_have_one_row_and_no_score() -> None:
    found = rows(rate, [Params(n=n, estimator="kde", y_dim=0) for n in (64, 4096)], [Context(0)] * 2)
    assert sorted(found) == [(0, 0), (1, 0)]
    assert found[0, 0]["tv"] > found[1, 0]["tv"] > 0
    assert found[0, 0]["score_mse"] is None and found[0, 0]["n_params"] == 0


def test_a_group_is_as_large_as_memory_allows() -> None:
    wide = dataclasses.replace(SMALL, width=256, batch=8192)
    assert training_groups.RUN.room(SMALL, "cpu") > 20 > training_groups.RUN.room(wide, "cpu") >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"assumption": "lipschitz"}, "assumption must be one of strong, generic, but got 'lipschitz'"),
        ({"estimator": "ols"}, "estimator must be one of transformer, kde, but got 'ols'"),
        ({"mask": 1.0}, r"mask must lie in \[0, 1\)"),
        ({"t0": 5.0}, "times must have 0 < t0 < horizon"),
        ({"width": 0}, "width must be at least 1, but got 0"),
        ({"estimator": "kde", "x_dim": 2}, "estimator 'kde' needs data at once and one or two dimensions"),
    ],
)
def test_what_means_nothing_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(iter(rate.run_pack([dataclasses.replace(SMALL, **change)], [Context(0)])))


def test_a_subspace_cannot_be_smaller_than_its_law() -> None:
    with pytest.raises(ValueError, match="ambient_dim must be at least x_dim = 2, but got 1"):
        problem.check(latent.Params(ambient_dim=1))
