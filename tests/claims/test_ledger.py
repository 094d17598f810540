"""The record of claims cannot be walked around: formulas, withdrawn claims, copies and further looks are told; looks cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.claims import Verdict, judging
from orchestrator.claims.ledger import claim_hash
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec
from orchestrator.store import Store
from tests.helpers.judging import fill, spec_of, stored

MEAN = {"id": "c", "mean": {"y": "v"}, "expect": {"mean": {"at_least": 5}}}
ARMS = {"arms": {"a": {"axes": {"d": [2, 3]}}, "b": {"axes": {"d": [4, 5]}}}}


def sweep(*claims: dict[str, Any], v: str = "y", **more: Any) -> Spec:
    return spec_of(*claims, derive={"v": v, "unused": "2*y"}, **more)


def y(d: float, seed: int) -> float:
    return float(d + 0.01 * seed)


def judged(store: Store, spec: Spec) -> tuple[Verdict, ...]:
    return judging.judge(in_store(spec, store))


def again(path: Path, first: Spec, then: Spec) -> Verdict:
    store = stored(path, first, y)
    judged(store, first)
    return judged(store, then)[0]


def test_a_formula_that_changed_after_data_is_told(tmp_path: Path) -> None:
    verdict = again(tmp_path, sweep(MEAN), sweep(MEAN, v="9*y"))
    assert verdict.changed == "a formula that the claim speaks of changed after data were seen"
    assert "A formula that the claim speaks of changed" in verdict.sentence


def test_a_formula_behind_a_formula_counts_and_one_that_is_not_meant_does_not(tmp_path: Path) -> None:
    deep = spec_of(MEAN, derive={"v": "2*w", "w": "y"})
    assert "formula" in again(tmp_path / "a", deep, spec_of(MEAN, derive={"v": "2*w", "w": "y + 3"})).changed
    other = spec_of(MEAN, derive={"v": "y", "unused": "y**2"})
    assert again(tmp_path / "b", sweep(MEAN), other).changed == ""


def test_what_is_fixed_and_varied_is_part_of_a_claim(tmp_path: Path) -> None:
    fixed = sweep(MEAN, fixed={"beta": 4.0})
    assert "fix or vary" in again(tmp_path / "a", sweep(MEAN), fixed).changed
    fewer = sweep(MEAN, axes={"d": [2, 3, 4]})
    assert "fix or vary" in again(tmp_path / "b", sweep(MEAN), fewer).changed


def test_an_arm_that_a_claim_does_not_speak_of_is_no_part_of_it(tmp_path: Path) -> None:
    claim = {**MEAN, "where": "arm = 'a'"}
    other = {"arms": {**ARMS["arms"], "b": {"axes": {"d": [6]}}}}
    assert "fix or vary" not in again(tmp_path / "a", sweep(claim, **ARMS), sweep(claim, **other)).changed
    assert "fix or vary" in again(tmp_path / "b", sweep(MEAN, **ARMS), sweep(MEAN, **other)).changed


def test_a_formula_that_changed_before_data_is_not_told(tmp_path: Path) -> None:
    store = stored(tmp_path, sweep(MEAN), y, keep=lambda d, seed: None)
    judging.register(in_store(sweep(MEAN), store))
    later = sweep({**MEAN, "says": "in other words"}, v="9*y")
    judging.register(in_store(later, store))
    fill(store, later, y)
    for _ in range(2):
        assert judged(store, later)[0].changed == ""


def test_a_record_of_an_older_version_makes_no_claim_look_changed(tmp_path: Path) -> None:
    spec = sweep(MEAN)
    store = stored(tmp_path, spec, y)
    sample = judging.ledger.sample(store.plan(spec.name))
    entry = {"hash": claim_hash(spec.claims[0]), "since": "2026-01-01", "after_data": False, "seen": True}
    old = {"points": sample.points, "seeds": sample.seeds, "hash": sample.hash, "since": "2026-01-01", "seen": True}
    store.save("claims", spec.name, {"claims": {"c": entry}, "samples": {"base": old}, "seen": True})
    for _ in range(2):
        assert (judged(store, spec)[0].changed, judged(store, spec)[0].level) == ("", 0.95)
    assert "formula" in judged(store, sweep(MEAN, v="9*y"))[0].changed
    assert "claim changed" in judged(store, sweep({**MEAN, "says": "otherwise"}))[0].changed


def test_a_withdrawn_claim_is_told_with_its_verdict(tmp_path: Path) -> None:
    wrong = {"id": "wrong", "holds": "y < 0"}
    verdict = again(tmp_path, sweep(MEAN, wrong), sweep(MEAN))
    assert verdict.changed == "1 claim was withdrawn after data (it was refuted)"
    more = {"id": "more", "holds": "y > 0"}
    two = again(tmp_path / "two", sweep(MEAN, wrong, more), sweep(MEAN)).changed
    assert two == "2 claims were withdrawn after data (1 refuted, 1 supported)"


def test_a_withdrawn_claim_of_an_older_record_is_told_with_the_saved_verdict(tmp_path: Path) -> None:
    both = sweep(MEAN, {"id": "wrong", "holds": "y < 0"})
    store = stored(tmp_path, both, y)
    judged(store, both)
    book = store.load("claims", both.name)
    for entry in book["claims"].values():
        del entry["verdicts"], entry["formulas"], entry["scope"]
    del book["looks"]
    store.save("claims", both.name, book)
    assert judged(store, sweep(MEAN))[0].changed == "1 claim was withdrawn after data (it was refuted)"
    assert judged(store, sweep(MEAN))[0].changed == "1 claim was withdrawn after data (it was refuted)"


def test_a_copy_under_another_name_is_known_by_its_points(tmp_path: Path) -> None:
    first = sweep(MEAN)
    store = stored(tmp_path, first, y)
    judged(store, first)
    copy = sweep({**MEAN, "expect": {"mean": {"at_least": 1}}}, name="another")
    fill(store, copy, y)
    verdict = judged(store, copy)[0]
    assert "56 of its 56 points were seen before, in sweep 'toy_sweep'" in verdict.changed
    assert verdict.level == pytest.approx(0.975) and "look 2" in verdict.sentence
    assert judged(store, first)[0].changed == "" and judged(store, first)[0].level == 0.95


def test_a_copy_of_the_same_claims_is_no_new_claim(tmp_path: Path) -> None:
    store = stored(tmp_path, sweep(MEAN), y)
    judged(store, sweep(MEAN))
    fill(store, sweep(MEAN, name="another"), y)
    assert judged(store, sweep(MEAN, name="another"))[0].changed == ""


def test_each_further_sample_is_a_look_that_spends_half(tmp_path: Path) -> None:
    store = stored(tmp_path, sweep(MEAN, seeds=8), y)
    levels = [judged(store, sweep(MEAN, seeds=8))[0].level]
    for seeds in (16, 32):
        more = sweep(MEAN, seeds=seeds)
        fill(store, more, y)
        verdict = judged(store, more)[0]
        assert "sample changed after data were seen" in verdict.changed
        levels.append(verdict.level)
    assert levels == pytest.approx([0.95, 0.975, 0.9875])
    assert judged(store, more)[0].level == pytest.approx(0.9875)
    assert "This is look 3" in verdict.sentence and "then size base with 112 points and 16 seeds" in verdict.sentence


def test_sizes_are_looks_in_the_order_in_which_they_were_judged(tmp_path: Path) -> None:
    spec = sweep(MEAN, sizes={"smoke": {"axes": {"d": [2]}}})
    small = spec.model_copy(update={"size": "smoke"})
    store = stored(tmp_path, small, y)
    fill(store, spec.model_copy(update={"size": "base"}), y)
    assert [judged(store, s)[0].level for s in (small, spec, small)] == pytest.approx([0.95, 0.975, 0.95])


def test_an_exact_claim_tells_no_look(tmp_path: Path) -> None:
    spec = sweep({"id": "c", "holds": "y > 0"})
    store = stored(tmp_path, spec, y)
    judged(store, spec)
    more = sweep({"id": "c", "holds": "y > 0"}, seeds=9)
    fill(store, more, y)
    assert "look" not in judged(store, more)[0].sentence


def test_seeds_added_until_decided_are_rarely_wrong() -> None:
    """The truth lies on the edge; a claim is judged at 8, 16, 32, 64 seeds until it has a verdict."""
    from orchestrator.claims.sharing import looks
    from orchestrator.fitting.intervals import interval

    decided = np.zeros(2)
    for draw in range(3000):
        values = np.random.default_rng(draw).normal(size=64)
        for look, seeds in enumerate((8, 16, 32, 64), 1):
            span = interval(values[:seeds], "mean", 1 - looks.error(look, 0.05))
            if span.low > 0 or span.high < 0:
                decided[int(span.low > 0)] += 1
                break
    assert (decided / 3000 < 0.05).all()
