"""The sweeps of in-context descent, measured with a mistake in them and without: their claims tell the two apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from orchestrator.claims import judging
from orchestrator.claims.sources import sources
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec, parse
from tests.mutants.planted import PLANTED, ROOT, Planted, measured, planted


def cut(name: str, size: Mapping[str, Any]) -> Spec:
    """A shipped sweep at a size of its own."""
    raw = yaml.safe_load((ROOT / "sweeps" / f"{name}.yaml").read_text())
    return parse(yaml.safe_dump({**raw, "sizes": {"cut": size}}), name, "cut")


def verdicts(stored: StoredSweep, spec: Spec) -> dict[str, str]:
    """The verdict of each claim."""
    return {verdict.id: verdict.verdict for verdict in judging.judge_all(spec, sources(stored))}


def test_a_wrong_sign_in_one_product_layer_refutes_exact(tmp_path: Path) -> None:
    others = dict.fromkeys(("wide", "clipped", "literal", "ramps", "flat", "smooth"))
    spec = cut("icl_construction", {"seeds": 4, "arms": {**others, "exact": {"axes": {"depth": [2, 3], "steps": [1, 5]}}}})
    right = verdicts(measured(spec, tmp_path / "right"), spec)
    with planted(PLANTED["icl_construction"][0]):
        wrong = verdicts(measured(spec, tmp_path / "wrong"), spec)
    assert (right["exact"], right["layers"], right["query"]) == ("supported",) * 3
    assert (wrong["exact"], wrong["layers"]) == ("refuted", "supported")


def _stopped_by_test(right: Callable[..., Any]) -> Callable[..., Any]:
    """Direct training of the epoch that is best by test, as if held-out examples had chosen it."""

    def wrong(tests: Any, p: Any) -> dict[str, Any]:
        values: dict[str, Any] = right(tests, p)
        return values | {"direct_full": values["direct_best_full"]}

    return wrong


def test_a_baseline_that_is_stopped_by_test_moves_matches(tmp_path: Path) -> None:
    size = {
        "seeds": 4,
        "pack": {"points": 4},
        "fixed": {"steps": 4, "prompts": 32, "width": 8, "heads": 2, "batch": 8, "direct_width": 32, "direct_steps": 60},
        "arms": {"blocks": None, "centred": None, "away": {"axes": {"kind": ["softmax"], "depth": [3]}}},
    }
    spec = cut("icl_trained", size)
    told, gaps = {}, {}
    for name, wrong in (("right", None), ("wrong", Planted("", "workloads.icl.maths.scores.direct_scores", _stopped_by_test))):
        with planted(wrong):
            stored = measured(spec, tmp_path / name)
        (verdict,) = (v for v in judging.judge_all(spec, sources(stored)) if v.id == "matches_full")
        told[name], gaps[name] = verdict.sentence, stored.rows["gap_full"].drop_nulls().to_numpy()
    assert told["right"] != told["wrong"]
    assert gaps["wrong"].mean() < gaps["right"].mean() - 0.01
