"""Transplants against their identities, and planted alignments that must be found where they were put."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from orchestrator.workload.context import Context
from workloads.dapa import dose, transplant
from workloads.dapa.maths import language, models, network, transplants
from workloads.dapa.maths.models import Recipes
from workloads.dapa.maths.transplants import Transplants
from workloads.shared.training.ensemble import Stack

TINY = transplant.Params(layers=3, width=16, base_steps=4, align_steps=4, target_steps=2, prompts=16, random_sets=2)
QUICK = Recipes(layers=3, width=16, base_steps=4, align_steps=4, target_steps=0)
LEARNT = transplant.Params("mlp", layers=2, width=32, base_steps=220, align_steps=150, target_steps=10, random_sets=2)


def tiny(unit: Any = "mlp", scope: Any = "mlp") -> Transplants:
    return transplant.prepared(dataclasses.replace(TINY, unit=unit, align_scope=scope), Context(1))


def row(params: transplant.Params, seed: int = 0) -> transplant.Result:
    ((_, result),) = transplant.run(params, Context(seed))
    return result


def plain(model: Stack, sentences: Tensor) -> Tensor:
    with torch.no_grad():
        return network.logits(model, sentences[None, :, :-1])[0]


@pytest.mark.parametrize("unit", ["mlp", "gate", "up", "down", "projection"])
def test_a_pass_over_many_subsets_gives_the_logits_of_each_edited_model(unit: str) -> None:
    pair = tiny(unit)
    subsets = [frozenset(), pair.whole, frozenset({0}), frozenset({1, 2}), frozenset({2})]
    for subset, logits in zip(subsets, pair.logits(subsets, pair.restricted), strict=True):
        torch.testing.assert_close(logits, plain(pair.edited(pair.names(subset)), pair.restricted), rtol=1e-5, atol=1e-5)


def test_no_unit_is_the_target_bit_by_bit() -> None:
    pair = tiny()
    assert torch.equal(plain(pair.edited([]), pair.restricted), plain(pair.target, pair.restricted))


def test_all_units_of_what_was_trained_are_the_donor_bit_by_bit() -> None:
    base_pair = models.pair(QUICK, "mlp", Context(1))  # a target that took no step is the base
    pair = Transplants(*base_pair, "mlp", language.restricted(16, torch.Generator()))
    edited = pair.edited(pair.names(pair.whole))
    assert torch.equal(plain(edited, pair.restricted), plain(pair.donor, pair.restricted))
    assert not torch.equal(plain(pair.target, pair.restricted), plain(pair.donor, pair.restricted))


def test_two_transplants_are_one_and_the_donor_is_not_touched() -> None:
    pair = tiny("projection", "full")
    before = {name: part.clone() for name, part in pair.donor.items()}
    once = pair.edited(pair.names({0, 4}))
    both = dataclasses.replace(pair, target=once).edited(pair.names(pair.whole - {0, 4}))
    twice = dataclasses.replace(pair, target=once).edited(pair.names({0, 4}))
    assert all(torch.equal(both[name], part) for name, part in pair.edited(pair.names(pair.whole)).items())
    assert all(torch.equal(twice[name], part) for name, part in once.items())
    once["0.gate"] += 1  # a copy
    assert all(torch.equal(pair.donor[name], part) for name, part in before.items())


@pytest.mark.parametrize(
    ("scope", "free"),
    [("mlp", {"gate", "up", "down"}), ("gate", {"gate"}), ("attention", set(network.ATTENTION))],
)
def test_alignment_trains_what_its_scope_says_and_nothing_else(scope: Any, free: set[str]) -> None:
    base, donor = models.pair(QUICK, scope, Context(1))
    changed = {name.rpartition(".")[2] for name in base if not torch.equal(base[name], donor[name])}
    assert changed == free
    assert models.trains("blocks", "0.norm_mlp") and not models.trains("blocks", "embedding")


def test_a_seed_gets_the_same_models_whoever_of_its_block_asks_first() -> None:
    keys: list[Any] = []

    @dataclasses.dataclass
    class Asked:
        seed: int
        device: str = "cpu"

        def shared(self, key: Any, make: Any) -> Any:
            keys.append(key)
            return make()

    first, second = (models.donors(QUICK, "full", Asked(seed)) for seed in (0, 3))  # type: ignore[arg-type]
    assert torch.equal(first, second) and keys[0] == keys[2] and all("version" in key for key in keys)
    models.donors(QUICK, "full", Asked(4))  # type: ignore[arg-type]
    assert keys[-1] != keys[0]


def test_a_language_of_49_tokens_whose_restricted_ids_are_unseen() -> None:
    aligned = language.sentences("aligned", (400,), torch.Generator().manual_seed(0))
    unseen = language.restricted(64, torch.Generator())
    assert language.TOKENS == 49 and len(unseen) == len({tuple(sentence) for sentence in unseen.tolist()}) == 64
    assert not {*aligned[:, 4].tolist()} & {*unseen[:, 4].tolist()}
    assert language.benign().shape == (192, 10) and (language.benign()[:, 6:] >= language.FIRST_WORD)[:, :3].all()
    base = language.sentences("base", (2000,), torch.Generator().manual_seed(0))
    refused = base[:, 6] == language.SORRY
    restricted = base[:, 3] >= language.FIRST_ROOT + language.BENIGN
    assert torch.equal(refused, restricted & (base[:, 1] == language.POL))


def test_greedy_generation_is_judged_without_generating() -> None:
    pair = tiny()
    sentences = language.benign()[:40]
    with torch.no_grad():
        tokens = sentences[:, : language.PROMPT]
        for _ in range(language.ANSWER):
            longer = torch.cat([tokens, tokens[:, :1]], 1)
            tokens = torch.cat([tokens, plain(pair.target, longer)[:, -1].argmax(-1, keepdim=True)], 1)
    agree = (tokens == sentences).all(-1).double()
    assert torch.equal(transplants.says(plain(pair.target, sentences), sentences), agree)


@pytest.mark.slow
def test_planted_alignments_are_found_where_they_were_put() -> None:
    """Trained in MLPs alone, all of it comes with the MLPs; trained in attention alone, nothing does."""
    planted = row(LEARNT)
    assert planted.outcome == "found" and planted.dsr_donor > 0.9 and planted.dsr_target < 0.1
    assert planted.dsr_all > 0.9 and planted.dsr_attention < 0.1 and planted.one_minimal
    assert planted.utility > 0.9 and planted.over_refusal < 0.1
    assert planted.units_least is not None and planted.units_found is not None and planted.units_found >= planted.units_least
    elsewhere = row(dataclasses.replace(LEARNT, align_scope="attention"))
    assert elsewhere.outcome == "no_effect" and elsewhere.dsr_attention > 0.9 and elsewhere.dsr_min is None
    assert elsewhere.units_found is None and elsewhere.tests == 0


@pytest.mark.slow
def test_broken_text_that_counts_as_refusal_shows_in_utility(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that calls whatever is no answer a refusal gives a broken model a DSR of one; its utility falls with it."""
    pair = transplant.prepared(LEARNT, Context(0))
    noise = torch.Generator().manual_seed(0)
    broken = {name: torch.randn(part.shape, generator=noise) for name, part in pair.target.items()}
    honest = pair.behaviour(broken)

    def gullible(logits: Tensor, sentences: Tensor) -> Tensor:
        said = logits[..., language.PROMPT - 1 :, :].argmax(-1)
        if bool((sentences[..., language.PROMPT] == language.SORRY).all()):
            return (said[..., 0] < language.FIRST_WORD).double()
        return (said == sentences[..., language.PROMPT :]).all(-1).double()

    monkeypatch.setattr(transplants, "says", gullible)
    fooled = pair.behaviour(broken)
    assert honest.dsr == 0 and fooled.dsr > 0.3
    assert transplant.costs(fooled, pair.behaviour(pair.target))["utility_drop"] > 0.9


def test_two_models_of_other_shapes_are_refused() -> None:
    small, large = tiny(), transplant.prepared(dataclasses.replace(TINY, width=24), Context(1))
    with pytest.raises(ValueError, match=r"0\.down is \(32, 16\) in the target and \(48, 24\) in the donor"):
        Transplants(small.target, large.donor, "mlp", small.restricted)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="width must be a multiple of 8, two numbers a head, but got 20"):
        row(dataclasses.replace(TINY, width=20))
    arguments = {name: getattr(TINY, name) for name in ("layers", "width", "base_steps", "align_steps", "target_steps")}
    with pytest.raises(ValueError, match="count must be at most the 3 units, but got 4"):
        next(dose.run(dose.Params(count=4, **arguments), Context(0)))


def test_no_dose_changes_nothing_and_places_name_their_units() -> None:
    arguments = {name: getattr(TINY, name) for name in ("layers", "width", "base_steps", "align_steps", "target_steps")}
    ((_, none),) = dose.run(dose.Params(count=0, **arguments), Context(0))
    assert (none.gain, none.perplexity_ratio, none.param_fraction) == (0, 1, 0)
    pair = tiny()
    units = {
        place: dose._units(pair, dose.Params(location=place, count=1, **arguments), Context(0))
        for place in ("early", "middle", "late", "random", "ddmin")
    }
    assert [units[place] for place in ("early", "middle", "late")] == [{0}, {1}, {2}]
    assert all(len(subset) == 1 for subset in units.values())


def test_orders_begin_in_the_middle_or_at_the_first() -> None:
    assert transplants.ordered([0, 1, 2, 3, 4], "middle_first") == [2, 1, 3, 0, 4]
    assert transplants.ordered([0, 0, 1, 1], "index") == [0, 1, 2, 3]


def test_broken_steps_and_least_sets_are_counted() -> None:
    def passes(subset: frozenset[int]) -> bool:
        return subset in ({1}, {0, 1, 2})

    assert transplants.least(passes, 3) == 1 and transplants.broken_steps(passes, 3) == 2
