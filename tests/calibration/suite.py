"""Every setting of the suite, its cells, and those that are known not to keep the promise, each with the reason."""

from __future__ import annotations

import json
from pathlib import Path

from tests.calibration import corrections, laws, numbers, pairs
from tests.calibration.cells import Setting

SETTINGS: tuple[Setting, ...] = (*laws.SETTINGS, *corrections.SETTINGS, *pairs.SETTINGS, *numbers.SETTINGS)
CELLS = tuple((setting, seeds) for setting in SETTINGS for seeds in setting.seeds)
Key = tuple[str, str, int]
SKEW = "few seeds do not show a strong skew, so Student's t is trusted at the end that it makes too short"
RARE = "differences of two values are judged by t at a level for which few seeds say nothing"
TAILS = "the square of a t3 error has no variance: no number of these seeds shows its tail"
ALIKE = "one seed cannot tell noise that neighbours share from the law"
PAIR = "compare, paired"
NOT_KEPT: dict[Key, str] = {
    ("fit", "one seed, noise alike at neighbours (0.8)", 1): ALIKE,
    **{(PAIR, f"20 intervals, differences lognormal, sigma {s}", n): SKEW for s in ("1", "1.5") for n in (4, 8)},
    **{(PAIR, "20 intervals, differences of 0 or 1", n): RARE for n in (4, 8, 32)},
    ("mean", "lognormal, sigma 1", 4): SKEW,
    **{("mean", "lognormal, sigma 1.5", n): SKEW for n in (2, 4, 8)},
    **{("mean", "rms of t3 errors", n): TAILS for n in (4, 8, 32)},
    **{("seeds until", "rms of t3 errors", n): TAILS for n in (2, 8)},
}
"""Cells that miss the promise as measured, with the cause; they are told in the table and in the README, never tuned away."""


def key(setting: Setting, seeds: int) -> Key:
    """What names a cell in the table and in files."""
    return setting.kind, setting.name, seeds


def power_before() -> dict[str, list[int]]:
    """Draws, supports and refutations of each watched cell where the suite began, by `NAME | SEEDS`."""
    read: dict[str, list[int]] = json.loads((Path(__file__).parent / "power_before.json").read_text())
    return read
