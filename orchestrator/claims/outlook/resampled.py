"""Asks the judges how many seeds would decide: units of measured rows are drawn again, more than there are, and judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from orchestrator.claims import verdict
from orchestrator.claims.judging import spared, unshared
from orchestrator.claims.outlook.remedies import MOST, POWER
from orchestrator.claims.sources import Source
from orchestrator.claims.verdict import Finding
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim

DRAWS = 40
"""Samples that are drawn of each size: a share of 80 % is then known to 6 %."""
ROWS = 200_000
"""Rows that one drawn sample may have."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """A claim of a spec, the rows it is judged on, and the levels at which an interval supports and refutes it.

    A sample of n units is n units of the rows, drawn with replacement: it knows no other noise than theirs.
    """

    spec: Spec
    claim: Claim
    by_source: Mapping[str, Source]
    levels: tuple[float, float]

    @property
    def unit(self) -> str:
        """The column whose values are independent repeats."""
        return self.claim.unit or "seed"

    @property
    def possible(self) -> bool:
        """Whether the rows have units to draw from: two at least, and none that are held out to choose by."""
        rows = self._source.rows
        chooses = any(claim.choose is not None for claim in self._spoken)
        return self.unit in rows.columns and rows[self.unit].n_unique() > 1 and not chooses

    def units(self, most: int = MOST) -> int | None:
        """The fewest units of those tried that decide in POWER of the samples; None where no number up to `most` does.

        Numbers double from those that there are, and the last step is halved twice.
        """
        low = present = int(self._source.rows[self.unit].n_unique())
        most = min(most, ROWS * present // max(len(self._source.rows), 1))
        high = 2 * low
        while high <= most and not self.enough(high):
            low, high = high, 2 * high
        if high > most:
            return None
        for _ in range(2):
            middle = (low + high) // 2
            low, high = (low, middle) if middle > low and self.enough(middle) else (middle, high)
        return high

    def enough(self, n: int) -> bool:
        """Whether n units decide the claim in POWER of DRAWS samples; drawing ends as soon as that is certain."""
        rng, needed, left_open = np.random.default_rng(n), math.ceil(POWER * DRAWS), 0
        for before in range(DRAWS):
            left_open += not self._decides(self._resampled(n, rng))
            if left_open > DRAWS - needed or before + 1 - left_open >= needed:
                break
        return left_open <= DRAWS - needed

    @property
    def _source(self) -> Source:
        return self.by_source[self._spoken[-1].from_]

    @property
    def _spoken(self) -> tuple[Claim, ...]:
        model = self.claim.model_among(self.spec.claims)
        return (self.claim,) if model is None else (self.claim, model)

    def _resampled(self, n: int, rng: np.random.Generator) -> Source:
        rows = self._source.rows
        names = rows[self.unit].drop_nulls().unique().sort()
        picked = pl.DataFrame({self.unit: names.gather(rng.integers(0, len(names), n)), "_drawn": np.arange(n)})
        resample = rows.join(picked, on=self.unit, how="inner", maintain_order="left")
        number = pl.col("_drawn").cast(rows.schema[self.unit])
        again = resample.with_columns(number.alias(self.unit))
        if "point" in rows.columns:
            again = again.with_columns(pl.struct("point", "_drawn").rank("dense").cast(rows.schema["point"]).alias("point"))
        return replace(self._source, rows=again.drop("_drawn"))

    def _decides(self, source: Source) -> bool:
        """Whether a sample supports at the level for that, or refutes at the other."""
        by_source = {**self.by_source, self._spoken[-1].from_: source}

        def word(level: float, together: bool) -> str:
            nothing: tuple[Finding, ...] = ()
            judged = spared(lambda: unshared(self.spec, self.claim, by_source, level, together)[1], lambda _: nothing)
            return verdict.combine([finding.verdict for finding in judged])

        first, strict = word(self.levels[0], False), self.levels[1]
        return first == "supported" or (first == "refuted" and word(strict, True) == "refuted")
