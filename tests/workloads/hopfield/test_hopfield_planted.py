"""What the shipped sweeps say under planted mistakes: swapped forms, and the official code's normalisation over one head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.claims import judge_rows
from orchestrator.spec import parse
from tests.mutants.planted import FORMS, PLANTED, ROOT, measured, planted

SMALL: dict[str, dict[str, Any]] = {
    "hopfield_bounds": {
        "seeds": 2,
        "arms": {
            "dense": None, "top_k": None, "random": None, "window": None,
            **{form: {"axes": {"zip": {"m": [4, 16], "keep": [2, 4]}}} for form in FORMS},
        },
    },
    "hopfield_ceiling": {
        "seeds": 2,
        "arms": {
            **dict.fromkeys(("linear", "prf", "masked", "random")),
            **{arm: {"axes": {"m": [10, 50]}} for arm in ("dense", "dense_unit", "top_k")},
        },
    },
}  # fmt: skip
"""What is laid over size smoke so that seconds suffice."""


def verdicts(name: str, mistake: str | None, store: Path) -> dict[str, str]:
    """The verdicts of a cut of a sweep, measured under a planted mistake of that name."""
    raw = yaml.safe_load((ROOT / "sweeps" / f"{name}.yaml").read_text())
    claims = [claim for claim in raw["claims"] if "compare" not in claim and "mean" not in claim]
    size = {**raw["sizes"]["smoke"], **SMALL[name]}
    spec = parse(yaml.safe_dump({**raw, "claims": claims, "sizes": {"cut": size}}), name, "cut")
    wrong = next(iter(p for p in PLANTED[name] if p.name == mistake), None)
    with planted(wrong):
        stored = measured(spec, store)
    return {verdict.id: verdict.verdict for verdict in judge_rows(spec, stored.rows, stored.fields)}


def test_swapped_forms_turn_the_bounds(tmp_path: Path) -> None:
    right = verdicts("hopfield_bounds", None, tmp_path / "right")
    assert right["own_bound"] == "supported" and right["zero_fill_is_a_mask"] == "refuted"
    assert verdicts("hopfield_bounds", "forms swapped", tmp_path / "swapped")["own_bound"] == "refuted"
    back = verdicts("hopfield_bounds", "forms swapped the other way", tmp_path / "back")
    assert back["zero_fill_is_a_mask"] == "supported"


def test_the_mean_image_catches_a_normalisation_over_one_head(tmp_path: Path) -> None:
    assert verdicts("hopfield_ceiling", None, tmp_path / "right")["more_than_the_mean_image"] == "supported"
    wrong = verdicts("hopfield_ceiling", "scores normalised over one head", tmp_path / "wrong")
    assert wrong["more_than_the_mean_image"] == "refuted"
