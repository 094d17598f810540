"""Turns a claim into what its words rest on in its sweep: the formulas it speaks of, and what its arms fix and vary."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.field_types import written
from orchestrator.spec.grids import Grid

ONE_ARM = re.compile(r"\barm\s*=\s*'([^']*)'|\barm\s+in\s*\(([^)]*)\)", re.IGNORECASE)
LOOSE = re.compile(r"\b(or|not)\b|<>|!=", re.IGNORECASE)
"""What lets a condition mean other arms than those that it names."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Hashes of a claim: its words, the formulas they speak of, and, of its arms, what is fixed and what is varied."""

    words: str
    formulas: str
    scope: str

    @property
    def whole(self) -> str:
        """One hash of all."""
        return digest([self.words, self.formulas, self.scope])


def digest(value: Any) -> str:
    """Sixteen hex characters of a JSON value."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()


def record(claim: Claim) -> dict[str, Any]:
    """Everything a claim says, words and basis included; what is foreseen of it is no part of it."""
    return claim.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"foreseen"})


def meaning(claim: Claim, spec: Spec) -> Meaning:
    """What a claim means in that spec, at its size."""
    content = record(claim)
    arms = [grid for grid in spec.grids() if grid.arm in arms_of(claim, spec)]
    if claim.from_.startswith("sweep:"):
        arms = []  # its rows are another sweep's, whose own claims tell of them
    formulas = {grid.arm: _formulas(json.dumps(content), grid) for grid in arms}
    return Meaning(words=digest(content), formulas=digest(formulas), scope=digest({grid.arm: _scope(grid) for grid in arms}))


def _formulas(words: str, grid: Grid) -> Mapping[str, str]:
    """The formulas of an arm that the words name, and those that these name."""
    names = set(re.findall(r"[A-Za-z_]\w*", words))
    needed = names & set(grid.derive)
    while more := {name for key in needed for name in grid.derive[key].names & set(grid.derive)} - needed:
        needed |= more
    return {name: str(grid.derive[name]) for name in sorted(needed)}


def _scope(grid: Grid) -> Mapping[str, Any]:
    """What an arm fixes and varies."""
    axes = [[list(group.names), written([list(row) for row in group.rows])] for group in grid.axes]
    return {"fixed": written(dict(grid.fixed)), "axes": axes, "searched": list(grid.searched)}


def arms_of(claim: Claim, spec: Spec) -> frozenset[str]:
    """The arms that a claim speaks of: those that its condition or its kind names, else all."""
    labels = frozenset(grid.arm for grid in spec.grids())
    named_arms = {text for _, text, columns in claim.labels() if columns == ("arm",)}
    if claim.where is not None and not LOOSE.search(claim.where):
        for single, several in ONE_ARM.findall(claim.where):
            named_arms |= {single} if single else set(re.findall(r"'([^']*)'", several))
    if claim.floor is not None and named_arms:
        named_arms.add(claim.floor.arm)
    return labels & named_arms or labels
