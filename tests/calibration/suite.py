"""Every setting of the suite, its cells, and those that are known not to keep the promise, each with the reason."""

from __future__ import annotations

import json
from pathlib import Path

from tests.calibration import laws, numbers, pairs
from tests.calibration.cells import Setting

SETTINGS: tuple[Setting, ...] = (*laws.SETTINGS, *pairs.SETTINGS, *numbers.SETTINGS)
CELLS = tuple((setting, seeds) for setting in SETTINGS for seeds in setting.seeds)
Key = tuple[str, str, int]
NOT_KEPT: dict[Key, str] = {}
"""Cells that miss the promise as measured, with the cause; they are told in the table and in the README, never tuned away."""


def key(setting: Setting, seeds: int) -> Key:
    """What names a cell in the table and in files."""
    return setting.kind, setting.name, seeds


def power_before() -> dict[str, list[int]]:
    """Draws, supports and refutations of each watched cell where the suite began, by `NAME | SEEDS`."""
    read: dict[str, list[int]] = json.loads((Path(__file__).parent / "power_before.json").read_text())
    return read
