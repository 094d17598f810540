"""Prints what lawsweep costs beside doing the same by hand, as ratios of one run: `python -m benchmarks [--quick]`.

Ways take turns, and of each the best of three counts.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ours
from benchmarks.grid import WORKERS, Timing

SEEDS, QUICK_SEEDS = 2500, 25
ROUNDS = 3
RESULTS = Path(__file__).parent / "results"
# One intra-op thread everywhere, as the engine gives its workers.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure that must stay below its limit, if it has one."""

    says: str
    value: float
    limit: float | None = None
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether it does."""
        return self.limit is None or self.value <= self.limit


def peer(name: str, seeds: int) -> Timing:
    """What one peer took, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", name, str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"peer {name} failed:\n{done.stderr[-2000:]}")
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, print, write results/<date>.json; the process leaves with 1 where a target is missed."""
    options = _options()
    os.environ.update(ENVIRONMENT)
    size = ("--size", "smoke") if options.quick else ()
    seeds = QUICK_SEEDS if options.quick else SEEDS
    with tempfile.TemporaryDirectory(prefix="lawsweep-bench-") as folder:
        rounds = [_round(seeds, Path(folder, str(number)), size) for number in range(1 if options.quick else ROUNDS)]
        timings = {name: _best([timings[name] for timings in rounds]) for name in rounds[0]}
        timings |= {name: _said(peer(name, seeds)) for name in ("tune", "tune_silent", "tune_mlflow")}
        targets = [*_speed(timings), Target(says="lawsweep --help", value=ours.help_seconds(), limit=0.4, unit="s")]
        if not options.quick:
            targets += _million(Path(folder, "million"))
    print(_table(targets, options.quick))
    if not options.no_file:
        print(f"\nwritten: {_write(timings, targets, options.quick)}")
    sys.exit(0 if options.quick or all(target.met for target in targets) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few points: tests the benchmark, says nothing about speed")
    parser.add_argument("--no-file", action="store_true", help="write no JSON file")
    return parser.parse_args()


def _round(seeds: int, folder: Path, size: Sequence[str]) -> dict[str, Timing]:
    """Each way once, one after the other. What else a machine does can only add time, so the best of several rounds counts."""
    timings = {name: _said(peer(name, seeds)) for name in ("bare", "vectorised", "joblib")}
    timings["plain"] = _said(ours.measure("lawsweep, run", "cell", folder / "plain", size)[0])
    timings["packed"] = _said(ours.measure("lawsweep, run_pack", "cell_packed", folder / "packed", size)[0])
    _same({name: timing.total for name, timing in timings.items()})
    return timings


def _best(found: Sequence[Timing]) -> Timing:
    """The quickest of them, with the quickest start."""
    return dataclasses.replace(min(found, key=lambda t: t.seconds), startup=min(t.startup for t in found))


def _said(timing: Timing) -> Timing:
    """The timing, printed on the way."""
    startup = f"  start-up {timing.startup:5.1f} s" if timing.startup else ""
    print(f"{timing.name:28} {timing.each:10.4f} ms a point{startup}  {timing.note}", flush=True)
    return timing


def _speed(timings: dict[str, Timing]) -> list[Target]:
    each = {name: timing.each for name, timing in timings.items()}
    return [
        Target(says="start-up without run_pack", value=timings["plain"].startup, limit=12, unit="s"),
        Target(says="start-up with run_pack", value=timings["packed"].startup, limit=12, unit="s"),
        Target(says="without run_pack : bare loop", value=each["plain"] / each["bare"], limit=1.3),
        Target(says="with run_pack : vectorised by hand", value=each["packed"] / each["vectorised"], limit=1.3),
        # joblib keeps no row and comes within a tenth of the bare loop; it has no way to measure points together.
        Target(says="with run_pack : joblib", value=each["packed"] / each["joblib"], limit=1.0),
        Target(says="without run_pack : joblib", value=each["plain"] / each["joblib"]),
        Target(says="with run_pack : Ray Tune", value=each["packed"] / each["tune"], limit=1 / 200),
        Target(says="without run_pack : Ray Tune", value=each["plain"] / each["tune"], limit=1 / 200),
        Target(says="with run_pack : Ray Tune without loggers", value=each["packed"] / each["tune_silent"]),
        Target(says="without run_pack : Ray Tune without loggers", value=each["plain"] / each["tune_silent"]),
        Target(says="without run_pack : Ray Tune with MLflow", value=each["plain"] / each["tune_mlflow"], limit=1 / 200),
    ]


def _million(store: Path) -> list[Target]:
    """Memory and query time at a million points."""
    timing, run = ours.measure("lawsweep, 1,000,000 points", "cell_packed", store, ("--size", "million"))
    _said(timing)
    gigabytes = run.peak_bytes / 1e9
    return [
        Target(says="driver memory, 1,000,000 points", value=gigabytes, limit=1.5, unit="GB"),
        Target(says="query over 1,000,000 rows", value=ours.query_seconds(store, "cell_packed"), limit=0.5, unit="s"),
    ]


def _same(totals: dict[str, float]) -> None:
    """Leave unless all ways measured the same."""
    expected = totals["bare"]
    wrong = {name: total for name, total in totals.items() if abs(total - expected) > 1e-9 * abs(expected)}
    if wrong:
        raise SystemExit(f"the bare loop sums to {expected!r}, but {wrong}: they do not do the same work")


def _table(targets: list[Target], quick: bool) -> str:
    """A line for each target; a quick run has too few points to pass or miss one."""
    words = {True: "pass", False: "quick" if quick else "MISS"}
    limits = ["" if t.limit is None else f" <= {t.limit:7.4g}  {words[t.met]}" for t in targets]
    rows = [f"{t.says:42} {t.value:10.4f} {t.unit:3}{limit}" for t, limit in zip(targets, limits, strict=True)]
    return "\n".join(["", *rows])


def _write(timings: dict[str, Timing], targets: list[Target], quick: bool) -> Path:
    """The file that holds the figures, named by the day."""
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "workers": WORKERS,
        "quick": quick,
        "ways": {name: {**dataclasses.asdict(timing), "ms_a_point": timing.each} for name, timing in timings.items()},
        "targets": [{**dataclasses.asdict(target), "met": target.met} for target in targets],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}{'-quick' if quick else ''}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    return path


if __name__ == "__main__":
    main()
