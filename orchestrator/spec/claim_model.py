"""Turns `claims` of a sweep file into models: what theory predicts of the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.errors import nearest
from orchestrator.fitting.law_names import LAWS, PARAMETERS
from orchestrator.spec.axes import Wrong, read_mapping, read_number
from orchestrator.spec.expressions import Expression
from orchestrator.spec.field_types import (
    LATER,
    Column,
    Columns,
    Count,
    Label,
    Params,
    Real,
    Section,
    Text,
    column,
    label,
    several,
    told,
    written,
    wrong,
)

KINDS = ("fit", "prefer", "compare", "trend", "collapse", "holds", "equals")
ORIGINS = ("rows", "boundary")
QUANTITIES = {"compare": ("difference", "interaction"), "collapse": ("spread",)}
BOUNDS = ("at_least", "at_most", "between")
DIFFERENCE = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
LAW_NAME = Literal[
    "power", "exponential", "linear", "constant", "sqrt_log", "logistic", "saturating", "power_with_floor", "piecewise"
]


@dataclass(frozen=True)
class Bound:
    """Where a number is expected: at least `low`, at most `high`; None where that end is open.

    An end may be an expression over the claim's `by` columns and the fixed params.
    """

    low: float | Expression | None = None
    high: float | Expression | None = None

    @property
    def names(self) -> frozenset[str]:
        """Columns that the ends need."""
        return frozenset(name for end in (self.low, self.high) if isinstance(end, Expression) for name in end.names)


@dataclass(frozen=True)
class Compare:
    """The difference `left - right` of a fitted parameter between groups, or, where `paired`, of a column between arms."""

    of: str
    left: str
    right: str
    paired: bool = False
    interaction: str | None = None
    pair: tuple[str, ...] = ()


def read_bound(raw: Any) -> Bound:
    """A bound of `{at_least: a}`, `{at_most: b}`, both, or `{between: [a, b]}`."""
    if not isinstance(raw, dict) or not raw:
        raise Wrong(
            f"an expectation must be {{at_least: a}}, {{at_most: b}} or {{between: [a, b]}}, but got {raw!r}; write one."
        )
    for key in raw:
        if key not in BOUNDS:
            raise Wrong(f"an expectation must be one of {', '.join(BOUNDS)}, but got '{key}'{nearest(key, BOUNDS)}", key)
    if "between" in raw:
        low, high = _ends(raw)
    else:
        low, high = raw.get("at_least"), raw.get("at_most")
    return _ordered(*(None if end is None else read_number(end) for end in (low, high)))


def _ends(raw: dict[str, Any]) -> list[Any]:
    ends = raw["between"]
    if len(raw) > 1 or not isinstance(ends, list) or len(ends) != 2:
        raise Wrong(f"'between' must stand alone and have two ends [a, b], but got {raw!r}; mend it.", "between")
    return ends


def _ordered(low: float | Expression | None, high: float | Expression | None) -> Bound:
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        raise Wrong(f"an expectation must go from the smaller to the larger end, but got {low} to {high}; swap them.")
    return Bound(low, high)


def read_expect(raw: Any) -> dict[str, Bound]:
    """Bounds by the quantity they hold for; one bound without a name is that of the `difference`."""
    if isinstance(raw, dict) and raw.keys() & set(BOUNDS):
        return {"difference": read_bound(raw)}
    found = {}
    for name, bound in read_mapping(raw, "expect", "bounds").items():
        try:
            found[name] = read_bound(bound)
        except Wrong as fault:
            raise Wrong(fault.text, name, *fault.keys) from fault
    if not found:
        raise Wrong("'expect' must name a quantity, but is empty; write {exponent: {at_least: 1}}.")
    return found


def write_expect(expect: dict[str, Bound]) -> dict[str, Any]:
    """The bounds as a file would say them."""
    ends = {name: {"at_least": written(bound.low), "at_most": written(bound.high)} for name, bound in expect.items()}
    return {name: {key: end for key, end in bound.items() if end is not None} for name, bound in ends.items()}


def read_compare(raw: Any) -> Compare:
    """A comparison of `{exponent: a - b}` or `{y: column, arms: a - b, interaction: arm, pair: [seed]}`."""
    given = dict(read_mapping(raw, "compare", "differences"))
    if "arms" not in given and "y" not in given:
        if len(given) != 1:
            raise Wrong(f"'compare' must name one fitted parameter, or y and arms, but got {list(given)}; keep one.")
        ((of, difference),) = given.items()
        if of not in PARAMETERS:
            raise Wrong(
                f"a fitted parameter must be one of {', '.join(sorted(PARAMETERS))}, but got '{of}'{nearest(of, PARAMETERS)}",
                of,
            )
        return Compare(of, *_difference(difference, of))
    known = ("y", "arms", "interaction", "pair")
    for key in given:
        if key not in known:
            raise Wrong(f"a key must be one of {', '.join(known)}, but got '{key}'{nearest(key, known)}", key)
    if not {"y", "arms"} <= given.keys():
        raise Wrong(f"'compare' of arms must have y and arms, but got {list(given)}; write {{y: column, arms: a - b}}.")
    interaction = None if given.get("interaction") is None else label(given["interaction"])
    pair = tuple(column(name) for name in several(given.get("pair", [])))
    return Compare(column(given["y"]), *_difference(given["arms"], "arms"), True, interaction, pair)


def _difference(raw: Any, key: str) -> tuple[str, str]:
    match = DIFFERENCE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None or match[1] == match[2]:
        raise Wrong(
            f"a difference must name two groups, as in 'growing - control', but got {raw!r}; keep spaces around the minus.", key
        )
    return match[1], match[2]


def write_compare(compare: Compare) -> dict[str, Any]:
    """The comparison as a file would say it."""
    difference = f"{compare.left} - {compare.right}"
    if not compare.paired:
        return {compare.of: difference}
    extra = {"interaction": compare.interaction, "pair": list(compare.pair)}
    return {"y": compare.of, "arms": difference} | {key: value for key, value in extra.items() if value}


Expect = Annotated[
    dict[str, Bound],
    PlainValidator(told(read_expect)),
    PlainSerializer(write_expect),
    WithJsonSchema({"anyOf": [{LATER: "Bound"}, {"type": "object", "additionalProperties": {LATER: "Bound"}}]}),
]
Comparison = Annotated[
    Compare,
    PlainValidator(told(read_compare)),
    PlainSerializer(write_compare),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "array"]}, "minProperties": 1}),
]


class Basis(Section):
    """Whose claim it is: only a quoted statement may be reported as a paper's claim."""

    kind: Literal["quoted", "reviewed", "recalled", "derived"]
    source: Text


class Fit(Section):
    """A law fitted to y over x, once for each group of `by`."""

    law: LAW_NAME
    x: Column
    y: Column
    by: Columns = ()


class Prefer(Section):
    """A law that must describe y over x better than its rivals, by `aicc` points."""

    law: LAW_NAME
    over: Annotated[tuple[LAW_NAME, ...], BeforeValidator(several), Field(min_length=1)]
    x: Column
    y: Column
    by: Columns = ()
    aicc: Annotated[Real, Field(gt=0)] = 6.0

    @model_validator(mode="after")
    def _has_rivals(self) -> Self:
        if self.law in self.over or len(set(self.over)) < len(self.over):
            raise wrong(
                f"rivals must differ from '{self.law}' and from each other, but got {list(self.over)}; mend them.", "over"
            )
        return self


class Trend(Section):
    """A quantity (a column, or a parameter of an earlier fit) that must rise or fall along another."""

    of: Column
    along: Column
    is_: Literal["increasing", "decreasing"] = Field(alias="is")
    by: Columns = ()


class Collapse(Section):
    """Curves that must lie on one another as y over x."""

    x: Column
    y: Column
    curves: Column


class Equals(Section):
    """A table that column `y` must equal; its other columns say which rows are meant."""

    y: Column
    table: Annotated[tuple[Params, ...], Field(min_length=1)]
    tolerance: Annotated[Real, Field(ge=0)] = 1e-9

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        for index, row in enumerate(self.table):
            if self.y not in row or row.keys() != self.table[0].keys():
                text = (
                    f"a row of the table must hold '{self.y}' and the columns of the first, but got {list(row)}; complete it."
                )
                raise wrong(text, "table", index)
        return self


class Floor(Section):
    """The arm that measures what error remains, and the columns by which its rows match."""

    arm: Label
    match: Columns = ()


class Choice(Section):
    """How one of several settings is chosen: the values of `over` with the best `of` on `seeds` seeds, half unless told.

    Those seeds are held out: the claim is judged on the others alone.
    """

    over: Annotated[Columns, Field(min_length=1)]
    of: Column
    goal: Literal["minimize", "maximize"] = "minimize"
    seeds: Count | None = None


class Require(Section):
    """What the rows must have before a claim is judged; less makes it unmet."""

    x_points: Count | None = None
    x_decades: Annotated[Real, Field(gt=0)] | None = None
    seeds: Count | None = None
    matched: dict[str, Annotated[Real, Field(ge=0)]] = Field(default_factory=dict)


class Claim(Section):
    """One sentence of theory, whose it is, and what would refute it. `by` is also the `by` of its fit, prefer or trend.

    `unit` is the column whose values are independent repeats (a tree, a data set) that intervals rest on; the seed unless told.
    `choose` picks a tuned setting or the best restart on held-out seeds. `foreseen: refuted` says that the sweep was made to
    refute the claim: `claims --strict` then fails where it is not.
    """

    id: Label
    says: str = ""
    basis: Basis | None = None
    where: Text | None = None
    from_: Text = Field(default="rows", alias="from")
    by: Columns = ()
    fit: Fit | None = None
    prefer: Prefer | None = None
    compare: Comparison | None = None
    trend: Trend | None = None
    collapse: Collapse | None = None
    holds: Text | None = None
    equals: Equals | None = None
    expect: Expect | None = None
    floor: Floor | None = None
    unmet_if: Text | None = None
    unit: Column | None = None
    require: Require = Require()
    se: Column | None = None
    tolerance: Annotated[Real, Field(ge=0)] = 1e-9
    choose: Choice | None = None
    foreseen: Literal["refuted"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shared_groups(cls, raw: Any) -> Any:
        """Groups written at the claim or inside its fit, prefer or trend stand in both places."""
        inner = next((k for k in ("fit", "prefer", "trend") if isinstance(raw, dict) and isinstance(raw.get(k), dict)), None)
        if inner is None:
            return raw
        outer_by, inner_by = several(raw.get("by", [])), several(raw[inner].get("by", []))
        if outer_by and inner_by and outer_by != inner_by:
            raise wrong(f"groups must be given once, but 'by' is {outer_by} and {inner_by}; remove one.", inner, "by")
        by = outer_by or inner_by
        return {**raw, "by": by, inner: {**raw[inner], "by": by}}

    @model_validator(mode="after")
    def _is_judged(self) -> Self:
        _check_kinds(self)
        _check_expect(self)
        if self.from_ not in ORIGINS and not re.fullmatch(r"sweep:[A-Za-z_]\w*", self.from_):
            mend = nearest(self.from_, ORIGINS)
            raise wrong(f"'from' must be rows, boundary or sweep:NAME, but got '{self.from_}'{mend}", "from")
        return self

    @property
    def kind(self) -> str:
        """What judges the claim: `compare` where fitted parameters are compared."""
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        return given[-1]


def _check_kinds(claim: Claim) -> None:
    """Refuse a claim that nothing, or more than one thing, judges."""
    given = [kind for kind in KINDS if getattr(claim, kind) is not None]
    if given != ["fit", "compare"] and len(given) != 1:
        kinds = f"one of {', '.join(KINDS)} (fit and compare may go together)"
        raise wrong(f"claim '{claim.id}' must have {kinds}, but has {' and '.join(given) or 'none'}; keep one.")
    if claim.compare is not None:
        _check_compare(claim.compare, claim.fit)
    if claim.se is not None and claim.holds is None:
        raise wrong("'se' must stand beside 'holds', but this claim has none; remove it.", "se")
    if claim.require.matched and claim.compare is None:
        raise wrong("'matched' must stand beside 'compare', but this claim has none; remove it.", "require", "matched")
    if claim.choose is not None and (claim.from_ == "boundary" or claim.floor is not None):
        beside = "boundaries" if claim.floor is None else "a floor"
        raise wrong(f"'choose' must be of rows with seeds of their own, but stands beside {beside}; remove one.", "choose")
    if claim.floor is not None and (claim.holds is not None or claim.equals is not None):
        raise wrong(f"a floor must be below a curve, but a claim of kind '{claim.kind}' has none; remove it.", "floor")


def _check_compare(compare: Compare, fit: Fit | None) -> None:
    """Refuse a comparison of arms with a fit, or of a fitted parameter without one that has it."""
    if compare.paired and fit is not None:
        raise wrong("'compare' of arms must stand alone, but stands beside 'fit'; remove 'fit'.", "compare")
    if not compare.paired and fit is None:
        raise wrong("'compare' of a fitted parameter must have a 'fit' beside it, but has none; add it.", "compare")
    if fit is not None and compare.of not in LAWS[fit.law]:
        raise _no_parameter(fit.law, compare.of, "compare")


def _check_expect(claim: Claim) -> None:
    """Quantities that are expected must be what the kind of claim gives."""
    if claim.fit is not None and claim.compare is None:
        if claim.expect is None:
            mend = "write expect: {exponent: {at_least: 1}}"
            raise wrong(f"claim '{claim.id}' must say what it expects of the fit, but has no 'expect'; {mend}.")
        for name in claim.expect:
            if name not in LAWS[claim.fit.law]:
                raise _no_parameter(claim.fit.law, name, "expect")
        return
    allowed = QUANTITIES.get(claim.kind, ())
    if claim.compare is not None and claim.compare.interaction is None:
        allowed = allowed[:1]
    for name in claim.expect or {}:
        if name not in allowed:
            may = f"may expect {' and '.join(allowed)}" if allowed else "must expect nothing"
            raise wrong(f"a claim of kind '{claim.kind}' {may}, but got '{name}'{nearest(name, allowed)}", "expect", name)


def _no_parameter(law: str, name: str, key: str) -> PydanticCustomError:
    known = LAWS[law]
    return wrong(f"law '{law}' must have '{name}', but it has {', '.join(known)}{nearest(name, known)}", key, name)
