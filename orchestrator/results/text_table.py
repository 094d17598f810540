"""Lays texts out as an aligned table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence

GAP = "  "
LEAST = 8
"""No column is folded to fewer letters, however narrow the terminal is."""


def lines(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    rule: bool = False,
    width: int | None = None,
    whole: Collection[str] = (),
    style: Callable[[str, str], str] = lambda cell, text: text,
) -> Iterator[str]:
    """The names, a rule where wanted, and the rows as lines, each column as wide as its widest cell.

    Columns named in `right` stand to the right. With a `width`, columns are folded until a line fits, but for those named in
    `whole`. `style` gives the text of a cell its colour.
    """
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    if width is not None:
        widths = _narrowed(widths, [name not in whole for name in names], width)
    sides = [str.rjust if name in right else str.ljust for name in names]
    for row in (names, *([["-" * size for size in widths]] if rule else []), *rows):
        for parts in _folded(row, widths):
            texts = (side(part, size) for side, part, size in zip(sides, parts, widths, strict=True))
            yield GAP.join(style(cell, text) for cell, text in zip(row, texts, strict=True)).rstrip()


def _folded(row: Sequence[str], widths: Sequence[int]) -> Iterator[Sequence[str]]:
    """The row as one line, or as several where a cell is wider than its column."""
    if all(len(cell) <= size for cell, size in zip(row, widths, strict=True)):
        yield row
        return
    parts = [textwrap.wrap(cell, max(size, 1), break_on_hyphens=False) for cell, size in zip(row, widths, strict=True)]
    for number in range(max(map(len, parts))):
        yield [part[number] if number < len(part) else "" for part in parts]


def _narrowed(widths: Sequence[int], foldable: Sequence[bool], width: int) -> list[int]:
    """The widths, the widest columns that may be folded made narrower until all stand in one line."""
    narrowed = list(widths)
    while sum(narrowed) + len(GAP) * (len(narrowed) - 1) > width:
        wide = [i for i, size in enumerate(narrowed) if foldable[i] and size > LEAST]
        if not wide:
            break
        narrowed[max(wide, key=narrowed.__getitem__)] -= 1
    return narrowed


def plain(text: str) -> str:
    """The text on one line, without the control characters that could redraw a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
