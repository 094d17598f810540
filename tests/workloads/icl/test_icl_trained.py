"""icl.trained: causal attention, rivals against closed forms, groups, checkpoints, a kill, and a baseline that peeks."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from orchestrator.workload.context import Context
from workloads.icl import trained
from workloads.icl.maths import prompts, rivals, scores, teachers, transformer
from workloads.icl.maths.prompts import Task
from workloads.icl.trained import Params

SMALL = Params(context=8, steps=40, batch=8, prompts=8, width=8, heads=2, direct_steps=6, direct_width=4)


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


def rows(params: Sequence[Params], ctxs: Sequence[Context]) -> dict[tuple[int, int], dict[str, Any]]:
    """Rows by (index, step)."""
    told = {}
    for columns in trained.run_pack(params, ctxs):
        for place, index in enumerate(columns["index"]):
            told[index, columns["step"][place]] = {name: columns[name][place] for name in trained.NAMES}
    return told


def weights_after(seeds: Sequence[int], p: Params) -> torch.Tensor:
    """Flat parameters (models, P) after 50 steps."""
    task = Task([dataclasses.replace(p, mean=-0.5 * seed) for seed in seeds], [Context(seed) for seed in seeds])
    ((ensemble, _),) = trained.train(task, None, [50])
    return ensemble.flat


@pytest.mark.parametrize("kind", ["softmax", "relu"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_transformer_learns_in_a_stack_what_it_learns_alone(kind: Any, precision: Any, tolerance: float) -> None:
    p = dataclasses.replace(SMALL, kind=kind, precision=precision, steps=50)
    together = weights_after(range(4), p)
    for place in (1, 3):
        alone = weights_after([place], p)[0]
        assert float((together[place] - alone).norm() / alone.norm()) < tolerance


@pytest.mark.parametrize("taken", [1, 7, 19])
def test_a_training_cut_off_after_any_row_goes_on_bitwise(taken: int) -> None:
    points = [SMALL, dataclasses.replace(SMALL, mean=0.0)]
    whole = rows(points, [Context(0), Context(1)])
    ctxs = [Kept(0), Kept(1)]
    pack = trained.run_pack(points, ctxs)
    for _ in range(taken):
        next(pack)
    pack.close()
    rest = rows(points, ctxs)
    assert sorted({step for _, step in rest}) == list(range(2, 41, 2))[taken:]
    assert repr(rest) == repr({at: row for at, row in whole.items() if at in rest})


def test_only_the_last_row_has_scores_and_gaps_are_differences() -> None:
    told = rows([SMALL], [Context(0)])
    assert all(row["r2_full"] is None and row["loss"] is not None for (_, step), row in told.items() if step < 40)
    row = told[0, 40]
    for gap in ("quarter", "half", "full"):
        assert row[f"gap_{gap}"] == row[f"r2_{gap}"] - row[f"direct_{gap}"]
    assert row["gap_best_full"] == row["r2_full"] - row["direct_best_full"]
    assert row["gap_ridge_full"] == row["r2_full"] - row["ridge_full"]
    assert row["diabetes_full"] is None
    assert rows([dataclasses.replace(SMALL, dim=10, steps=1)], [Context(0)])[0, 1]["diabetes_ridge"] is not None


@pytest.mark.parametrize("kind", ["softmax", "relu"])
def test_a_prediction_sees_the_examples_before_it_and_no_other(kind: Any) -> None:
    p = dataclasses.replace(SMALL, kind=kind)
    task = Task([p], [Context(0)])
    parameters = {name: part[None] for name, part in transformer.initial(p, 25, Context(0).generator(), torch.float32).items()}
    tests = prompts.tests(task)
    before = transformer.predict(parameters, tests.x, tests.y, p)
    y = tests.y.clone()
    y[:, :, 4] += 1.0
    after = transformer.predict(parameters, tests.x, y, p)
    assert torch.equal(before[..., :5], after[..., :5])
    assert bool((before[..., 5:] != after[..., 5:]).all())


def test_the_query_behind_a_context_is_the_next_position_of_a_prompt() -> None:
    task = Task([SMALL], [Context(0)])
    parameters = {
        name: part[None] for name, part in transformer.initial(SMALL, 25, Context(0).generator(), torch.float32).items()
    }
    tests = prompts.tests(task)
    behind = scores.in_context(parameters, dataclasses.replace(tests, queries=tests.x[:, :, 4:5]), 4, SMALL)
    assert torch.allclose(behind[..., 0], transformer.predict(parameters, tests.x, tests.y, SMALL)[..., 4], atol=1e-6)


def test_targets_have_a_standard_deviation_of_one() -> None:
    task = Task([Params(mean=-2.0)], [Context(0)])
    weights = torch.randn(1, 40, teachers.count(task.layer_sizes), generator=Context(0).generator())
    spread = teachers.targets(weights, task.layer_sizes, task.probes(), task.probes()).std(-1)
    assert float(spread.max()) == pytest.approx(1.0, abs=1e-4)
    assert float(spread.median()) == pytest.approx(1.0, abs=1e-4)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_ridge_is_that_of_scikit_learn() -> None:
    x, y, queries = drawn(3, 9, 4), drawn(3, 9, seed=1), drawn(3, 5, 4, seed=2)
    ours = rivals.ridge(x, y, queries)
    for i in range(3):
        theirs = Ridge(alpha=rivals.RIDGE).fit(x[i].numpy(), y[i].numpy()).predict(queries[i].numpy())
        assert np.allclose(ours[i].numpy(), theirs, rtol=0, atol=1e-10)


def test_neighbours_and_the_mean_are_means() -> None:
    x, y = torch.tensor([[[0.0], [1.0], [2.0], [9.0]]]), torch.tensor([[1.0, 2.0, 6.0, 100.0]])
    assert rivals.nearest(x, y, torch.tensor([[[0.9]]])).item() == pytest.approx(3.0)
    assert rivals.constant(x, y, torch.tensor([[[0.9]]])).item() == pytest.approx(27.25)


def test_the_kernel_is_the_covariance_of_wide_networks() -> None:
    x = drawn(1, 2, 3)
    width, weights = 400, []
    generator = torch.Generator().manual_seed(1)
    for inputs, units in ((3, width), (width, 1)):
        weights.append(torch.randn(400, units, inputs, dtype=torch.float64, generator=generator) * (2 / inputs) ** 0.5)
    said = teachers.outputs(weights, x.expand(400, -1, -1))
    kernel = 2 * rivals.wide_kernel(x, x, 2)[0]  # the last layer has variance 2 over inputs too
    assert torch.allclose(said.mT @ said / 400, kernel, rtol=0.25, atol=0.25 * float(kernel.max()))


def test_r2_is_pooled_over_prompts() -> None:
    answers = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])
    said = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert scores.r2(said, answers).item() == pytest.approx(1 - 4 / 14)


@pytest.mark.parametrize(("size", "held"), [(16, [3, 7, 11, 15]), (8, [3, 7]), (4, [3]), (3, [2]), (2, [1]), (1, [])])
def test_one_example_in_four_is_held_out(size: int, held: list[int]) -> None:
    made = rivals.examples_of(drawn(2, 16, 3), drawn(2, 16), size, hold=True)
    assert made.validation[0].nonzero().flatten().tolist() == held
    assert made.trained[0].nonzero().flatten().tolist() == [i for i in range(size) if i not in held]


def course() -> tuple[rivals.Direct, rivals.Direct, torch.Tensor, prompts.Tests]:
    """Direct trainings of the first prompts, stopped by held-out examples, with the answers."""
    task = Task([dataclasses.replace(SMALL, context=16, prompts=32)], [Context(0)])
    tests = prompts.tests(task)
    x, y, queries = tests.x[0, :, :16], tests.y[0, :, :16], tests.queries[0]
    stops = [rivals.direct(rivals.examples_of(x, y, 16, hold=hold), queries, [3, 16, 16, 1], 60) for hold in (True, False)]
    return stops[0], stops[1], tests.answers, tests


def test_direct_training_learns_and_its_stop_is_one_of_its_epochs() -> None:
    held, whole, answers, _ = course()
    first, last = (float(scores.r2(epoch[None], answers)) for epoch in (whole.epochs[0], whole.epochs[-1]))
    assert last > 0.8 > first
    assert bool((held.epochs == held.stopped).all(2).any(0).all())
    assert torch.equal(whole.stopped, whole.epochs[-1])  # nothing held out: the last


def test_a_baseline_that_is_stopped_by_test_is_better_than_one_by_held_out_examples() -> None:
    held, _, answers, _ = course()
    errors = (held.epochs - answers[0]).square().sum(2)
    peeking = held.epochs[errors.argmin(0), torch.arange(errors.shape[1])]
    honest, best = float(scores.r2(held.stopped[None], answers)), float(scores.r2(peeking[None], answers))
    assert best > honest + 0.005


@pytest.mark.parametrize("shift", [{"far": 0.5}, {"shift": 0.5}])
def test_shifted_tests_share_everything_else(shift: dict[str, float]) -> None:
    task = Task([SMALL], [Context(0)])
    plain, other = prompts.tests(task), prompts.tests(task, **shift)
    moved = (plain.x != other.x).any(-1)
    assert float(moved.double().mean()) == pytest.approx(0.5 if "far" in shift else 0.0, abs=0.1)
    assert torch.allclose((other.x - plain.x)[moved], torch.full((int(moved.sum()), 3), 4.0))
    assert not torch.equal(plain.y, other.y)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="heads must divide the width"):
        list(trained.run_pack([SMALL, dataclasses.replace(SMALL, heads=3)], [Context(0), Context(1)]))
