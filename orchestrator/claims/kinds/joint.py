"""Turns the rows of a `joint` claim into findings: numbers of a loss of two sizes against the regions that are expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import verdict
from orchestrator.claims.case import Case, Region
from orchestrator.claims.evidence import settled
from orchestrator.claims.placing import LOST, Placed, reported, weighed
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import joint_law
from orchestrator.fitting.aggregates import expression
from orchestrator.fitting.fits import MISFIT
from orchestrator.fitting.joint_law import SIZE, Configurations, JointFit
from orchestrator.results.described import aggregate
from orchestrator.spec.claim_kinds.joint import KIND, Joint
from orchestrator.wording import count, level_text, shown, span

LEAST = SIZE + 3
"""Configurations that a fit needs."""
VALUES = 4
"""Values that each size needs: without the smallest three are left, which a decay and a floor need."""


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, KIND.of(case.claim), group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group and each number that is expected."""
    return case.evidence.count(case.claim.by) * len(case.claim.expect or {})


def _group(case: Case, model: Joint, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    table = _table(case, model, rows)
    lost = len(rows) - int(table["rows"].sum())
    short = _lacking(model, table)
    if short:
        return Finding(verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=group, reasons=tuple(short))
    data = Configurations(first=table["first"].to_numpy(), second=table["second"].to_numpy(), loss=table["y"].to_numpy())
    fitted = joint_law.fit(data, model.huber)
    lack = _lack(fitted, table)
    numbers: dict[str, Any] = {"configurations": len(table), "lack_of_fit": lack, "lost": lost}
    words, sentences = [], []
    reasons = [count(lost, "point") + " no result"] if lost else []
    for name, expected in (case.claim.expect or {}).items():
        region = case.region(expected, rows)
        placed = _placed(fitted, model, name, region, case.level)
        decided = placed.word in ("supported", "refuted")
        words.append("undecided" if lost and decided else placed.word)
        reasons += [text for text in (placed.reason, LOST if lost and decided else "") if text]
        numbers[name] = reported(placed, region)
        sentences.append(_sentence(name, placed, region, case.level))
    rejected = lack is not None and lack < MISFIT
    missed = f"; the law is rejected: it misses by more than the noise (p = {lack:.2g})" if rejected else ""
    spans = " and ".join(f"{np.log10(part.max() / part.min()):.2g} decades of {size}" for part, size in _spans(data, model))
    sentence = (
        f"{model.y} over {' and '.join(model.sizes)} (floor + A N^-a + B D^-b): {'; '.join(sentences)}; over {spans}{missed}"
    )
    return Finding(verdict=verdict.combine(words), sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _spans(data: Configurations, model: Joint) -> list[tuple[Any, str]]:
    return list(zip((data.first, data.second), model.sizes, strict=True))


def _table(case: Case, model: Joint, rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each configuration: its sizes, its loss, seeds combined, their variance of ln loss and their number."""
    sizes = [pl.col(column).cast(pl.Float64).alias(name) for column, name in zip(model.sizes, ("first", "second"), strict=True)]
    y = pl.col(model.y).cast(pl.Float64)
    unit = case.claim.unit or "seed"
    ok = rows.filter(settled(rows)).with_columns(*sizes, y.alias("y")).filter(pl.col("y").is_finite())
    how = aggregate(case.fields, model.y)
    seeds = ok.group_by("first", "second", unit).agg(expression(pl.col("y"), how), pl.len().alias("rows"))
    each = [
        expression(pl.col("y"), how),
        pl.col("y").log().var().alias("variance"),
        pl.len().alias("units"),
        pl.col("rows").sum(),
    ]
    return seeds.group_by("first", "second").agg(each).sort("first", "second")


def _lacking(model: Joint, table: pl.DataFrame) -> list[str]:
    values = {size: table[name].n_unique() for size, name in zip(model.sizes, ("first", "second"), strict=True)}
    short = [f"it has {n} values of {size} and needs {VALUES}" for size, n in values.items() if n < VALUES]
    short += [f"it has {len(table)} configurations and needs {LEAST}"] if len(table) < LEAST else []
    positive = table.select(pl.all_horizontal(pl.col("first", "second", "y") > 0)).to_series().all() if len(table) else True
    return short + ([] if positive else ["sizes and loss must be above 0, and are not"])


def _lack(fitted: JointFit, table: pl.DataFrame) -> float | None:
    """The F test's probability of residuals as large by the noise of seeds; None where there is none to compare with."""
    from scipy.special import fdtrc

    noisy = table.filter(pl.col("units") > 1)
    freedom = float((noisy["units"] - 1).sum())
    if not len(noisy) or freedom < 1:
        return None
    pooled = float(((noisy["units"] - 1) * noisy["variance"]).sum()) / freedom
    residual = len(table) - SIZE
    excess = float((table["units"].to_numpy() * fitted.residuals**2).sum()) / residual
    return float(fdtrc(residual, freedom, excess / pooled)) if pooled > 0 else None


def _placed(fitted: JointFit, model: Joint, name: str, region: Region, level: float) -> Placed:
    """A number against its region, also without the smallest of each size."""
    data = fitted.data
    apart = (data.first > data.first.min(), data.second > data.second.min())
    windows = tuple(
        joint_law.estimated(data.at(np.flatnonzero(part)), model.huber, name) if part.sum() > SIZE else fitted.estimate(name)
        for part in apart
    )
    return weighed(name, fitted.interval(name, level), windows, region, noisy=True)


def _sentence(name: str, placed: Placed, region: Region, level: float) -> str:
    interval = placed.interval
    return (
        f"{name} {shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(level)} ({interval.method}), "
        f"expected {region}; without the smallest of the first and of the second size: "
        f"{' and '.join(map(shown, placed.windows))}"
    )
