"""Where answers for programs go: standard output, free of whatever a workload and its processes print there."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any, TextIO

WILD = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The texts that stand in JSON for numbers that it has not."""
_APART: list[TextIO] = []  # the stream that answers go to, once it is kept apart


def open_streams() -> None:
    """Give each of the three standard streams that is closed the null device, so that no other file takes its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def keep_apart() -> None:
    """From now on what is printed goes to standard error, by Python, C and child processes alike; answers go where it went."""
    try:
        ours = sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):  # a notebook's or a test's own stream
        return
    if ours and not _APART:
        sys.stdout.flush()
        _APART.append(open(os.dup(1), "w", encoding="utf-8"))  # noqa: SIM115
        os.dup2(2, 1)


def say(text: str) -> None:
    """Give one answer, at once."""
    print(text, file=_APART[0] if _APART else sys.stdout, flush=True)


def json_text(value: Any, indent: int | None = None) -> str:
    """The value as JSON that every program can read; whole numbers keep all their digits.

    JSON has no NaN and no infinity: they are the strings "NaN", "Infinity", "-Infinity" there.
    """
    return json.dumps(plain(value), indent=indent, default=str, allow_nan=False, ensure_ascii=False)


def plain(value: Any) -> Any:
    """The value as JSON can say it."""
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in WILD.items() if number == value or (number != number and value != value))
    return value
