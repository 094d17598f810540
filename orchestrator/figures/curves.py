"""Turns a figure of y over x into its drawing: the chart, a caption that says what is drawn, and the records behind it."""

from __future__ import annotations

from orchestrator.figures.curve_chart import chart, laws_share, open_ends
from orchestrator.figures.data import CurveData, collect
from orchestrator.figures.drawing import Drawing, Request, described, lowered, recorded
from orchestrator.results.described import Columns
from orchestrator.spec import Spec
from orchestrator.spec.expressions import Expression
from orchestrator.spec.figure_model import Figure
from orchestrator.wording import count, some


def draw(request: Request, traced: bool = True, marks: str = "") -> Drawing:
    """Marks over x, a thin line through them where `traced` and no law is drawn; `marks` says what they are, if no means."""
    spec, figure, fields = request.spec, request.figure, request.fields
    curve = collect(spec, figure, request.rows, fields, request.verdicts())
    text = f"{caption(figure, curve, fields, marks)}{meant(spec, figure, fields)}"
    data = recorded(
        point=curve.points,
        law=curve.laws,
        theory=curve.theory,
        no_result=curve.without_result,
        residual=curve.residuals,
    )
    return request.answer(chart(figure, curve, fields, traced), f"{figure.y} over {figure.x}", text, data)


def caption(figure: Figure, data: CurveData, fields: Columns, marks: str) -> str:
    """What is drawn, in sentences: the measured column, how seeds are combined, intervals, laws, theory, what is missing."""
    parts = [f"{described(figure.y, fields)} over {figure.x}.", *([marks] if marks else []), _marks(data, bool(marks))]
    if open_ends(figure, data):
        parts.append("An arrow at the foot: that interval goes on below 0, where a logarithmic axis has no place.")
    if data.beyond:
        parts.append(f"{count(data.beyond, 'mark')} no place on a logarithmic axis, as it is not above 0.")
    if data.laws:
        claims = {law: [claim for name, claim in data.judged if name == law] for law, _ in data.judged}
        laws = "; ".join(f"{law}, of {' and '.join(ids)}" for law, ids in claims.items())
        lines = "Lines, of each claim with a dash of its own," if laws_share(data) else "Solid lines"
        parts.append(f"{lines} are fitted laws ({laws}).")
    parts += [f"No law is drawn of {claim}: the claim {why}." for claim, why in data.without]
    if data.theory:
        names = ", ".join(name for name in dict.fromkeys(p["label"] for p in data.theory) if name)
        parts.append(f"Dashed lines are theory{f' ({names})' if names else ''}.")
    if data.lost:
        parts.append(f"{count(data.lost, 'point')} no result: crosses at the foot.")
    if data.residuals:
        parts.append(f"Below, what the law leaves: {'measured over law' if 'y' in figure.log else 'measured minus law'}.")
    return " ".join(parts)


def _marks(data: CurveData, explained: bool) -> str:
    """What a mark is, and how many rows it stands for; only the latter where the first was `explained` before."""
    rows = some(data.rows, "row")
    if explained:
        return f"Each stands for {rows}."
    if data.seeds[1] > 1:
        spread = any(p["high"] > p["low"] for p in data.points)
        bars = "bars are 95 % intervals" if spread else "they agree, so there are no bars"
        text = f"Marks are the {data.aggregate} over {some(data.seeds, 'seed')}, each of {rows}; {bars}."
    elif data.rows[1] > 1:
        text = f"Marks are the {data.aggregate} of one seed's rows, each of {rows}."
    else:
        text = "Marks are single measurements, one row each."
    probed = " and ".join(data.probed)
    return f"{text} They stand where the search looked: nothing is averaged over {probed}." if probed else text


def meant(spec: Spec, figure: Figure, fields: Columns) -> str:
    """What the names on the x axis are, in a sentence: params as their workload says, derived names by their formula."""
    formulas = {name: formula.text for grid in spec.grids() for name, formula in grid.derive.items()}
    names = sorted(Expression(figure.x).names)
    meanings = [f"{n} = {formulas[n]}" for n in names if n in formulas]
    meanings += [f"{n} is the {lowered(fields[n].says)}" for n in names if n in fields and fields[n].says]
    return f" Here {'; '.join(meanings)}." if meanings else ""
