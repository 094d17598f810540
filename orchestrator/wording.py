"""How numbers, intervals, counts, durations and paces read in a sentence."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

SETTING_DIGITS = 12
"""Digits by which one setting is told from another."""
WINDOW = 60.0
"""Seconds by which the pace is told."""
Tell = Callable[[str], None]
"""Hears in words what a long step is at."""


def untold(text: str) -> None:
    """Nobody listens."""


def shown(number: float, digits: int = 4) -> str:
    """A number as a sentence prints it."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number)}"
    return f"{number:.{digits}g}"


def text(value: Any, digits: int = 4) -> str:
    """A value of a row as a sentence prints it; of zero the sign is kept."""
    if not isinstance(value, float):
        return str(value)
    return "-0" if value == 0 and math.copysign(1, value) < 0 else shown(value, digits)


def setting(value: Any) -> str:
    """A param's value as a sentence prints it: to the twelve digits by which points are told apart."""
    return text(value, SETTING_DIGITS)


def digits_apart(values: Iterable[Any], least: int = 4) -> int:
    """The fewest digits, but no fewer than `least`, in which floats read differently that are not one to twelve digits."""
    different = {setting(value): value for value in values if isinstance(value, float)}
    every = range(least, SETTING_DIGITS)
    return next((n for n in every if len({text(value, n) for value in different.values()}) == len(different)), SETTING_DIGITS)


def count(n: int, thing: str) -> str:
    """A number of things: 1 point has, 2 points have."""
    return f"{n} {thing} has" if n == 1 else f"{n} {thing}s have"


def plural(noun: str, n: int) -> str:
    """A noun for that many: 1 point, 2 points, 2 boundaries."""
    return noun if n == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def some(numbers: Collection[int], noun: str) -> str:
    """How many things each has: 1 row, 4 rows, 4 to 26 rows."""
    few, many = min(numbers, default=0), max(numbers, default=0)
    return f"{many:,} {plural(noun, many)}" if few == many else f"{few:,} to {many:,} {plural(noun, many)}"


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


@dataclass
class Speed:
    """How fast points come, by a window that begins with the first of them: what comes before is the start, not the pace."""

    window: float = WINDOW
    _looks: deque[tuple[float, float]] = field(default_factory=deque)

    def rate(self, now: float, done: float) -> float | None:
        """Points a second, told that so many are done now; None before there are two looks to compare."""
        if not done:
            return None
        self._looks.append((now, done))
        while len(self._looks) > 2 and now - self._looks[1][0] > self.window:
            self._looks.popleft()
        begun, before = self._looks[0]
        return (done - before) / (now - begun) if now > begun and done > before else None


def to_go(missing: float, rate: float | None) -> float | None:
    """Seconds until so many points are done; None where the pace is not known."""
    return 0.0 if missing <= 0 else None if not rate else missing / rate


def paced(rate: float | None, eta: float | None) -> str:
    """Speed and time to go in words, as a terminal and a page say them."""
    if rate is None or eta is None:
        return "the time to go is not known yet" if eta is None else f"{duration(eta)} to go"
    return f"{rate:,.3g} points a second, {duration(eta)} to go"
