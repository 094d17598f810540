"""dit_latent.rate and dit_latent.early_stopping: groups, checkpoints, bounds row by row, and estimators of known rates."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from orchestrator.worker.batch import Batch
from orchestrator.worker.pace import Pace
from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from tests.helpers.running import Basket, measured
from workloads.dit_latent import early_stopping, rate
from workloads.dit_latent.maths import estimators, evaluation, latents, network, problem, training, training_groups
from workloads.dit_latent.maths.latents import Latent
from workloads.dit_latent.maths.problem import Params
from workloads.shared.diffusion import process
from workloads.shared.diffusion import times as diffusion_times
from workloads.shared.training import ensemble

SMALL = Params(latent_dim=2, n=32, steps=50, every=20, batch=32, points=16, samples=64, sampler_steps=8)
# One shape, and everything that may differ within it.
GROUP = [
    dataclasses.replace(SMALL, n=8 + 5 * i, t0=0.02 * (1 + i % 3), family=latents.NAMES[i % 3], learning_rate=1e-3 * (1 + i))
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


def group(params: Sequence[Params], precision: str) -> torch.Tensor:
    """Parameters (models, P) after 50 steps."""
    made = [dataclasses.replace(p, precision=precision) for p in params]
    task = problem.build(made, [Context(p.n) for p in made])
    (trained,) = training_groups.RUN.train(task, None, [50])
    return trained.flat


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_network_learns_in_a_group_of_twelve_what_it_learns_alone(precision: str, tolerance: float) -> None:
    together = group(GROUP, precision)
    for place in (0, 7, 11):
        alone = group(GROUP[place : place + 1], precision)[0]
        assert float((together[place] - alone).norm() / alone.norm()) < tolerance


def test_with_even_sides_a_network_learns_the_same_digits_in_any_company() -> None:
    together = group(GROUP, "float32")
    assert torch.equal(together[4], group(GROUP[4:5], "float32")[0])
    assert torch.equal(together[3:8], group(GROUP[3:8], "float32"))


@pytest.mark.parametrize("taken", [1, 2])
def test_a_training_cut_off_after_any_row_goes_on_bitwise(taken: int) -> None:
    whole = rows(rate, GROUP[:3], [Context(i) for i in range(3)])
    ctxs = [Kept(i) for i in range(3)]
    pack = rate.run_pack(GROUP[:3], ctxs)
    for _ in range(taken):
        next(pack)
    pack.close()  # type: ignore[attr-defined]
    assert [torch.load(io.BytesIO(c.files[-1]), weights_only=True)["step"] for c in ctxs] == [20 * taken] * 3
    rest = rows(rate, GROUP[:3], ctxs)
    assert sorted({step for _, step in rest}) == [20, 40, 50][taken:]
    assert repr(rest) == repr({at: row for at, row in whole.items() if at in rest})


def test_a_pack_that_ran_out_of_memory_gives_the_rows_of_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    workload, loss, sizes = load("dit_latent.rate"), training.loss, []

    def scarce(task: Any, parameters: Any, batch: Any) -> torch.Tensor:
        sizes.append(len(parameters["subspace"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loss(task, parameters, batch)

    params = {f.name: [getattr(p, f.name) for p in GROUP] for f in workload.params}
    named = {"pack": "p", "index": list(range(12)), "ids": [f"{i:016x}" for i in range(12)], "seeds": list(range(12))}
    batch = Batch(**named, params=params, seconds=600.0, together=12)  # type: ignore[arg-type]
    whole, pace = measured(workload, batch, Basket())[1], Pace()
    monkeypatch.setattr(training, "loss", scarce)
    split = measured(workload, batch, Basket(), pace=pace)[1]
    assert max(size for size in sizes if sizes.count(size) > 10) == 3 and list(pace.caps.values()) == [3]
    errors = [{(r["point"], r["step"]): r["score_mse"] for r in found} for found in (whole, split)]
    assert errors[1] == pytest.approx(errors[0], rel=rate.TOLERANCE) and len(errors[0]) == 36


def test_models_saved_at_different_steps_each_go_on_from_their_own() -> None:
    ctxs = [Kept(i) for i in range(2)]
    next(iter(rate.run_pack(GROUP[:1], ctxs[:1])))
    found = rows(rate, GROUP[:2], ctxs)
    assert sorted(found) == [(0, 40), (0, 50), (1, 20), (1, 40), (1, 50)]


def test_a_training_saved_at_its_end_has_no_row_left() -> None:
    ctxs = [Kept(0)]
    assert rows(rate, GROUP[:1], ctxs)
    assert not rows(rate, GROUP[:1], ctxs)


def test_the_best_row_is_remembered_across_a_checkpoint() -> None:
    # A single point is learnt by heart: from some step on the score gets worse, whatever the seed and the last digits.
    p = early_stopping.Params(latent_dim=2, n=1, steps=128, octaves=1, batch=32, points=16, learning_rate=0.02)
    whole, ctxs = rows(early_stopping, [p], [Context(6)]), [Kept(6)]
    pack = iter(early_stopping.run_pack([p], ctxs))
    for _ in range(7):
        next(pack)
    last = rows(early_stopping, [p], ctxs)[0, 128]
    assert last == whole[0, 128]
    assert last["best_step"] < 128 and last["excess"] > 1


def test_a_long_training_on_few_points_learns_them_by_heart() -> None:
    p = early_stopping.Params(latent_dim=1, ambient_dim=2, n=4, steps=400, octaves=0, schedule="cosine", learning_rate=0.01)
    ((_, row),) = load(early_stopping).run(p, Context(1))
    assert row.memory_loss is not None and row.memorised is not None
    assert row.memory_loss < row.train_loss < row.true_loss
    assert 0.3 < row.memorised < 1.05


def test_bounds_hold_row_by_row_even_before_training() -> None:
    points = [dataclasses.replace(SMALL, steps=s, every=0, samples=256) for s in (1, 30) for _ in range(2)]
    for row in rows(rate, points, [Context(i) for i in range(4)]).values():
        assert row["tv"] <= row["tv_bound"] + row["tv_noise"]
        assert row["orthogonal_variance"] <= row["orthogonal_bound"]


def test_parts_of_the_error_make_the_whole() -> None:
    for row in rows(rate, GROUP[:3], [Context(i) for i in range(3)]).values():
        assert row["score_mse"] == pytest.approx(row["score_mse_on_support"] + row["score_mse_orthogonal"], rel=1e-4)
        assert row["optimisation_gap"] == pytest.approx(row["train_loss"] - row["true_loss"], abs=1e-4)


def test_training_learns_the_score_and_its_subspace() -> None:
    p = dataclasses.replace(SMALL, fresh=True, steps=400, every=0, batch=64, points=64, samples=0)
    ((_, row),) = load(rate).run(p, Context(0))
    assert row.relative_mse < 0.01
    assert row.subspace_error < 0.01
    assert row.tv is None


def test_errors_by_time_average_to_the_whole() -> None:
    p = dataclasses.replace(SMALL, samples=0, every=0)
    ((_, row),) = load(rate).run(p, Context(0))
    _, weight = process.quadrature(p.t0, p.horizon, diffusion_times.COUNT)
    errors = [getattr(row, f"mse_t{k + 1}") for k in range(diffusion_times.COUNT)]
    assert float(weight @ torch.tensor(errors, dtype=torch.float64)) == pytest.approx(row.score_mse, rel=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_true_score_s_loss_comes_to_its_floor_in_any_ambient_space(noise: float) -> None:
    points = [
        Params(latent_dim=2, ambient_dim=d, family="gaussian", ambient_noise=noise, fresh=True, steps=1, points=4000, samples=0)
        for d in (2, 3, 12)
    ]
    found = [row for p in points for row in rows(rate, [p], [Context(0)]).values()]
    for row in found:
        assert row["true_loss"] == pytest.approx(row["loss_floor"], rel=0.04)
    assert noise > 0 or len({round(row["loss_floor"], 9) for row in found}) == 1
    other = rows(rate, [dataclasses.replace(points[0], family="laplace", points=4)], [Context(0)])
    assert other[0, 1]["loss_floor"] is None


def test_a_network_that_predicts_zero_errs_by_the_baseline() -> None:
    task = problem.build([SMALL], [Context(0)])
    measure = rate.measured(task)
    found = measure(lambda x, t: torch.zeros_like(x), task.basis, False)
    assert float(found["relative_mse"]) == pytest.approx(1.0)
    assert float(found["score_mse_orthogonal"]) == pytest.approx(0.0, abs=1e-3)


def test_the_true_prediction_errs_nowhere() -> None:
    task = problem.build([dataclasses.replace(p, precision="float64") for p in GROUP[:3]], [Context(i) for i in range(3)])
    found = evaluation.score_errors(task, evaluation.probe(task), evaluation.exact(task), task.basis)
    for name in ("score_mse", "subspace_error", "optimisation_gap"):
        assert found[name].abs().max() < 1e-12


@pytest.mark.parametrize(("dim", "measured"), [(2, 0.00160), (4, 0.00440), (8, 0.01381)])
def test_the_fitted_gaussian_s_divergence_is_the_tabled_one(dim: int, measured: float) -> None:
    law, found = Latent("gaussian", dim), []
    for seed in range(300):
        h = latents.sample(law, 1600, Context(seed).generator())
        found.append(estimators.divergence(h, torch.diag(law.variances)))
    assert np.mean(found) == pytest.approx(dim * (dim + 3) / 6400, abs=5 * np.std(found) / 300**0.5)
    assert np.mean(found) == pytest.approx(measured, rel=0.1)


def test_the_plug_in_estimator_errs_like_one_over_n() -> None:
    sizes = [100, 400, 1600]
    points = [Params(latent_dim=2, n=n, estimator="plugin", family="gaussian", points=64, samples=0) for n in sizes] * 20
    found = rows(rate, points, [Context(i // 3) for i in range(60)])
    mse = np.array([found[i, 0]["score_mse"] for i in range(60)]).reshape(20, 3).mean(0)
    kl = np.array([found[i, 0]["latent_kl"] for i in range(60)]).reshape(20, 3).mean(0)
    for values in (mse, kl):
        assert np.polyfit(np.log(sizes), np.log(values), 1)[0] == pytest.approx(-1.0, abs=0.25)


def test_the_fitted_gaussian_s_total_variation_falls_like_a_root() -> None:
    sizes, law, x = [100, 400, 1600], Latent("gaussian", 1), np.linspace(-12, 12, 4001)
    true, found = stats.norm(0, 2).pdf(x), []
    for seed in range(60):
        h = latents.sample(law, sizes[-1], Context(seed).generator())
        for n in sizes:
            mean, covariance = estimators.moments(h[:n])
            found.append(0.5 * np.trapezoid(np.abs(stats.norm(float(mean), float(covariance) ** 0.5).pdf(x) - true), x))
    tv = np.array(found).reshape(60, 3).mean(0)
    assert np.polyfit(np.log(sizes), np.log(tv), 1)[0] == pytest.approx(-0.5, abs=0.06)


# The least time at which these numbers of points are enough, and slopes in n: -0.89 to -1.22 and -0.76 to -0.93 in pilots.
@pytest.mark.parametrize(("dim", "least", "steepest", "flattest"), [(1, 0.02, -1.3, -0.8), (2, 0.2, -1.2, -0.65)])
def test_the_smoothed_sample_errs_by_time_at_about_the_measured_rates(
    dim: int, least: float, steepest: float, flattest: float
) -> None:
    sizes, times, law = [100, 400, 1600], [least, 10 * least, 2.0], Latent("gaussian", dim)
    errors = np.zeros((3, 3))
    for seed in range(10):
        h = latents.sample(law, sizes[-1], Context(seed).generator("data"))
        clean = latents.sample(law, 200, Context(seed).generator("test"))
        noise = torch.randn(clean.shape, generator=Context(seed).generator("noise"), dtype=torch.float64)
        for j, t in enumerate(torch.tensor([[t] * 200 for t in times], dtype=torch.float64)):
            x = process.noisy(clean, t, noise)
            exact = latents.prediction(law, x, t)
            for i, n in enumerate(sizes):
                away = (estimators.smoothed(h[:n])(x, t) - exact) / process.variance(t)[:, None]
                errors[i, j] += float(away.square().sum(1).mean())
    slopes = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert (slopes > steepest).all() and (slopes < flattest).all()
    assert np.polyfit(np.log(times[:2]), np.log(errors[-1, :2]), 1)[0] == pytest.approx(-1.7, abs=0.4)


def test_noise_around_the_subspace_costs_what_perturbation_theory_says() -> None:
    # Squared error of n points' singular vectors: about 2 (D - d0) tau^2 (E[1/l] + tau^2 E[1/l^2])/n, l the moments of h.
    found = {}
    for tau, ambient, n in ((0.05, 8, 512), (0.2, 8, 512), (0.05, 32, 512), (0.05, 8, 1024)):
        p = Params(latent_dim=2, ambient_dim=ambient, n=n, ambient_noise=tau, estimator="plugin", points=2, samples=0)
        errors = [row["subspace_error"] for row in rows(rate, [p] * 12, [Context(i) for i in range(12)]).values()]
        found[tau, ambient, n] = np.mean(errors)
        moment = Latent("mixture", 2).least_moment  # both coordinates alike
        predicted = 2 * (ambient - 2) * tau**2 * 2 * (1 / moment + tau**2 / moment**2) / n
        assert found[tau, ambient, n] == pytest.approx(predicted, rel=0.3)


def test_the_smoothed_sample_errs_less_with_more_points() -> None:
    sizes = [32, 128, 512]
    points = [Params(latent_dim=1, n=n, estimator="empirical", points=64, samples=0) for n in sizes] * 8
    found = rows(rate, points, [Context(i // 3) for i in range(24)])
    mse = np.array([found[i, 0]["score_mse"] for i in range(24)]).reshape(8, 3).mean(0)
    assert -1.4 < np.polyfit(np.log(sizes), np.log(mse), 1)[0] < -0.4


@pytest.mark.parametrize("estimator", ["plugin", "empirical"])
def test_as_many_points_as_dimensions_span_the_subspace(estimator: str) -> None:
    p = Params(latent_dim=2, n=3, estimator=estimator, points=4, samples=0)
    noisy = dataclasses.replace(p, ambient_noise=0.2)
    errors = [row["subspace_error"] for row in rows(rate, [p, noisy], [Context(0)] * 2).values()]
    assert errors[0] < 1e-9 < 1e-4 < errors[1]


def test_the_minimiser_of_the_training_loss_is_the_data_s_own_score() -> None:
    data, u = torch.randn(5, 2, dtype=torch.float64), torch.randn(7, 2, dtype=torch.float64)
    t = torch.linspace(0.1, 1, 7, dtype=torch.float64)
    beta, sigma = torch.exp(-t / 2)[:, None, None], -torch.expm1(-t)[:, None, None]
    weights = torch.softmax(-((u[:, None] - beta * data) ** 2).sum(-1) / (2 * sigma[..., 0]), 1)
    mean = beta[:, 0] * (weights[..., None] * data).sum(1)
    assert torch.allclose(estimators.smoothed(data, clip=False)(u, t), mean, atol=1e-12)


@pytest.mark.parametrize(("dim", "tokens"), [(16, (4, 4)), (36, (9, 4)), (64, (16, 4)), (2, (2, 1)), (3, (1, 3))])
def test_the_reshape_layer_makes_patches(dim: int, tokens: tuple[int, int]) -> None:
    assert problem.reshape(Params(latent_dim=dim, ambient_dim=64)) == tokens


def test_weights_of_the_loss_agree_where_the_noise_is_one() -> None:
    task = problem.build([dataclasses.replace(SMALL, weight=k) for k in (0.0, 2.0)], [Context(0)] * 2)
    parameters = ensemble.begin(network.layout(SMALL), [network.initial(SMALL, Context(0).generator())] * 2).parameters
    clean, noise = torch.randn(2, 2, 9, 8)
    clean, noise, t = clean[:1].expand(2, -1, -1), noise[:1].expand(2, -1, -1), torch.full((2, 9), 40.0)
    losses = training.loss(task, parameters, {"clean": clean, "time": t, "noise": noise})
    assert float(losses[0]) == pytest.approx(float(losses[1]))


def test_a_group_is_as_large_as_memory_allows() -> None:
    wide = dataclasses.replace(SMALL, width=64, batch=4096)
    assert training_groups.RUN.room(SMALL, "cpu") > 100 > training_groups.RUN.room(wide, "cpu") >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "cauchy"}, "family must be one of gaussian, mixture, laplace, but got 'cauchy'"),
        ({"estimator": "ols"}, "estimator must be one of transformer, plugin, empirical, but got 'ols'"),
        ({"latent_dim": 9}, "latent_dim must lie between 1 and ambient_dim, but got 9 and 8"),
        ({"tokens": 3}, "tokens must divide latent_dim = 2, but got 3"),
        ({"t0": 0.0}, "0 < t0 < horizon, but got t0 = 0.0"),
        ({"steps": 0}, "steps must be at least 1, but got 0"),
        ({"samples": 1}, "samples must be 0 or at least 2, but got 1"),
        ({"estimator": "plugin", "n": 2}, "'plugin' more than latent_dim of them, but got fresh = False, n = 2"),
    ],
)
def test_trainings_that_mean_nothing_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(iter(rate.run_pack([dataclasses.replace(SMALL, **change)], [Context(0)])))
