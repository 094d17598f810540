"""ndlinear.accuracy: counts beside torch, outputs beside torch, stacks beside single trainings, data, refusals."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.workload.context import Context
from workloads.ndlinear import accuracy
from workloads.ndlinear.accuracy import Params
from workloads.ndlinear.maths import dial, network, pictures, training
from workloads.ndlinear.maths.network import Network
from workloads.shared.training import ensemble

SHORT: dict[str, Any] = {"n_train": 100, "steps": 20, "batch": 16}


def measured(*params: Params, seed: int = 0) -> list[dict[str, Any]]:
    """The last row of every point of a pack."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in accuracy.run_pack(params, [Context(seed)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


@pytest.mark.parametrize(
    ("kind", "width", "count"),
    [("nd", 16, 2858), ("nd", 8, 794), ("nd", 9, 982), ("dense", 38, 2860), ("dense", 256, 19210), ("dense", 13, 985)],
)
def test_counts_are_the_tabled_ones(kind: network.Kind, width: int, count: int) -> None:
    assert Network((8, 8), kind, 2, width, 10).layout.count == count


@pytest.mark.parametrize("budget", [985, 1665, 2860])
def test_three_budgets_match_within_half_a_percent(budget: int) -> None:
    counts = [network.of_budget((8, 8), kind, 2, 10, budget).layout.count for kind in ("nd", "dense")]
    assert abs(counts[0] - counts[1]) < 0.005 * budget
    widths = [network.of_budget((8, 8), kind, 2, 10, budget).width for kind in ("nd", "dense")]
    assert widths == {985: [9, 13], 1665: [12, 22], 2860: [16, 38]}[budget]


@pytest.mark.parametrize("kind", ["nd", "nd_sum", "dense", "lowrank"])
def test_the_width_is_the_one_whose_count_comes_nearest(kind: network.Kind) -> None:
    chosen = network.of_budget((4, 6), kind, 2, 3, 500)
    others = [Network((4, 6), kind, 2, chosen.width + step, 3).layout.count for step in (-1, 1)]
    assert all(abs(chosen.layout.count - 500) <= abs(other - 500) for other in others)


def test_a_sum_of_products_is_the_sum_of_single_ones() -> None:
    whole = Network((3, 4), "nd_sum", 2, 5, 2)
    model = {name: part[None] for name, part in whole.initial(torch.Generator().manual_seed(0)).items()}
    x = torch.randn(1, 6, 12)
    singles = [{name: part[:, t : t + 1] if "mode" in name else part for name, part in model.items()} for t in range(2)]
    one = Network((3, 4), "nd", 1, 5, 2)
    assert torch.allclose(whole._hidden(model, x), sum(one._hidden(single, x) for single in singles), atol=1e-5)


def test_dense_and_low_rank_networks_are_those_of_torch() -> None:
    x = torch.randn(1, 6, 12)
    for kind in ("dense", "lowrank"):
        net = Network((3, 4), kind, 2, 5, 3)  # type: ignore[arg-type]
        p = {name: part[None] for name, part in net.initial(torch.Generator().manual_seed(0)).items()}
        weight = p["weight"][0] if kind == "dense" else p["up"][0] @ p["down"][0]
        hidden = torch.relu(torch.nn.functional.linear(x[0], weight, p["bias"][0]))
        expected = torch.nn.functional.linear(hidden, p["head"][0], p["head_bias"][0])
        assert torch.allclose(net(p, x)[0], expected, atol=1e-6)


def test_products_are_those_of_a_dense_layer_and_of_modes() -> None:
    assert Network((8, 8), "dense", 2, 13, 10).macs == 64 * 13 + 13 * 10
    assert Network((8, 8), "nd", 2, 9, 10).macs == 8 * 9 * 8 + 9 * 8 * 9 + 81 * 10
    assert Network((8, 8), "lowrank", 2, 30, 10).macs == 2 * (64 + 30) + 30 * 10


def test_colours_stay_as_they_are() -> None:
    assert Network((32, 32, 3), "nd", 1, 7, 10).hidden == (7, 7, 3)


def test_a_stack_gives_what_each_training_gives_alone() -> None:
    points = [
        Params("digits", "nd", 400, permute=permute, learning_rate=rate, **SHORT)
        for permute in (False, True)
        for rate in (0.01, 0.003)
    ]
    for together, point in zip(measured(*points), points, strict=True):
        (alone,) = measured(point)
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-4)


def test_a_training_is_that_of_torch() -> None:
    point, ctx = Params("dial", "nd", 300, n_train=200, steps=30, batch=16), Context(4)
    examples, net = accuracy.examples(point, ctx), accuracy.built(point)
    trained = training.begun(net, [ctx], [None])
    weights = {name: part.clone().requires_grad_() for name, part in trained.parameters.items()}
    optimiser = torch.optim.Adam(weights.values(), lr=point.learning_rate)
    feed = ensemble.Feed(
        [ctx], lambda model, g, steps: examples.batch(examples.train[torch.randint(200, (steps, 16), generator=g)])
    )
    for step in range(30):
        optimiser.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + math.cos(math.pi * step / 30))
        optimiser.zero_grad()
        loss = (net(weights, feed(step)["x"]) - feed(step)["y"]).square().mean()
        loss.backward()
        optimiser.step()
    training.train(net, [examples], [point], [ctx], trained, 30)
    assert all(torch.allclose(part, weights[name], atol=1e-4) for name, part in trained.parameters.items())


def test_arms_of_a_seed_share_data_split_and_permutation() -> None:
    first, second = (accuracy.examples(Params("digits", kind, 985, permute=True), Context(3)) for kind in ("nd", "dense"))
    for name in ("inputs", "targets", "train", "test", "columns"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert not set(first.train.tolist()) & set(first.test.tolist())
    other = accuracy.examples(Params("digits", "nd", 985, permute=True), Context(4))
    assert not torch.equal(first.columns, other.columns) and not torch.equal(first.test, other.test)  # type: ignore[arg-type]


def test_a_permutation_moves_places_and_changes_no_value() -> None:
    plain, moved = (accuracy.examples(Params("digits", "nd", 985, permute=permute), Context(3)) for permute in (False, True))
    x, y = (part.batch(part.test)["x"] for part in (plain, moved))
    assert torch.equal(x.sort(1).values, y.sort(1).values) and not torch.equal(x, y)


def test_targets_of_the_dial_have_the_variance_that_they_are_said_to_have() -> None:
    for alpha in (0.0, 1.0):
        x, y = dial.sample(alpha, 100_000, Context(0).generator("functions"), Context(0).generator("points"))
        assert float(y.mean()) == pytest.approx(0, abs=0.02) and float(y.var()) == pytest.approx(1, abs=0.05)
        assert x.shape == (100_000, 64)


def test_units_of_a_product_can_be_the_separable_target_and_not_the_entangled_one() -> None:
    params = [Params("dial", "nd", 985, alpha=alpha, n_train=2000) for alpha in (0.0, 1.0)]
    separable, entangled = measured(*params)
    assert separable["loss_over_variance"] < 0.1 and entangled["loss_over_variance"] > 0.5
    assert separable["accuracy"] is None and separable["loss"] > 0


def test_digits_are_learnt_from_a_saved_state_as_in_one_go() -> None:
    class StatesInMemory:
        """States in a dict."""

        def __init__(self) -> None:
            self.states: dict[int, Any] = {}

        def get(self, position: int) -> Any:
            return self.states.get(position)

        def put(self, position: int, state: Any) -> None:
            self.states[position] = state

    point, states = Params("digits", "nd", 400, every=10, **SHORT), StatesInMemory()
    whole = [columns["loss"] for columns in accuracy.run_pack([point], [Context(0)])]
    stream = accuracy.run_pack([point], [Context(0, "cpu", states)])
    first = next(stream)["loss"]
    again = [columns["loss"] for columns in accuracy.run_pack([point], [Context(0, "cpu", states)])]
    assert [first, *again] == whole and len(whole) == 2


def test_breast_cancer_is_a_table_of_statistics_and_measurements() -> None:
    table = pictures.load("breast_cancer")
    assert table.shape == (3, 10) and table.classes == 2
    examples = accuracy.examples(Params("breast_cancer", "nd", 300, n_train=400), Context(0))
    assert torch.allclose(examples.inputs[examples.train].mean(0), torch.zeros(30), atol=1e-4)
    assert torch.allclose(examples.inputs[examples.train].std(0, correction=0), torch.ones(30), atol=1e-3)


def written(folder: Path, columns: dict[str, list[Any]]) -> str:
    """A CSV file of those columns, by its path."""
    path = folder / "table.csv"
    lines = [",".join(columns), *(",".join(map(str, line)) for line in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_csv_is_learnt_and_has_the_most_square_shape(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).normal(size=(60, 12))
    path = written(
        tmp_path, {f"f{k}": draws[:, k].tolist() for k in range(12)} | {"label": ["b" if x > 0 else "a" for x in draws[:, 0]]}
    )
    assert pictures.load(path).shape == (3, 4)
    (row,) = measured(Params(path, "nd", 100, n_train=40, steps=20, batch=16))
    assert 0 <= row["accuracy"] <= 1
    assert pictures.square(7) == (7, 1) and pictures.square(36) == (6, 6)


def batches(folder: Path) -> None:
    """CIFAR's files with two pictures each."""
    for number, name in enumerate(pictures.BATCHES):
        pixels = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072) % 256
        (folder / name).write_bytes(pickle.dumps({b"data": pixels.astype(np.uint8), b"labels": [number % 2, 1]}))


def test_cifar_s_batches_are_read_and_colours_stand_last(tmp_path: Path) -> None:
    batches(tmp_path)
    table = pictures.load(str(tmp_path))
    assert table.shape == (32, 32, 3) and table.inputs.shape == (12, 3072) and table.classes == 2
    assert table.inputs[0].view(32, 32, 3)[0, 1].tolist() == pytest.approx([1 / 255, 1 / 255, 1 / 255])
    (row,) = measured(Params(str(tmp_path), "nd", 2000, n_train=8, steps=2, batch=4))
    assert row["n_params"] == pytest.approx(2000, rel=0.1)


def test_a_pickle_that_calls_something_is_not_read(tmp_path: Path) -> None:
    batches(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Path("somewhere")))
    with pytest.raises(pickle.UnpicklingError, match=r"arrays and lists alone, but names pathlib"):
        pictures.load(str(tmp_path))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("digits", "nd", 30), r"smallest network, but got budget = 30 and width 1 of 'nd' has 38 numbers"),
        (Params("digits", "dense", 50), r"width 1 of 'dense' has 85 numbers; raise it"),
        (Params("digits", "nd", 985, n_train=1438), r"n_train must be at most 1437 of 'digits', .* got n_train = 1438"),
        (Params("digits", "lowrank", 985, terms=65), r"terms must be at most the 64 inputs, but got terms = 65"),
        (Params("nowhere.csv", "nd", 985), r"data must be one of dial, digits, .* got 'nowhere.csv', which is not there"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 2], "b": [1, 2]}, r"a column 'label' must hold the class, but there are a, b"),
        ({"a": [1, 1], "label": ["x", "y"]}, r"must hold numbers that differ, but a is constant"),
        ({"a": [1, "?"], "label": ["x", "y"]}, r"a holds a cell that is no number"),
        ({"a": [1, 2], "label": ["x", "x"]}, r"'label' must hold two classes at least"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(Params(written(tmp_path, columns), "nd", 100, n_train=1))


def test_a_folder_without_batches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold CIFAR's data_batch_1, .* test_batch is missing"):
        measured(Params(str(tmp_path), "nd", 100))


def test_no_stack_holds_more_activations_than_stated() -> None:
    for budget in (985, 100_000):
        point = Params("digits", "nd", budget)
        assert accuracy.STUDY.room(point, "cpu") * point.batch * accuracy.built(point).activations <= 1 << 26
