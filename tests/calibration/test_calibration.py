"""Verdicts are false as rarely as promised, in every setting: a short simulation of each cell, and the table of a long one.

Power is compared with that of the commit at which the suite began; `power_before.json` holds it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from scipy import stats

from tests.calibration import table
from tests.calibration.cells import LEVEL, LONG, SHORT, Rates, Setting, faults, least, most, power, rates
from tests.calibration.suite import CELLS, NOT_KEPT, SETTINGS, key, power_before

QUICK = ("power, lognormal noise 10 %, k = 5", "common random numbers", "flat, normal", "counts, floor of x^1")
WATCHED = [(setting, seeds) for setting, seeds in CELLS if setting.inside is not None]


def marked(cells: Any, known: bool = False) -> list[Any]:
    """The cells as parameters: slow but for a quick core, and failing where the promise is known not to be kept."""
    listed = []
    for setting, seeds in cells:
        marks = [] if setting.name in QUICK and seeds == 8 else [pytest.mark.long]
        if known and key(setting, seeds) in NOT_KEPT:
            marks.append(pytest.mark.xfail(strict=True, raises=AssertionError, reason=NOT_KEPT[key(setting, seeds)]))
        listed.append(pytest.param(setting, seeds, marks=marks, id=f"{setting.kind}: {setting.name}, {seeds} seeds"))
    return listed


@pytest.mark.parametrize(("setting", "seeds"), marked(CELLS, known=True))
def test_a_cell_keeps_the_promise(setting: Setting, seeds: int) -> None:
    draws = setting.draws(LONG if key(setting, seeds) in NOT_KEPT else SHORT)
    measured = rates(setting, seeds, draws)
    assert faults(setting, measured) == [], dict(measured.words)


@pytest.mark.parametrize(("setting", "seeds"), marked(WATCHED))
def test_power_has_not_fallen_by_more_than_a_fifth(setting: Setting, seeds: int) -> None:
    draws, *before = power_before()[f"{setting.name} | {seeds}"]
    for count, was in zip(power(setting, seeds, setting.draws(SHORT)), before, strict=True):
        due = 0.8 * was / draws
        assert count >= stats.binom.ppf(LEVEL, setting.draws(SHORT), due), (
            f"{count} of {setting.draws(SHORT)}, was {was / draws}"
        )


def test_the_table_has_every_cell_and_no_other() -> None:
    assert set(table.read(table.PAGE.read_text())) == {key(setting, seeds) for setting, seeds in CELLS}


def test_what_the_table_says_is_not_kept_is_what_the_suite_lists() -> None:
    wrong = {cell for cell, word in table.read(table.PAGE.read_text()).items() if word.startswith("**no**")}
    assert wrong == set(NOT_KEPT)


def test_every_kind_of_claim_has_settings() -> None:
    from orchestrator.spec.claim_kinds import kinds

    covered = {name for setting in SETTINGS for name in setting.claim}
    assert set(kinds()) - covered == set()


def test_settings_have_names_of_their_own() -> None:
    assert [name for name, n in Counter((s.kind, s.name) for s in SETTINGS).items() if n > 1] == []


@pytest.mark.parametrize("draws", [20, 100, 400])
def test_bounds_leave_to_chance_what_they_say(draws: int) -> None:
    assert stats.binom.sf(most(draws), draws, 0.05) <= LEVEL < stats.binom.sf(most(draws) - 1, draws, 0.05)
    assert stats.binom.cdf(least(draws) - 1, draws, 0.93) <= LEVEL < stats.binom.cdf(least(draws), draws, 0.93)


def test_a_cell_that_is_wrong_too_often_is_a_fault() -> None:
    setting = SETTINGS[0]
    bad = Rates(draws=100, words=Counter(supported=20, undecided=80), false_supports=20, covered=80, intervals=100)
    assert faults(setting, bad) == ["false support 20.0 %", "covers 80.0 %"]
