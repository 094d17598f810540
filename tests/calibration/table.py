"""The page of measured rates: a row for each cell, with what is promised and where it is not kept."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.calibration.cells import Rates, Setting, faults

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"
HEADS = (
    "kind",
    "setting",
    "seeds",
    "sweeps",
    "false support",
    "false refutation",
    "covers",
    "undecided",
    "unmet",
    "power",
    "kept",
)
INTRO = """# How often a verdict is wrong

Made by `make calibrate`; do not edit. Rows are planted from a known truth and judged by the public judge, many sweeps of each
kind. **Promised** of each sweep: a false support at most 5 %, a false refutation at most 5 %, intervals that hold the truth in
93 % and more (nominal 95), each within simulation error: a rate counts as missed where chance alone exceeds it in one
simulation of 1,000 (exact binomial). Where the promise cannot be kept the verdict must be *undecided* or *unmet*; such rows
say *only*. Most truths lie exactly on the edge of what is expected, where each word is wrong as often as it ever is.
**Power** is the share of right supports and of right refutations away from the edge, where it is watched.

"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: the cell, as texts, and whether it keeps the promise."""

    texts: tuple[str, ...]
    misses: str

    @property
    def line(self) -> str:
        """The line, with its last column."""
        return f"| {' | '.join(self.texts)} | {self.misses} |"


def row(setting: Setting, seeds: int, measured: Rates, power: tuple[int, int, int] | None) -> Row:
    """The line of a measured cell."""
    share = measured.draws
    texts = (
        setting.kind,
        setting.name,
        str(seeds),
        str(measured.draws),
        percent(measured.false_supports, share) if setting.at != "true" else "",
        percent(measured.false_refutations, share) if setting.at != "false" else "",
        percent(measured.covered, measured.intervals) if measured.covered is not None and measured.intervals else "",
        percent(measured.words["undecided"], share),
        percent(measured.words["unmet"], share),
        f"{percent(power[1], power[0])} / {percent(power[2], power[0])}" if power else "",
    )
    misses = "; ".join(faults(setting, measured))
    return Row(texts=texts, misses=f"**no**: {misses}" if misses else f"only {setting.answer}" if setting.answer else "yes")


def percent(count: int, of: int) -> str:
    """A share as the table shows it."""
    return f"{100 * count / of:.1f}"


def page(rows: list[Row]) -> str:
    """The whole page, what is not kept first."""
    wrong = [one for one in rows if one.misses.startswith("**no**")]
    head = f"| {' | '.join(HEADS)} |\n|{'---|' * 2}{'---:|' * 8}---|\n"
    each = "\n".join(one.line for one in rows)
    summary = f"{len(rows)} cells, {len(rows) - len(wrong)} keep the promise, {len(wrong)} do not. Rates are in per cent.\n\n"
    broken = head + "\n".join(one.line for one in wrong) + "\n" if wrong else "Nothing.\n"
    return f"{INTRO}{summary}## Not kept\n\n{broken}\n## All cells\n\n{head}{each}\n"


def read(text: str) -> dict[tuple[str, str, int], str]:
    """The cells of a page, each with what its last column says."""
    lines = [re.split(r" \| ", line.strip("| ")) for line in text.partition("## All cells")[2].splitlines()[4:]]
    cells = {(cells[0], cells[1], int(cells[2])): cells[-1] for cells in lines if len(cells) > 3}
    assert Counter(cells.values()), "the table has no line"
    return cells
