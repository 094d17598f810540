"""Measures every cell longer and writes docs/calibration.md: `python -m tests.calibration [DRAWS]`, 60 unless told.

`python -m tests.calibration power [DRAWS]` prints the power of the watched settings alone, to compare with another commit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.calibration import table
from tests.calibration.cells import LONG, power, rates
from tests.calibration.suite import CELLS


def measured(index: int, draws: int) -> table.Row:
    """One cell, measured."""
    setting, seeds = CELLS[index]
    return table.row(setting, seeds, rates(setting, seeds, setting.draws(draws)), watched(index, draws))


def watched(index: int, draws: int) -> tuple[int, int, int] | None:
    """Draws, right supports and right refutations of a setting whose power is watched."""
    setting, seeds = CELLS[index]
    if setting.inside is None:
        return None
    return setting.draws(draws), *power(setting, seeds, setting.draws(draws))


def main(arguments: list[str]) -> None:
    """Measure on every core, one process each."""
    draws = int(arguments[-1]) if arguments and arguments[-1].isdigit() else int(os.environ.get("CALIBRATION_DRAWS", LONG))
    began, many = time.monotonic(), range(len(CELLS))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        if "power" in arguments:
            indices = [i for i in many if CELLS[i][0].inside is not None]
            counts = pool.map(watched, indices, [draws] * len(indices))
            named = {f"{CELLS[i][0].name} | {CELLS[i][1]}": list(one or ()) for i, one in zip(indices, counts, strict=True)}
            print(json.dumps(named, indent=1))
            return
        rows = list(pool.map(measured, many, [draws] * len(many)))
    table.PAGE.write_text(table.page(rows))
    print(f"{len(rows)} cells in {time.monotonic() - began:.0f} s: {table.PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
