"""Seeds are added where they decide a claim, arm by arm, within limits, and each round is a look that costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.claims import judging
from orchestrator.claims.outlook.decidable import Decidable
from orchestrator.claims.outlook.further_seeds import FASTEST, LOOKS, further
from orchestrator.claims.sharing import looks
from orchestrator.driver import until_decided
from orchestrator.driver.measure import Summary
from orchestrator.errors import SpecError
from orchestrator.fitting.intervals import interval
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec
from orchestrator.sweep import run
from tests.helpers.judging import fill, spec_of, stored

ARMS = {"arms": {"near": {"axes": {"d": [2]}}, "far": {"axes": {"d": [3]}}}}
NEAR = {"id": "near", "where": "arm = 'near'", "mean": {"y": "y"}, "expect": {"mean": {"at_most": 0.25}}}
FAR = {"id": "far", "where": "arm = 'far'", "mean": {"y": "y"}, "expect": {"mean": {"at_most": 5}}}


def y(d: float, seed: int) -> float:
    """Noise of size 1, its own at each point."""
    return float(np.random.default_rng([int(d), seed]).normal())


def rounds(path: Path, spec: Spec) -> tuple[Spec, list[str], int]:
    """The sweep as it is in the end, what was told, and how many further rounds there were."""
    store, texts, number = stored(path, spec, y), list[str](), 0
    judging.judge(in_store(spec, store))

    def measured(grown: Spec) -> Summary:
        fill(store, grown, y)
        return Summary(sweep=grown.name, store=store.path, generation=1, points=0, held=0)

    first = Summary(sweep=spec.name, store=store.path, generation=1, points=0, held=0, seconds=1.0)
    last = spec
    for _, last in until_decided.rounds(first, spec, store, measured, texts.append):
        number += 1
        judging.judge(in_store(last, store))
    return last, texts, number


def test_seeds_go_to_the_arm_whose_claim_is_open(tmp_path: Path) -> None:
    spec, texts, number = rounds(tmp_path, spec_of(NEAR, FAR, **ARMS))
    assert 0 < number < LOOKS and spec.seeds_of("near") > 8 and spec.seeds_of("far") == 8
    assert texts[0].startswith("toy_sweep: seeds that decide: near from 8 to ")
    again = in_store(spec, stored(tmp_path / "again", spec, y))
    assert again.plan.num_rows == spec.seeds_of("near") + 8


def test_a_claim_whose_seeds_do_not_fit_into_the_limits_gets_none(tmp_path: Path) -> None:
    spec, texts, number = rounds(tmp_path, spec_of(NEAR, FAR, **ARMS, limits={"points": 20}))
    assert number == 0 and spec.seeds_of("near") == 8 and "above 'limits.points' of 20" in texts[0]


def test_a_deadline_that_has_passed_ends_it(tmp_path: Path) -> None:
    assert rounds(tmp_path, spec_of(NEAR, FAR, **ARMS, limits={"deadline": 0.5}))[2] == 0


def test_what_seeds_do_not_decide_gets_none() -> None:
    spec = spec_of(NEAR, FAR, **ARMS)
    grown = further(spec, [Decidable(claim="near", word="undecided", by="x", says="larger x decide it")])
    assert grown.spec is None and "larger x decide it" in grown.says[0]
    tree = further(spec, [Decidable(claim="near", word="undecided", by="seeds", seeds=40, unit="tree")])
    assert tree.spec is None


def test_a_round_is_no_jump_and_no_crawl() -> None:
    spec = spec_of(NEAR, FAR, **ARMS)
    for wanted, seeds in ((9, 12), (20, 20), (4000, int(8 * FASTEST))):
        grown = further(spec, [Decidable(claim="near", word="undecided", by="seeds", seeds=wanted)]).spec
        assert grown is not None and grown.seeds_of("near") == seeds


def looked_at(draw: Callable[[int], Any], edge: float) -> str:
    """The last word on a mean at least `edge`, looked at as rounds do: growing samples, halved error."""
    values = np.asarray(draw(8 * int(FASTEST) ** (LOOKS - 1)))
    for look in range(1, LOOKS + 1):
        ends = interval(values[: 8 * int(FASTEST) ** (look - 1)], "mean", 1 - looks.error(look, 0.05))
        if ends.low >= edge or ends.high < edge:
            return "supported" if ends.low >= edge else "refuted"
    return "undecided"


def test_rounds_keep_the_error_of_a_truth_on_the_edge() -> None:
    rng = np.random.default_rng(0)
    words = [looked_at(lambda n: rng.normal(size=n), 0.0) for _ in range(2000)]
    for word in ("supported", "refuted"):
        assert words.count(word) / len(words) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(words))


def test_a_sweep_whose_points_depend_on_rows_has_no_rounds(tmp_path: Path) -> None:
    until = {"min": 2, "max": 8, "until": {"metric": "y", "rel_halfwidth": 0.1}}
    spec = spec_of(NEAR, **ARMS, seeds=until)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="must have a sweep of fixed seeds"):
        run(spec, store=tmp_path / "s", inline=True, until_decided=True)


@pytest.mark.slow
def test_a_run_decides_what_it_left_open(tmp_path: Path) -> None:
    (tmp_path / "coin.py").write_text(
        "VERSION = 1\n\ndef run(p: float, seed: int) -> float:\n"
        '    """A number.\n\n    Returns:\n        float: noise about p\n    """\n'
        "    import random\n    return random.Random(f'{p} {seed}').gauss(p, 1.0)\n"
    )
    (tmp_path / "coins.yaml").write_text(
        "question: Is it above zero?\nworkload: ./coin.py\naxes: {p: [0.5]}\nseeds: 4\nclaims:\n"
        "  - {id: above, mean: {y: value}, expect: {mean: {at_least: 0}}}\n"
    )
    begun = time.monotonic()
    done = run(tmp_path / "coins.yaml", store=tmp_path / "s", inline=True, mlflow=False, until_decided=True)
    assert done.verdicts[0]["verdict"] == "supported", done.verdicts
    assert done.summary.note["looks"] > 1 and done.summary.measured == done.summary.points > 4  # type: ignore[operator]
    assert time.monotonic() - begun < 60
