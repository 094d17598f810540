"""What a figure of each kind needs: one module a kind, with its KIND; how it is drawn is in figures/kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """What a sweep file must say for a figure of a kind, and what the figure is drawn from."""

    says: str
    """What is drawn, in a few words, for who chooses a kind."""
    needs: tuple[str, ...] = ("x", "y")
    """Keys of the figure that must have a column."""
    complaints: Mapping[str, str] = field(default_factory=dict)
    """What is said where such a key is missing, if more than that a column must be named."""
    source: str = "rows"
    """The rows that it shows, as claims call them: rows, or boundary for what a search found."""
    shows_claims: bool = False
    """Whether it shows what claims fitted: its x is then a parameter of a law, and no column."""
    rank: int = 100
    """Where it stands in a list of kinds: the usual ones first."""
