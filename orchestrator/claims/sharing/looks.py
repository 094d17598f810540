"""Tells which look at its data a sweep takes, and what error that look may spend.

A look is a sample that verdicts were given on: a size, or a size with other points than before, as where seeds were added. The
first one spends what a sweep has; the k-th after it half of what the one before spent, so all later ones together spend as much
as the first, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FEW = 3
"""Looks that are all told."""
Look = Mapping[str, Any]


def all_looks(book: Mapping[str, Any]) -> list[Look]:
    """The looks of a record, in order; one of an older version has a look for each sample that was seen."""
    if "looks" in book:
        return list(book["looks"])
    samples = [{"size": size, **sample} for size, sample in book["samples"].items() if sample["seen"]]
    return sorted(samples, key=lambda sample: str(sample["since"]))


def number(looks: Sequence[Look], size: str, sample_hash: str) -> int:
    """Which look a sample is, counted from 1."""
    for index, look in enumerate(looks, 1):
        if "sweep" not in look and (look["size"], look["hash"]) == (size, sample_hash):
            return index
    return len(looks) + 1


def error(look: int, whole: float) -> float:
    """What a look may spend of the error that the first may spend."""
    return float(whole / 2.0 ** (look - 1))


def look_text(looks: Sequence[Look], look: int, whole: float) -> str:
    """A sentence on a look after the first; nothing for that."""
    if look == 1:
        return ""
    before = _before(looks[: look - 1])
    share = f"{100 * error(look, whole):.3g} % of error, not {100 * whole:.3g} %"
    return f"this is look {look} at these claims, after {before}: it spends {share}"


def _before(looks: Sequence[Look]) -> str:
    """What was looked at before: the first and the last of many."""
    first, last = looks[0], looks[-1]
    if len(looks) <= FEW:
        return ", then ".join(_sample(each) for each in looks)
    return f"{_sample(first)}, {len(looks) - 2} others, then {_sample(last)}"


def _sample(look: Look) -> str:
    sweep = f"sweep '{look['sweep']}', " if "sweep" in look else ""
    return f"{sweep}size {look['size']} with {look['points']} points and {look['seeds']} seed{'s' * (look['seeds'] != 1)}"
