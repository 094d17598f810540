"""Turns a spec into the columns that its claims, figures and searches name, each with the keys that lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression
from orchestrator.spec.figure_model import Figure
from orchestrator.spec.yaml_tree import Keys

if TYPE_CHECKING:
    from orchestrator.spec.sweep_model import Spec

Named = Iterator[tuple[Keys, str]]
OF_A_CURVE = ("curve", "along", "of", "level", "evaluations", "status")
"""Columns of every table of boundaries."""


def columns_used(spec: Spec) -> tuple[tuple[Keys, str], ...]:
    """Pairs of keys and column; a formula such as b/u counts its names. Claims on another sweep's rows are left out."""
    return tuple((keys, name) for keys, text in _texts(spec) for name in sorted(Expression(text).names))


def boundary_columns(spec: Spec) -> tuple[str, ...]:
    """Columns that a table of boundaries has beside the params and derived names of its curves."""
    model = spec.search.model if spec.search is not None else None
    return (*(model.place_columns if model is not None and model.finds else ()), *OF_A_CURVE)


def _texts(spec: Spec) -> Named:
    for index, claim in enumerate(spec.claims):
        if not claim.from_.startswith("sweep:"):
            yield from _of_rows(("claims", index), _of_claim(claim), spec, claim.from_)
    for index, figure in enumerate(spec.figures):
        yield from _of_rows(("figures", index), _of_figure(figure), spec, figure.about.source)
    yield from _of_search(spec)
    yield from dict.fromkeys(_of_derived(spec))


def _of_rows(keys: Keys, texts: Named, spec: Spec, source: str) -> Named:
    """The names that these texts are made of, but for those that stand in the table of boundaries alone where that is read."""
    of_boundary = {*boundary_columns(spec)} if source == "boundary" else set()
    yield from (((*keys, *inner), name) for inner, text in texts for name in sorted({*Expression(text).names} - of_boundary))


def _of_derived(spec: Spec) -> Named:
    """Names that derived columns need and no param gives: results, or params at their default."""
    for grid in spec.grids():
        for name, formula in grid.derive.items():
            arm = spec.arms.get(grid.arm)
            outer: Keys = ("arms", grid.arm) if arm is not None and name in arm.derive else ()
            unknown = formula.names - {*grid.names} if name not in grid.order else ()
            yield from (((*outer, "derive", name), missing) for missing in sorted(unknown))


def _of_claim(claim: Claim) -> Named:
    yield from claim.columns()
    yield from _list(("by",), claim.by)
    if claim.unit is not None:
        yield ("unit",), claim.unit
    if claim.se is not None:
        yield ("se",), claim.se.column
        if isinstance(claim.se.df, str):
            yield ("se", "df"), claim.se.df
    if claim.choose is not None:
        yield ("choose", "of"), claim.choose.of
        yield from _list(("choose", "over"), claim.choose.over)
    if claim.floor is not None:
        yield from _list(("floor", "match"), claim.floor.match)
    yield from ((("require", "matched", name), name) for name in claim.require.matched)
    for quantity, bound in (claim.expect or {}).items():
        yield from ((("expect", quantity), name) for name in sorted(bound.names))


def _list(keys: Keys, names: tuple[str, ...]) -> Named:
    return (((*keys, index), name) for index, name in enumerate(names))


def _of_figure(figure: Figure) -> Named:
    # the x of what claims fitted is a parameter, which is no column
    for field in ("x", "y", "color", "facet") if not figure.about.shows_claims else ():
        if getattr(figure, field):
            yield (field,), getattr(figure, field)
    for index, line in enumerate(figure.lines):
        if isinstance(line.y, Expression):
            yield ("lines", index, "y"), line.y.text


def _of_search(spec: Spec) -> Named:
    if spec.seeds.until is not None:
        yield ("seeds", "until", "metric"), spec.seeds.until.metric
    if spec.track.x is not None:
        yield ("track", "x"), spec.track.x
    if spec.search is not None:
        yield from ((("search", spec.search.kind, *keys), text) for keys, text in spec.search.model.looks_at())
    if spec.stop is not None:
        yield ("stop", spec.stop.kind, "of"), spec.stop.model.of
