"""How numbers, intervals, counts and durations read in a sentence."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any


def shown(number: float, digits: int = 4) -> str:
    """A number as a sentence prints it."""
    if not math.isfinite(number):
        return "∞" if number > 0 else "-∞" if number < 0 else "none"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number)}"
    return f"{number:.{digits}g}"


def text(value: Any) -> str:
    """A value as a sentence prints it."""
    return shown(value) if isinstance(value, float) else str(value)


def count(n: int, thing: str) -> str:
    """A number of things: 1 point has, 2 points have."""
    return f"{n} {thing} has" if n == 1 else f"{n} {thing}s have"


def plural(thing: str, n: int) -> str:
    """A thing's name for that many: 1 point, 2 points, 2 boundaries."""
    return thing if n == 1 else f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"


def some(numbers: Collection[int], thing: str) -> str:
    """How many things each has: 1 row, 4 rows, 4 to 26 rows."""
    few, many = min(numbers, default=0), max(numbers, default=0)
    return f"{many:,} {plural(thing, many)}" if few == many else f"{few:,} to {many:,} {plural(thing, many)}"


def span(low: float, high: float) -> str:
    """An interval as a sentence prints it, with digits enough to tell its ends apart."""
    width = abs(high - low)
    scale = max(abs(low), abs(high))
    digits = 4 if not (0 < width < math.inf) or scale == 0 else min(12, max(3, math.ceil(math.log10(scale / width)) + 2))
    return f"[{shown(low, digits)}, {shown(high, digits)}]"


def level_text(level: float) -> str:
    """A confidence level as per cent: 95 %, 99.17 %."""
    return f"{round(100 * level, 2):g} %"


def share(part: int, whole: int) -> str:
    """A part of a number of things as per cent: 75 %, and never 100 % where some are missing."""
    percent = 100 * part / whole
    return f"{shown(percent, 3)} %" if percent <= 99.9 or part == whole else "more than 99.9 %"


def duration(seconds: float) -> str:
    """Seconds as people write them: 8 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
