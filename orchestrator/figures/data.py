"""Turns a sweep's rows into what a figure shows: points with intervals, judged laws and theory lines, as plain columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import Verdict
from orchestrator.claims.evidence import lower, settled, upper
from orchestrator.claims.judged_law import ENDS
from orchestrator.claims.series_of_rows import measured
from orchestrator.errors import SpecError
from orchestrator.figures.law_lines import LawLine, judged_laws
from orchestrator.fitting.intervals import interval
from orchestrator.results.conditions import truths
from orchestrator.results.derived_columns import computed, derived, only, with_column
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec import Spec
from orchestrator.spec.expressions import Expression
from orchestrator.spec.figure_model import Figure, Line
from orchestrator.wording import digits_apart, setting, text

STEPS = 60
"""Places at which a smooth line is worked out."""
CURVES = 24
"""Params that make more curves than this in one colour are averaged over instead of told apart."""
LAWFUL = "_lawful"
"""Whether a law was judged on the row, or on a row of the mark's curve."""
FRACTION = re.compile(r"-?\d+\.\d+(e[-+]\d+)?|-?\d+e[-+]\d+")
"""A label that stands for a number with digits behind the point."""
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CurveData:
    """What one figure shows. Every record has `x, y, color, facet, curve`; points have `low, high` too, lines a `label`.

    Laws have their `claim`. `without_result` are places without one, which have no y, `residuals` what laws leave of points,
    `judged` the laws with their claims. `without` are the claims on these axes whose law is not drawn, with the reason;
    `traces` are the points of curves that no law describes. `rows` are the fewest and most rows that a point stands for,
    `probed` the params that a search set, which are never averaged over. `beyond` counts points that a logarithmic axis has no
    place for.
    """

    points: list[Record]
    laws: list[Record]
    theory: list[Record]
    seeds: tuple[int, int]
    lost: int
    aggregate: str
    without_result: list[Record]
    residuals: list[Record]
    rows: tuple[int, int]
    traces: list[Record]
    probed: tuple[str, ...] = ()
    beyond: int = 0
    judged: tuple[tuple[str, str], ...] = ()
    without: tuple[tuple[str, str], ...] = ()


def collect(spec: Spec, figure: Figure, rows: pl.DataFrame, fields: Columns, verdicts: Sequence[Verdict]) -> CurveData:
    """The data of a figure, its laws as the verdicts have them; SpecError where it names what the rows do not have."""
    table = prepared(spec, figure, rows)
    probed = _probed(spec, figure, table)
    apart = _apart(figure, table, fields, probed)
    judged = judged_laws(spec, figure, table, verdicts)
    lawful = pl.any_horizontal(pl.lit(False), *(line.judged for line in judged.lines)).alias(LAWFUL)
    every, lost = _points(figure, table.with_columns(lawful), fields, apart, probed)
    points = [p for p in every if _drawable(p, figure)]
    lines = [p for line in judged.lines for p in _along(line, figure)]
    theory = [p for line in figure.lines for p in _theory(line, figure, table)]
    residuals = [p for line in judged.lines for p in _residuals(line, figure)] if figure.residuals else []
    _shorten([*every, *lost, *lines, *theory, *residuals])
    facets = list(dict.fromkeys(p["facet"] for p in points))
    return CurveData(
        points=[{name: value for name, value in p.items() if name != LAWFUL} for p in points],
        laws=[p for p in _everywhere(_once(lines), facets) if _drawable(p, figure)],
        theory=[p for p in _everywhere(theory, facets) if _drawable(p, figure)],
        seeds=_ends_of(every, "seeds"),
        lost=len(lost),
        aggregate=aggregate(fields, figure.y),
        without_result=[p for p in _once([{**g, "y": None, "label": ""} for g in lost]) if "x" not in figure.log or p["x"] > 0],
        residuals=residuals,
        judged=tuple(dict.fromkeys((line.law.law.name, line.claim) for line in judged.lines)),
        without=judged.without,
        rows=_ends_of(every, "rows"),
        traces=[] if probed else [p for p in points if not p[LAWFUL]],
        probed=probed,
        beyond=len(every) - len(points),
    )


def _ends_of(records: list[Record], name: str) -> tuple[int, int]:
    """The least and the greatest of a number of the records; zero where there are none."""
    values = [record[name] for record in records]
    return min(values, default=0), max(values, default=0)


def _probed(spec: Spec, figure: Figure, table: pl.DataFrame) -> tuple[str, ...]:
    """Params that a search set, but for those that place a mark: a mean over where it happened to look means nothing."""
    if figure.about.source == "boundary":
        return ()
    grids = spec.grids()
    placed = {*Expression(figure.x).names, *(name for name in (figure.color, figure.facet) if name is not None)}
    formulas = [(name, formula.names) for grid in grids for name, formula in grid.derive.items()]
    for _ in formulas:  # as often as one formula may speak of another
        placed |= {name for derived_name, names in formulas if derived_name in placed for name in names}
    searched = {name for grid in grids for name in grid.searched}
    return tuple(sorted(name for name in searched - placed if name in table.columns))


def prepared(spec: Spec, figure: Figure, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that a figure shows, its axes among the columns: the last of each point, all where it speaks of `step`."""
    names = [name for name in (figure.x, figure.y, figure.color, figure.facet) if name]
    table = derived(spec, rows)
    if not any("step" in Expression(name).names for name in names):
        table = only(table, table["final"])
    if figure.where is not None:
        table = table.filter(truths(table, figure.where, f"{spec.name}: figures.where"))
    for name in names:
        table = with_column(table, name, f"{spec.name}: figures")
    return table


def _once(records: list[Record]) -> list[Record]:
    """The records without repeats: two claims may fit one law to the same rows."""
    return list({(r["x"], r["y"], r["color"], r["facet"], r["label"]): r for r in records}.values())


def _everywhere(records: list[Record], facets: list[str]) -> list[Record]:
    """The records, with those that belong to no facet in each."""
    return [{**r, "facet": facet} for r in records for facet in ([r["facet"]] if r["facet"] or not facets else facets)]


def _drawable(record: Record, figure: Figure) -> bool:
    """Whether the place is on the axes: finite, and positive where they are logarithmic."""
    return all(np.isfinite(record[axis]) and (record[axis] > 0 or axis not in figure.log) for axis in ("x", "y"))


def _apart(figure: Figure, table: pl.DataFrame, fields: Columns, probed: tuple[str, ...]) -> list[str]:
    """Params that differ among the rows of one x and colour, so that each of their values is a curve of its own."""
    shared = [name for name in (figure.x, figure.color, figure.facet) if name is not None]
    constant = {*shared, *Expression(figure.x).names, *probed}
    names = [name for name, field in fields.items() if field.role == "param" and name in table.columns and name not in constant]
    if not names or not len(table):
        return []
    counts = table.group_by(shared).agg(pl.col(name).n_unique() for name in names).select(pl.col(names).max())
    varied = [name for name in names if counts[name][0] > 1 or _interleaved(table, figure.x, name, shared[1:])]
    return varied if varied and table.select(varied).n_unique() <= CURVES else []


def _interleaved(table: pl.DataFrame, x: str, name: str, places: list[str]) -> bool:
    """Whether values of a param lie among one another along x in one colour: a line through them would go to and fro.

    A param that goes along with x has each of its values on a stretch of x of its own.
    """

    position = pl.col(x).cast(pl.Float64)
    keys = [key for key in dict.fromkeys(places) if key != name]
    ends = table.group_by([*keys, name]).agg(position.min().alias("_from"), position.max().alias("_to")).sort(*keys, "_from")
    ends = ends.drop_nulls([name, "_from"])
    beside = [pl.col(key).eq_missing(pl.col(key).shift(-1)) for key in keys]
    lies = (pl.col("_from").shift(-1) < pl.col("_to")).fill_null(False)
    return bool(ends.select(pl.all_horizontal(lies, *beside).any()).item())


def _groups(table: pl.DataFrame, keys: Sequence[str]) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
    if not keys:
        yield {}, table
        return
    for key, part in table.sort(list(keys)).group_by(list(keys), maintain_order=True):
        yield dict(zip(keys, key, strict=True)), part


def _labels(figure: Figure, group: Mapping[str, Any], apart: Sequence[str] = ()) -> Record:
    """Colour, facet and curve of a group, as labels."""
    return {
        "color": _label(group[figure.color]) if figure.color is not None and figure.color in group else "",
        "facet": _label(group[figure.facet]) if figure.facet is not None and figure.facet in group else "",
        "curve": ", ".join(f"{name} = {_label(group[name])}" for name in apart if group[name] is not None),
    }


def _label(value: Any) -> str:
    return setting(value)


def _shorten(records: list[Record]) -> None:
    """Write labels of colours and panels that are fractions in as few digits as tell them apart."""
    for of in ("color", "facet"):
        fractions = {label: float(label) for label in {record[of] for record in records} if FRACTION.fullmatch(label)}
        digits = digits_apart(fractions.values())
        for record in records:
            if record[of] in fractions:
                record[of] = text(fractions[record[of]], digits)


def _points(
    figure: Figure, table: pl.DataFrame, fields: Columns, apart: list[str], probed: tuple[str, ...]
) -> tuple[list[Record], list[Record]]:
    """A record for each mark, seeds combined, and one for each place without a result."""
    keys = list(dict.fromkeys([name for name in (figure.color, figure.facet, *apart, *probed) if name is not None]))
    records: list[Record] = []
    lost: list[Record] = []
    for group, part in _groups(table, keys):
        curve = measured(part, figure.x, figure.y, aggregate(fields, figure.y))
        lost += [{**_labels(figure, group, apart), "x": float(x)} for x, _ in curve.lost]
        labels = {**_labels(figure, group, apart), LAWFUL: bool(part[LAWFUL].any())}
        rows = _rows(part, figure)
        for x, values in zip(curve.series.x, curve.series.values, strict=True):
            ends = interval(values, curve.series.aggregate)
            whole = {"low": float(ends.low), "high": float(ends.high), "seeds": ends.units, "rows": rows.get(float(x), 0)}
            records.append({**labels, "x": float(x), "y": ends.estimate, **whole})
        if lower(figure.y) in part.columns:
            records[-len(curve.series.x) :] = [_bracketed(r, figure, part) for r in records[-len(curve.series.x) :]]
    return records, lost


def _rows(part: pl.DataFrame, figure: Figure) -> dict[float, int]:
    """How many rows with a result there are at each x."""
    x, y = (pl.col(name).cast(pl.Float64) for name in (figure.x, figure.y))
    present = part.filter(settled(part)).filter(x.is_finite() & y.is_finite())
    return dict(present.group_by(x.alias("x")).len().rows())


def _bracketed(record: Record, figure: Figure, part: pl.DataFrame) -> Record:
    """A boundary with the bracket that it lies in, in place of an interval over seeds."""
    at_x = part.filter((pl.col(figure.x).cast(pl.Float64) == record["x"]) & pl.col(figure.y).is_not_null())
    low, high = at_x[lower(figure.y)].min(), at_x[upper(figure.y)].max()
    return record if low is None or high is None else {**record, "low": float(low), "high": float(high)}  # type: ignore[arg-type]


def _along(line: LawLine, figure: Figure) -> Iterator[Record]:
    """The law, drawn over the x that it was judged on."""
    xs = _between((line.law.low, line.law.high), "x" in figure.log)
    for x, y in zip(xs, line.law.values(xs), strict=True):
        yield {**_law_place(line, figure), "x": float(x), "y": float(y)}


def _residuals(line: LawLine, figure: Figure) -> Iterator[Record]:
    """What the law leaves at each x it was judged on, with its interval: a factor where y is logarithmic, else a difference."""
    for point in line.law.points:
        law = float(line.law.values(np.array([point["x"]]))[0])
        remainders = {end: point[end] / law if "y" in figure.log else point[end] - law for end in ENDS}
        yield {**_law_place(line, figure), "x": point["x"], **remainders}


def _law_place(line: LawLine, figure: Figure) -> Record:
    """Colour and facet where the law's rows share one, the curve named after its claim and group, and the law's name."""
    by = ", ".join(f"{name} = {_label(line.law.constant.get(name))}" for name in line.law.by)
    return {**_labels(figure, line.shared), "curve": f"{line.claim} {by}", "claim": line.claim, "label": line.law.law.name}


def _between(xs: Any, logarithmic: bool) -> Any:
    low, high = float(np.min(xs)), float(np.max(xs))
    return np.geomspace(low, high, STEPS) if logarithmic and low > 0 else np.linspace(low, high, STEPS)


def _theory(line: Line, figure: Figure, table: pl.DataFrame) -> Iterator[Record]:
    """A theory line in each colour, facet and setting of the columns it names; once, without colour, where it names none."""
    if not isinstance(line.y, Expression):
        for x in _between(table[figure.x].drop_nulls().to_numpy(), "x" in figure.log) if len(table) else ():
            yield {**_labels(figure, {}), "color": "", "x": float(x), "y": float(line.y), "label": line.label}
        return
    names = sorted(line.y.names - {figure.x})
    columns = [name for name in names if name in table.columns]
    if names != columns:
        raise SpecError(
            f"figures.lines: '{line.y.text}' must name columns of the rows, but got {sorted(set(names) - set(columns))}."
        )
    places = [name for name in (figure.color, figure.facet) if name is not None] if names else []
    for group, part in _groups(table.drop_nulls(columns), list(dict.fromkeys([*places, *names]))):
        curve = ", ".join(f"{name} = {_label(group[name])}" for name in names)
        label = f"{line.label} ({curve})" if curve and table.select(names).drop_nulls().n_unique() > 1 else line.label
        for x, y in _values(line.y, figure, part):
            yield {**_labels(figure, group), "curve": curve, "x": x, "y": y, "label": label}


def _values(formula: Expression, figure: Figure, part: pl.DataFrame) -> Iterator[tuple[float, float]]:
    """Places of a formula: along a fine x where x is a column, else at the measured x."""
    present = part.drop_nulls([figure.x])
    if not len(present):
        return
    if (
        formula.names <= {figure.x, *(name for name in formula.names if present[name].n_unique() == 1)}
        and figure.x.isidentifier()
    ):
        xs = _between(present[figure.x].cast(pl.Float64).to_numpy(), "x" in figure.log)
        constant = present.select(sorted(formula.names - {figure.x})).row(0, named=True) if formula.names - {figure.x} else {}
        present = pl.DataFrame({figure.x: xs, **{name: [value] * len(xs) for name, value in constant.items()}})
    values = computed(present, formula, "figures.lines")
    pairs = zip(present[figure.x].cast(pl.Float64).to_list(), values.to_list(), strict=True)
    yield from sorted({(float(x), float(y)) for x, y in pairs if y is not None})
