"""Turns a spec into the list of what it asks for and this version cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.reading import Keys

if TYPE_CHECKING:
    from orchestrator.spec import Spec

LATER = "wait for a later version"

Missing = Iterator[tuple[Keys, str]]


def unsupported(spec: Spec) -> Missing:
    """Keys and a sentence for each thing that cannot run yet; a run that meets one stops before its first trial."""
    # Two ways of proposing points at once.
    ways = {("search",): spec.search, ("seeds", "until"): spec.seeds.until, ("stop",): spec.stop}
    given = [keys for keys, model in ways.items() if model is not None]
    for keys in given[1:]:
        first, second = (".".join(name) for name in (given[0], keys))
        yield keys, f"'{second}' beside '{first}' must {LATER}; keep one of them."
