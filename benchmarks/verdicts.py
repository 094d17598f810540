"""Times the judging of many rows: `python -m benchmarks.verdicts [ROWS]`, a million unless told.

It asks of the engine nothing but `parse` and `judge_rows`, so that PYTHONPATH can name another commit to compare with, in turn.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import polars as pl
import yaml

from orchestrator.claims.judging import judge_rows
from orchestrator.spec import parse

BETAS, XS = 20, 10
POWER = {"law": "power", "x": "d", "y": "y"}
CLAIMS = {
    "fit": {"fit": {**POWER, "by": ["beta"]}, "expect": {"exponent": {"at_least": -1}}},
    "prefer": {"prefer": {"law": "power", "over": ["exponential"], "x": "d", "y": "y", "by": ["beta"]}},
    "trend": {"trend": {"of": "y", "along": "d", "is": "decreasing"}, "by": ["beta"]},
    "compare": {
        "where": "beta <= 1",
        "compare": {"y": "y", "arms": "left - right"},
        "expect": {"difference": {"at_least": -1}},
    },
    "holds": {"holds": "y <= top"},
    "noisy": {"holds": "y <= top", "se": "se"},
    "collapse": {"collapse": {"x": "d", "y": "y", "curves": "beta"}, "expect": {"spread": {"at_most": 0.1}}},
}


def rows(count: int) -> pl.DataFrame:
    """So many rows of a power law with noise, in two arms, as a store gives them."""
    seeds = count // (2 * BETAS * XS)
    grid = [axis.ravel() for axis in np.meshgrid([0, 1], np.arange(BETAS) + 1.0, 2 ** np.arange(1, XS + 1), np.arange(seeds))]
    y = grid[2] ** -0.5 * np.exp(0.1 * np.random.default_rng(0).normal(size=len(grid[0])))
    columns = {"beta": grid[1], "d": grid[2], "seed": grid[3], "y": y, "top": 10.0, "se": 0.1}
    engine = {"final": True, "status": "ok", "step": 0, "error": None}
    table = pl.DataFrame({"arm": np.where(grid[0] == 0, "left", "right"), "point": np.arange(len(y), dtype=np.uint64)})
    given = [
        pl.Series(name, value) if isinstance(value, np.ndarray) else pl.lit(value).alias(name)
        for name, value in columns.items()
    ]
    return table.with_columns(given).with_columns(pl.lit(value).alias(name) for name, value in engine.items())


def seconds(table: pl.DataFrame, name: str) -> float:
    """CPU seconds that one claim takes, the better of two times: other work of the machine does not count."""
    claim = {"id": name, **CLAIMS[name]}
    axes = {"d": [2, 4], "beta": [1.0, 2.0]}
    about = {"question": "q", "source": "s", "workload": "toy.law", "arms": {"left": {"axes": axes}, "right": {"axes": axes}}}
    spec = parse(yaml.safe_dump({**about, "claims": [claim]}), "many")
    times = []
    for _ in range(2):
        begun = time.process_time()
        judge_rows(spec, table)
        times.append(time.process_time() - begun)
    return min(times)


def main(arguments: list[str]) -> None:
    """Print the CPU seconds of each kind of claim, and of all."""
    table = rows(int(arguments[0]) if arguments else 1_000_000)
    times = {name: seconds(table, name) for name in CLAIMS}
    print(
        f"{len(table):,} rows:",
        ", ".join(f"{name} {time_:.2f}" for name, time_ in times.items()),
        f"all {sum(times.values()):.2f} s",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
