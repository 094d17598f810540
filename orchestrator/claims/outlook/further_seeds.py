"""Turns what would decide each claim into the seeds that a sweep gets next, arm by arm, within its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orchestrator.claims.outlook.decidable import Decidable
from orchestrator.claims.registry.meaning import arms_of
from orchestrator.plan.points import count
from orchestrator.spec import Spec
from orchestrator.wording import plural

SLOWEST, FASTEST = 1.5, 4.0
"""How many times as many seeds a round has at least, as a look costs error, and at most, as few seeds know little of noise."""
LOOKS = 5
"""Looks that a run takes at most: the fifth has a sixteenth of the first one's error to spend."""


@dataclass(frozen=True, kw_only=True)
class Further:
    """The sweep with more seeds, None where none decide or may be added; and why, in sentences."""

    spec: Spec | None
    says: tuple[str, ...]


def further(spec: Spec, answers: Sequence[Decidable]) -> Further:
    """The seeds that the next round has: of each arm what the open claims need that speak of it.

    A claim gets none where its whole number of seeds would not fit into `limits.points`, or where its unit is no seed.
    """
    claims = {claim.id: claim for claim in spec.claims}
    numbers: dict[str, int] = {}
    says: list[str] = []
    for answer in answers:
        if answer.seeds is None or answer.unit != "seed":
            says += [f"{answer.claim} gets no seeds: {answer.sentence}"] if answer.by else []
            continue
        whole = {arm: max(answer.seeds, ceil(SLOWEST * spec.seeds_of(arm))) for arm in arms_of(claims[answer.claim], spec)}
        if (points := count(spec.with_seeds(whole))) > spec.limits.points:
            needed = f"{answer.seeds:,} {plural('seed', answer.seeds)} make {points:,} points"
            says.append(f"{answer.claim} gets no seeds: its {needed}, above 'limits.points' of {spec.limits.points:,}")
            continue
        for arm, number in whole.items():
            present = spec.seeds_of(arm)
            numbers[arm] = max(numbers.get(arm, 0), min(max(number, ceil(SLOWEST * present)), int(FASTEST * present)))
    if not numbers:
        return Further(spec=None, says=tuple(says))
    steps = ", ".join(f"{arm} from {spec.seeds_of(arm)} to {number}" for arm, number in sorted(numbers.items()))
    return Further(spec=spec.with_seeds(numbers), says=(*says, f"seeds that decide: {steps}"))
