"""Wrong results made of right rows: a column as a wrong formula, a dropped factor or other noise in its place would give it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import judging
from orchestrator.claims.kinds.holds import spoken
from orchestrator.claims.sources import Source, boundary, own
from orchestrator.errors import SweepError
from orchestrator.results.derived_columns import with_column
from orchestrator.results.described import Described
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim

Numbers = np.ndarray[Any, np.dtype[np.float64]]
WRONG: dict[str, Callable[[Numbers], Numbers]] = {
    "half of it": lambda y: 0.5 * y,
    "one and a half times": lambda y: 1.5 * y,
    "a tenth of it": lambda y: 0.1 * y,
    "a hundred times": lambda y: 100 * y,
    "one more": lambda y: y + 1,
    "sign flipped": lambda y: -y,
    "shuffled": lambda y: np.random.default_rng(0).permutation(y),
    "a millionth": lambda y: 1e-6 * y,
    "its square": lambda y: y * y,
    "its root": lambda y: np.sqrt(np.abs(y)),
    "always one": np.ones_like,
    "always none": np.zeros_like,
    "never found": lambda y: np.full_like(y, np.nan),
}
"""What a wrong formula makes of a column's values."""
BENT = {
    "exponent 0.3 larger": 0.3,
    "exponent 0.3 smaller": -0.3,
    "exponent 1 larger": 1.0,
    "exponent 1 smaller": -1.0,
    "exponent 4 larger": 4.0,
}
"""Powers of a claim's x by which a column is multiplied."""


FAULT = "none"
"""The word where no verdict can be made of the rows; a mutant that only breaks the judge turns no claim."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The rows of a sweep, what its search found, and what the columns are; `others` are the rows of other sweeps."""

    spec: Spec
    rows: pl.DataFrame
    boundaries: pl.DataFrame | None
    fields: Mapping[str, Described]
    others: Mapping[str, Source]

    def sources(self) -> dict[str, Source]:
        """What each `from` of its claims stands for."""
        known = {"rows": own(self.spec, self.rows, dict(self.fields)), **self.others}
        if self.boundaries is not None:
            known["boundary"] = boundary(self.spec, self.boundaries, dict(self.fields))
        return known

    def table(self, origin: str) -> pl.DataFrame:
        """The plain table of a claim's `from`."""
        table = self.boundaries if origin == "boundary" else self.rows
        assert table is not None
        return table

    def rewritten(self, origin: str, column: str, wrong: Callable[[Numbers], Numbers]) -> Material:
        """The same with a column rewritten, its bracket too, and without what is derived from it."""
        table = self.table(origin)
        ends = [name for name in (f"{column}_lower", f"{column}_upper") if name in table.columns]
        table = table.with_columns(_changed(table[name], wrong) for name in (column, *ends))
        if len(ends) == 2:
            low, high = (fold(*ends) for fold in (pl.min_horizontal, pl.max_horizontal))
            table = table.with_columns(low.alias(ends[0]), high.alias(ends[1]))
        table = table.drop(name for name in _derived_from(self.spec, column) if name in table.columns)
        return replace(self, **{"boundaries" if origin == "boundary" else "rows": table})


def word(material: Material, claim: Claim) -> str:
    """The verdict of that claim, judged alone or beside the claim whose fit it is judged on."""
    spec = material.spec
    before = spec.claims[: [other.id for other in spec.claims].index(claim.id)]
    model = claim.model_among(spec.claims)
    listed = (claim,) if model is None else (*before, claim)
    try:
        verdict = judging.judge_all(spec.model_copy(update={"claims": listed}), material.sources())[-1]
    except SweepError:
        return FAULT
    return FAULT if verdict.fault else verdict.verdict


def turned_by(material: Material, claim: Claim) -> tuple[str, str, str]:
    """The unmutated verdict, the first rewriting that turns it (nothing where none does), and what it turns it to."""
    before = word(material, claim)
    for how, mutant in rewritings(material, claim):
        after = word(mutant, claim)
        if after not in (before, FAULT):
            return before, how, after
    return before, "", ""


def rewritings(material: Material, claim: Claim) -> Iterator[tuple[str, Material]]:
    """The material with one column wrong, column by column and mistake by mistake."""
    meant = claim.model_among(material.spec.claims) or claim
    if meant.from_ not in ("rows", "boundary"):
        return
    columns = measured_columns(material, meant)
    table = material.table(meant.from_)
    for column in columns:
        for text in sorted(_texts(table[column], meant)):
            yield f"{column}, always '{text}'", material.rewritten(meant.from_, column, lambda y, text=text: [text] * len(y))
    for how, wrong in WRONG.items():
        for column in columns:
            yield f"{column}, {how}", material.rewritten(meant.from_, column, wrong)
    x = meant.axes[0]
    if x is not None:
        xs = material.sources()[meant.from_].rows
        powers = np.abs(with_column(xs, x, "x")[x].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for how, power in BENT.items():
            factor = np.where(powers > 0, powers, 1.0) ** power
            for column in columns:
                if len(factor) == len(material.table(meant.from_)):
                    yield f"{column}, {how}", material.rewritten(meant.from_, column, lambda y, by=factor: y * by)


def measured_columns(material: Material, claim: Claim) -> list[str]:
    """The results that a claim is judged by, its y first; of a boundary what the search came to."""
    texts = [text for _, text in claim.columns()]
    texts += [text for text in (claim.condition, claim.se and claim.se.column, claim.unmet_if) if text is not None]
    if claim.choose is not None:
        texts.append(claim.choose.of)
    names = {name for text in texts for name in spoken(text)}
    names |= {inner for grid in material.spec.grids() for name in names & {*grid.derive} for inner in grid.derive[name].names}
    names |= {name.removesuffix("_upper").removesuffix("_lower") for name in names}
    y = claim.axes[1]
    results = {name for name, field in material.fields.items() if field.role == "result"}
    if claim.from_ == "boundary":
        assert material.spec.search is not None
        beside = {name for name in material.spec.search.model.place_columns if not name.endswith(("_lower", "_upper"))}
        results = {*material.spec.search.names, *beside, "evaluations", "status"}
    listed = sorted(names & results & {*material.table(claim.from_).columns})
    return sorted(listed, key=lambda name: name != y)


def _texts(column: pl.Series, claim: Claim) -> set[str]:
    """Words that a column of texts could hold everywhere: those it holds somewhere, and those that the claim names."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return set()
    named = {text for _, written in claim.columns() for text in re.findall(r"'([^']*)'", written)}
    named |= set(re.findall(r"'([^']*)'", claim.condition or ""))
    return named | set(column.cast(pl.String).drop_nulls().unique().to_list())


def _derived_from(spec: Spec, column: str) -> set[str]:
    """Names that are derived from a column, at first or at second hand."""
    names: set[str] = set()
    for _ in range(3):
        names |= {name for grid in spec.grids() for name, formula in grid.derive.items() if formula.names & {column, *names}}
    return names


def _changed(values: pl.Series, wrong: Callable[[Numbers], Numbers]) -> pl.Series:
    """The values rewritten; truth is turned round, and words change places."""
    if values.dtype == pl.Boolean:
        answers = wrong(values.cast(pl.Float64).fill_null(0.0).to_numpy())
        return pl.Series(values.name, answers >= 0.5) if len(set(answers)) == 1 and not np.isnan(answers[0]) else ~values
    if not values.dtype.is_numeric():
        texts = values.cast(pl.String)
        answers = wrong(texts.to_numpy())
        return pl.Series(values.name, answers) if isinstance(answers, list) else texts.reverse().alias(values.name)
    numbers = values.cast(pl.Float64)
    changed = pl.Series(values.name, wrong(numbers.fill_null(float("nan")).to_numpy())).fill_nan(None)
    return pl.select(pl.when(numbers.is_null()).then(None).otherwise(changed).alias(values.name)).to_series()
