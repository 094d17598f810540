"""Turns names as a user says them into those of the rows inside the engine, and back: `_status`, and what a workload claims.

Every engine column has a name of its own, `_status`; its plain name is an alias unless a result of the workload has it. Inside,
the engine keeps the plain names, and such a result is `status_`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.columns import ENGINE_NAMES

TOKEN = re.compile(r"'(?:[^']|'')*'|(?<![\w.])[A-Za-z_]\w*(?!\w)")
Names = Mapping[str, str]


def inside(claimed: Names) -> dict[str, str]:
    """What each name that a user may say is called inside; `claimed` is that of results which have an engine column's name."""
    return {f"_{name}": name for name in ENGINE_NAMES} | dict(claimed)


def outside(claimed: Names) -> dict[str, str]:
    """The other way: what a user calls the columns of a workload that claims names."""
    return {inner: name for name, inner in claimed.items()} | {name: f"_{name}" for name in claimed}


def renamed(text: str, names: Names) -> str:
    """A formula or an SQL text with its names replaced; what stands in quotes is no name."""
    return TOKEN.sub(lambda token: names.get(token[0], token[0]), text)
