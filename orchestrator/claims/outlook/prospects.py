"""Turns a plan into what each claim will have to be judged on, and into what will be unmet whatever is measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import floors, judging
from orchestrator.claims.evidence import Evidence
from orchestrator.claims.outlook.imagined_rows import imagined, planned
from orchestrator.claims.sentences import label
from orchestrator.claims.series_of_rows import SEEDS
from orchestrator.claims.sources import own
from orchestrator.claims.verdict import Finding
from orchestrator.errors import SweepError
from orchestrator.plan import Plan
from orchestrator.results import conditions
from orchestrator.results.described import Columns, fields
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression
from orchestrator.spec.parsing import speaking
from orchestrator.store.row_format import describe, row_schema

UNMET, JUDGED, OPEN = "unmet", "judged", "open"
ROWS = 20_000
"""Rows that are imagined at most: beyond, a plan is told to be too large to look at."""
DRAWS = ((0, False), (1, False), (0, True))
"""Rows are imagined so: which draw, and whether all seeds agree. What is lacking in all of them is lacking for certain."""
PLANNED = ("arm", "seed")
PLAIN_WORDS = frozenset(
    ["and", "or", "not", "in", "between", "true", "false", "like", "abs", "ln", "log", "log2", "log10", "sqrt", "exp", "pow"]
)
"""Words of a condition that is null, and no truth value, where what it needs is not known."""


@dataclass(frozen=True, kw_only=True)
class PlannedGroup:
    """What the plan gives a claim in one group: rows, different x, powers of ten that they span, fewest seeds of an x.

    None where the claim has no x, or one that is not above 0 has no decades.
    """

    group: str
    rows: int
    x: int | None
    decades: float | None
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What will be of a claim: `unmet` for certain, `judged`, or `open` where rows decide even that.

    `reasons` say what is lacking, `conditions` what only rows can tell, `line` where the claim stands.
    """

    claim: str
    line: str
    word: str
    reasons: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    groups: tuple[PlannedGroup, ...] = ()

    @property
    def warning(self) -> str:
        """A sentence where the claim, or a group of it, will be unmet; empty where nothing is certain."""
        return (
            f"{self.line}: this claim will be unmet: {'; '.join(self.reasons)}; add points, or change what it asks for"
            if self.word == UNMET
            else ""
        )

    def as_json(self) -> dict[str, Any]:
        """The prospect as JSON values."""
        return asdict(self)


def prospects(spec: Spec, plan: Plan) -> tuple[Prospect, ...]:
    """What the plan gives each claim, in the order of the file."""
    spec = speaking(spec, plan.workload.claimed)
    outlook = _Look(spec, plan)
    return tuple(outlook.prospect(index, claim) for index, claim in enumerate(spec.claims))


@dataclass(frozen=True)
class _Look:
    """A spec and its plan, with rows as its points could give them; they are made when they are asked for first."""

    spec: Spec
    plan: Plan

    def prospect(self, index: int, claim: Claim) -> Prospect:
        """What will be of one claim."""
        line = self.spec.where("claims", index, claim.kind)
        unknown = self._unknown(claim)
        if unknown:
            return Prospect(claim=claim.id, line=line, word=OPEN, conditions=(unknown,))
        sql = self._conditions(claim)
        draws = [self._judged(claim, 0)]
        evidence, findings = draws[0]
        groups = tuple(self._groups(claim, evidence)) if len(self._rows) == len(self._whole) else ()
        if any(finding.verdict == UNMET for finding in findings):
            draws += [self._judged(claim, draw) for draw in range(1, len(DRAWS))]
        return Prospect(claim=claim.id, line=line, conditions=sql, groups=groups, **_lacking([f for _, f in draws], sql))

    def _unknown(self, claim: Claim) -> str:
        """Why nothing can be told of a claim before rows are there; empty where something can."""
        meant = claim.model_among(self.spec.claims) or claim
        if meant.from_ != "rows":
            return f"it is judged on {'what a search finds' if meant.from_ == 'boundary' else meant.from_}"
        if self.spec.search is not None:
            return "a search decides which points are measured"
        if self._rows.is_empty():
            return f"the plan has more than {ROWS:,} rows"
        x = meant.axes[0]
        settings = meant.choose.over if meant.choose is not None else ()
        ends = [
            end for bound in (claim.expect or {}).values() for end in (bound.low, bound.high) if isinstance(end, Expression)
        ]
        texts = [*meant.groups, *settings, *(text for text in (x, meant.unit) if text), *(end.text for end in ends)]
        measured = [text for text in texts if self._measured(text)]
        return f"{' and '.join(dict.fromkeys(measured))} {'is' if len(measured) == 1 else 'are'} measured" if measured else ""

    def _conditions(self, claim: Claim) -> tuple[str, ...]:
        """The conditions of a claim that results decide, which nobody knows yet."""
        meant = claim.model_among(self.spec.claims) or claim
        texts = [("where", meant.where), ("unmet_if", floors.condition(meant))]
        unknown = [f"{key}: {text}" for key, text in texts if text and self._open(text)]
        return (*unknown, *(f"require.matched: {name}" for name in meant.require.matched if self._measured(name)))

    def _open(self, text: str) -> bool:
        return any(self._measured(name) for name in conditions.columns(text))

    def _measured(self, text: str) -> bool:
        """Whether a column or formula needs what is measured."""
        return bool(self._needs(text) - {*PLANNED, *self.plan.params})

    def _needs(self, text: str) -> frozenset[str]:
        names, formulas = set(Expression(text).names), [grid.derive for grid in self.spec.grids()]
        followed: set[str] = set()
        while further := names - followed - {*self.plan.params}:
            followed |= further
            names |= {inner for name in further for derive in formulas if name in derive for inner in derive[name].names}
        return frozenset(name for name in names if name in self.plan.params or not any(name in d for d in formulas))

    @cached_property
    def _rows(self) -> pl.DataFrame:
        if len(self._whole) <= ROWS:
            return self._whole
        # what is lacking shows in as many seeds as any judge asks for, unless a claim sets some apart
        choosing = any(claim.choose is not None for claim in self.spec.claims)
        most = max([SEEDS, *(claim.require.seeds or 0 for claim in self.spec.claims)])
        rows = self._whole.filter(pl.col("seed") < most)
        return rows.clear() if choosing or len(rows) > ROWS else rows

    @cached_property
    def _whole(self) -> pl.DataFrame:
        return planned(self.spec, self.plan)

    @cached_property
    def _fields(self) -> Columns:
        return fields(describe(row_schema(self.plan.workload)))

    @cached_property
    def _bare(self) -> pl.DataFrame:
        """The planned rows with what is derived of params, all that is measured null."""
        return own(self.spec, self._rows, self._fields).rows

    @cached_property
    def _sources(self) -> dict[int, pl.DataFrame]:
        return {}

    def _source(self, draw: int) -> pl.DataFrame:
        if draw not in self._sources:
            number, alike = DRAWS[draw]
            self._sources[draw] = imagined(self._rows, self.plan.workload.results, tuple(self.plan.params), number, alike)
        return self._sources[draw]

    def _judged(self, claim: Claim, draw: int) -> tuple[Evidence | None, list[Finding]]:
        """What the claim's own judge says of imagined rows, conditions over results left out."""
        meant = claim.model_among(self.spec.claims) or claim
        rows, where = self._source(draw), meant.where
        if where is not None and self._open(where):
            rows, where = rows.filter(self._possible(where)), None
        limit = floors.condition(meant)
        unless = "false" if limit is not None and self._open(limit) else limit
        matched = {name: room for name, room in meant.require.matched.items() if not self._measured(name)}
        closed = {"where": where, "unmet_if": unless, "require": meant.require.model_copy(update={"matched": matched})}
        spec = self.spec.model_copy(
            update={"claims": tuple(c.model_copy(update=closed) if c.id == meant.id else c for c in self.spec.claims)}
        )
        (claim,) = [each for each in spec.claims if each.id == claim.id]
        source = {"rows": own(spec, rows, self._fields)}
        with suppress(SweepError):  # a mistake of the file is told elsewhere
            # Values that nobody measured may be such as no judge expects.
            return judging.spared(lambda: judging.unshared(spec, claim, source), lambda _: (None, []))
        return None, []

    def _possible(self, where: str) -> pl.Series:
        """Which planned rows a condition over results may keep; all where it does not say with what it needs unknown."""
        words = set(re.findall(r"[a-z_]\w*", re.sub(r"'[^']*'", "", where).lower()))
        if words - PLAIN_WORDS - {name.lower() for name in self._bare.columns}:
            return pl.Series([True] * len(self._bare))
        return conditions.truths(self._bare, where, "where").fill_null(True)

    def _groups(self, claim: Claim, evidence: Evidence | None) -> Iterator[PlannedGroup]:
        """What each group of the claim has by plan."""
        if evidence is None or evidence.rows.is_empty():
            return
        meant = claim.model_among(self.spec.claims) or claim
        x, unit = meant.axes[0], meant.unit or "seed"
        for key, rows in evidence.groups(meant.groups):
            xs = rows[x].cast(pl.Float64, strict=False).drop_nulls() if x is not None else None
            fewest = rows.group_by(x).agg(pl.col(unit).n_unique())[unit].min() if x is not None else rows[unit].n_unique()
            yield PlannedGroup(
                group=label(key) if key else "",
                rows=len(rows),
                x=None if xs is None else xs.n_unique(),
                decades=None if xs is None else _decades(xs.to_numpy()),
                seeds=int(fewest),  # type: ignore[arg-type]
            )


def _decades(xs: np.ndarray[Any, Any]) -> float | None:
    return round(float(np.log10(xs.max() / xs.min())), 4) if len(xs) and xs.min() > 0 else None


def _lacking(draws: Sequence[Sequence[Finding]], sql: Sequence[str]) -> dict[str, Any]:
    """The word on a claim and what is lacking: for certain what is in each draw, unless rows that vanish take it with them."""
    short = [{_key(f): f.reasons or (f.sentence,) for f in findings if f.verdict == UNMET} for findings in draws]
    always = [key for key in short[0] if all(key in lacks for lacks in short)]
    if not short[0]:
        return {"word": JUDGED}
    if not always:
        return {"word": OPEN, "reasons": _texts(short[0], [*short[0]])}
    if sql and len(always) < len(draws[0]):
        return {"word": OPEN, "reasons": _texts(short[-1], always)}
    return {"word": UNMET, "reasons": _texts(short[-1], always)}


def _key(finding: Finding) -> str:
    return label(finding.group) if finding.group else ""


def _texts(reasons: dict[str, tuple[str, ...]], keys: Sequence[str]) -> tuple[str, ...]:
    """Reasons, each with the groups it is of; many groups of one reason are counted."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        for reason in reasons[key]:
            groups.setdefault(reason, []).append(key)
    return tuple(_of_groups(reason, [name for name in names if name]) for reason, names in groups.items())


def _of_groups(reason: str, names: list[str]) -> str:
    if not names:
        return reason
    return f"{names[0]}: {reason}" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more groups: {reason}"
