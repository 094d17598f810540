"""What a kind of figure is given, and what it gives: a Request in, a Drawing out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from orchestrator.claims import Verdict
from orchestrator.figures.data import Record
from orchestrator.figures.law_lines import judged_now
from orchestrator.figures.theme import styled, title_lines
from orchestrator.results.described import Columns
from orchestrator.spec import Spec
from orchestrator.spec.figure_model import Figure


@dataclass(frozen=True, kw_only=True)
class Material:
    """What stands beside a sweep's rows: the boundaries of its search, and the verdicts on its claims; None where unknown."""

    boundaries: pl.DataFrame | None = None
    verdicts: Sequence[Verdict] | None = None


NOTHING = Material()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One figure to be drawn: what the spec says of it, the sweep's rows with their columns described, what stands beside."""

    name: str
    spec: Spec
    figure: Figure
    rows: pl.DataFrame
    fields: Columns
    beside: Material

    def verdicts(self) -> Sequence[Verdict]:
        """Verdicts on the claims that the figure shows; where there are none yet, those claims are judged here."""
        if self.beside.verdicts is not None:
            return self.beside.verdicts
        return judged_now(self.spec, self.figure, self.rows, self.fields)

    def answer(self, chart: Any, title: str, caption: str, data: list[Record]) -> Drawing:
        """The drawing of an Altair chart, in the dress of all figures; `title` is used where the spec has none."""
        whole: dict[str, Any] = styled(chart.properties(title=title_lines(self.figure.title))).to_dict()
        return Drawing(name=self.name, title=self.figure.title or title, caption=caption, chart=whole, data=data)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure: its name for files, a title, a caption that says what is drawn, and the Vega-Lite chart.

    `data` are the records that the chart shows, each with `shows`: point, law, theory and others.
    """

    name: str
    title: str
    caption: str
    chart: dict[str, Any]
    data: list[Record] = field(default_factory=list)


def recorded(**kinds: Sequence[Record]) -> list[Record]:
    """All records of a figure in one list, as a paper's readers may want them, each with what it shows."""
    return [{"shows": shows.replace("_", " "), **record} for shows, records in kinds.items() for record in records]


def lowered(text: str) -> str:
    """The sentence as it stands inside another; what begins with a sign or an abbreviation stays."""
    plain = text.rstrip(".")
    return plain[0].lower() + plain[1:] if plain[1:2].islower() else plain


def described(column: str, fields: Columns) -> str:
    """The column with what it is, for a caption."""
    says = fields[column].says.rstrip(".") if column in fields else ""
    return f"{column} ({lowered(says)})" if says else column
