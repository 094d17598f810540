"""Says of each claim, by rows that are there, whether they decide it and what would: by formula, else by asking its judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.claims import judging
from orchestrator.claims.judging import LEVEL, Bookkeeping
from orchestrator.claims.outlook.remedies import MOST, NOTHING, ORDER, SEEDS, Remedy, remedy, rounded
from orchestrator.claims.outlook.resampled import Resampling
from orchestrator.claims.sharing import looks
from orchestrator.claims.sources import Source
from orchestrator.claims.verdict import Verdict
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim


@dataclass(frozen=True, kw_only=True)
class Decidable:
    """What rows say of a claim: their verdict `word`; where that is open, what decides it, and how many seeds.

    `by` is one of `remedies.ORDER`, empty where the rows decide. `unit` is what `seeds` are, another column where the claim
    says so.
    """

    claim: str
    word: str
    by: str = ""
    says: str = ""
    seeds: int | None = None
    unit: str = "seed"

    @property
    def sentence(self) -> str:
        """The same in words."""
        if not self.by:
            return f"{self.word} by these rows"
        if self.seeds is not None:
            return f"{self.word} by these rows, decidable at about {rounded(self.seeds)} {self.unit}s if the estimate stays"
        return f"{self.word} by these rows; {self.says}"

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return asdict(self)


def decidable(
    spec: Spec, by_source: Mapping[str, Source], books: Bookkeeping | None = None, most: int = MOST
) -> tuple[Decidable, ...]:
    """What the rows say of each claim, and what would decide those that they leave open.

    With `books` more seeds are a further look, which has less error to spend. Up to `most` units are tried where judges are
    asked.
    """
    whole = 1 - LEVEL
    error = looks.error(books.look + 1, whole) if books is not None else whole
    later = judging.shared_levels(spec, by_source, error)
    verdicts = judging.judge_all(spec, by_source, books)
    return tuple(_of(spec, claim, v, by_source, later, most) for claim, v in zip(spec.claims, verdicts, strict=True))


def _of(
    spec: Spec, claim: Claim, judged: Verdict, by_source: Mapping[str, Source], levels: tuple[float, float], most: int
) -> Decidable:
    if judged.verdict in ("supported", "refuted"):
        return Decidable(claim=claim.id, word=judged.verdict)
    way = _way(judged, levels[0])
    if way.by == SEEDS and way.units is None:
        way = _by_resampling(Resampling(spec=spec, claim=claim, by_source=by_source, levels=levels), judged.reasons, most)
    seeds = way.units if way.by == SEEDS else None
    return Decidable(claim=claim.id, word=judged.verdict, by=way.by, says=way.says, seeds=seeds, unit=claim.unit or "seed")


def _way(judged: Verdict, next_level: float) -> Remedy:
    """What decides all findings that are open: of several the one that can least be mended, or the most seeds."""
    if judged.verdict == "unmet":
        few = all(_short_of_seeds(f.reasons) for f in judged.findings if f.verdict == "unmet")
        return Remedy(by=SEEDS if few else NOTHING, says="; ".join(judged.reasons))
    ways = [remedy(f, judged.level, next_level) for f in judged.findings if f.verdict == "undecided"]
    by = min((way.by for way in ways), key=ORDER.index)
    same = [way for way in ways if way.by == by]
    units = [way.units for way in same if way.units is not None]
    return Remedy(by=by, says=same[0].says, units=max(units) if len(units) == len(same) else None)


def _short_of_seeds(reasons: Sequence[str]) -> bool:
    return any("seed" in reason and "needs" in reason for reason in reasons)


def _by_resampling(samples: Resampling, reasons: Sequence[str], most: int) -> Remedy:
    """The judge's own answer."""
    why = "; ".join(reasons)
    if not samples.possible:
        return Remedy(by=NOTHING, says=f"{why}; these rows cannot tell what more would do")
    units = samples.units(most)
    if units is None:
        return Remedy(by=NOTHING, says=f"{why}; samples of these rows do not decide it at any number of {samples.unit}s")
    return Remedy(by=SEEDS, says=why, units=units)
