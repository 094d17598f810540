"""Turns a sweep into what the list of sweeps and the head of its page say of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from dashboards.blocks import verdict_cards
from dashboards.blocks.view import View
from dashboards.data.cache import SweepState
from orchestrator.wording import Speed, duration, paced, to_go


def card(sweep: SweepState) -> View:
    """What the list and the head of a page say of a sweep."""
    standing = sweep.standing
    points = standing.points if standing else 0
    done = standing.done if standing else 0
    return {
        "name": sweep.name,
        "size": sweep.size,
        "sizes": sweep.sizes,
        "question": str(sweep.record.get("question") or ""),
        "source": str(sweep.record.get("source") or ""),
        "workload": str(sweep.record.get("workload") or ""),
        "state": sweep.state,
        "counted": standing is not None,
        "points": points,
        "done": done,
        "failed": standing.failed if standing else {},
        "unfinished": standing.unfinished if standing else {},
        "share": round(100 * done / points, 1) if points else 0.0,
        "tally": verdict_cards.tally(sweep.verdicts),
        "changed": sweep.changed.strftime("%Y-%m-%d %H:%M:%S"),
        "ago": ago(sweep.changed),
        "pace": pace(sweep),
        "seconds": duration(standing.seconds) if standing else "",
        "stamp": f"{done}-{len(standing.parts)}-{sweep.judged:.3f}" if standing else "counting",
    }


MOST = 100
"""Runs whose pace is remembered."""
_SPEEDS: dict[tuple[str, str, str], Speed] = {}


def pace(sweep: SweepState) -> str:
    """Points a second and the time to go of a sweep that runs, by the same window as on the terminal."""
    if not sweep.running or sweep.standing is None or not sweep.runs:
        return ""
    run = sweep.runs[-1]
    begun = datetime.fromisoformat(str(run.get("started")))
    passed = max((datetime.now(UTC) - begun).total_seconds(), 1e-3)
    missing = sweep.standing.points - sweep.standing.done
    measured = int(run.get("todo") or 0) - missing
    if measured <= 0:
        return f"no point yet after {duration(passed)}"
    key = (sweep.name, sweep.size, str(begun))
    while len(_SPEEDS) >= MOST and key not in _SPEEDS:
        del _SPEEDS[next(iter(_SPEEDS))]
    rate = _SPEEDS.setdefault(key, Speed()).rate(time.monotonic(), float(measured))
    return paced(rate, to_go(missing, rate))


def ago(then: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (datetime.now(UTC) - then).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' * (number != 1)} ago"
    return "just now"
