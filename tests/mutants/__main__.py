"""Prints which wrong result turns which claim: `make mutants`, or `python -m tests.mutants [SWEEP …]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from orchestrator.spec import shipped
from tests.mutants.planted import PLANTED
from tests.mutants.test_mutants import table, untouched


def main(names: tuple[str, ...]) -> int:
    """Print the table; leaves with 1 where something survives."""
    survivors = 0
    for name in names:
        for claim, before, how, after in table(name):
            survivors += not how
            print(f"{name}.{claim}: {before}" + (f" -> {after} by {how}" if how else " SURVIVES every wrong row"), flush=True)
        if name in PLANTED:
            with tempfile.TemporaryDirectory() as folder:
                left_alone = untouched(name, Path(folder))
            survivors += len(left_alone)
            print(
                f"{name}: {len(PLANTED[name])} planted formulas leave {sorted(left_alone) or 'no claim'} as it was", flush=True
            )
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:]) or shipped()))
