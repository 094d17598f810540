"""Turns `claims` and `checks` of a sweep file into models: what theory predicts of the rows, and what guards against bugs."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, create_model, model_serializer, model_validator

from orchestrator.errors import nearest
from orchestrator.spec.axes import Wrong
from orchestrator.spec.claim_kinds import ClaimKind, Place, kinds
from orchestrator.spec.field_types import (
    Column,
    Columns,
    Count,
    Expect,
    Label,
    Real,
    Section,
    Text,
    column,
    explained,
    plain_number,
    several,
    wrong,
)

ORIGINS = ("rows", "boundary")


class Basis(Section):
    """Whose claim it is: only a quoted statement may be reported as a paper's claim."""

    kind: Annotated[
        Literal["quoted", "reviewed", "recalled", "derived", "measured", "hypothesis"],
        Field(
            description="as the paper says it, as others report it, from memory, or by you; "
            "measured: the threshold came from data; hypothesis: a rule of thumb"
        ),
    ]
    source: Annotated[Text, Field(description="where it stands")]


class Floor(Section):
    """The arm that measures what error remains, and the columns by which its rows match."""

    arm: Annotated[Label, Field(description="the arm that measures the floor")]
    match: Annotated[Columns, Field(description="columns by which its rows match those of the claim")] = ()


class Choice(Section):
    """How one of several settings is chosen: the values of `over` with the best `of` on `seeds` seeds, half unless told.

    Those seeds are held out: the claim is judged on the others alone.
    """

    over: Annotated[Columns, Field(min_length=1, description="columns whose values are chosen among")]
    of: Annotated[Column, Field(description="the column that decides")]
    goal: Annotated[Literal["minimize", "maximize"], Field(description="which end of it is best")] = "minimize"
    seeds: Annotated[Count | None, Field(description="how many seeds choose; half unless told")] = None


class Require(Section):
    """What the rows must have before a claim is judged; less makes it unmet."""

    x_points: Annotated[Count | None, Field(description="at least so many x")] = None
    x_decades: Annotated[Annotated[Real, Field(gt=0)] | None, Field(description="x over at least so many powers of ten")] = None
    seeds: Annotated[Count | None, Field(description="at least so many seeds")] = None
    matched: dict[str, Annotated[Real, Field(ge=0)]] = Field(
        default_factory=dict, description="columns that must agree, each with its relative room"
    )


def alone(raw: Any) -> Any:
    """A section of one column; the column may stand for it."""
    return raw if isinstance(raw, (dict, Section)) else {"column": raw}


def degrees_of_freedom(raw: Any) -> float | str:
    """A number above 0, or the column or formula that gives one in each row."""
    if isinstance(raw, str) and re.search(r"[A-Za-z_/*(]", raw):
        return column(raw.strip().removeprefix("=").strip())
    number = float(plain_number(raw))
    if not 0 < number < float("inf"):
        raise Wrong(f"degrees of freedom must be a number above 0, but got {raw!r}; write the repeats less one.")
    return number


class StandardError(Section):
    """A standard error and how well it is known: `df` are the degrees of freedom of its estimate, repeats less one."""

    column: Annotated[Column, Field(description="column or formula with the standard error")]
    df: Annotated[
        Annotated[
            float | str | None,
            PlainValidator(explained(degrees_of_freedom)),
            WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
        ],
        Field(description="its degrees of freedom: a number, a column or a formula; by what its workload says unless told"),
    ] = None

    @model_serializer
    def _short(self) -> Any:
        """The column alone where it says no more, as a file does."""
        return self.column if self.df is None else {"column": self.column, "df": self.df}

    def __str__(self) -> str:
        return self.column


class Guard(Section):
    """One of `checks`: a condition that nothing but a bug can break, as a bound of a number that is made of that bound.

    It is no claim of theory: it passes or is broken, has no basis, and a broken one ends the run with an exit code of its own.
    """

    id: Annotated[Label, Field(description="the name of the check, shared with no other check or claim")]
    says: Annotated[str, Field(description="the check as a sentence")] = ""
    holds: Annotated[Text, Field(description="SQL condition that every row must meet")]
    where: Annotated[Text | None, Field(description="SQL condition: the rows that are looked at")] = None
    from_: Annotated[Text, Field(alias="from", description="rows, boundary or sweep:NAME")] = "rows"
    tolerance: Annotated[Real, Field(ge=0, description="relative tolerance of holds")] = 1e-9

    @model_validator(mode="after")
    def _has_an_origin(self) -> Self:
        _check_origin(self.from_)
        return self

    @property
    def claim(self) -> Claim:
        """The claim whose condition it is, for the judge of conditions."""
        return Claim.model_validate(self.model_dump(by_alias=True, exclude_none=True))


class Opening(Section):
    """What every claim says before it says what it claims."""

    id: Annotated[Label, Field(description="the name of the claim, of its own in the sweep")]
    says: Annotated[str, Field(description="the claim as a sentence")] = ""
    basis: Annotated[Basis | None, Field(description="whose claim it is")] = None
    where: Annotated[Text | None, Field(description="SQL condition: the rows that are judged")] = None
    from_: Annotated[Text, Field(alias="from", description="rows, boundary or sweep:NAME")] = "rows"
    by: Annotated[Columns, Field(description="columns whose values are judged apart")] = ()


if TYPE_CHECKING:
    Kinded = Opening
else:
    # a type checker cannot see fields that are made of files: ask `KIND.of(claim)` for what a claim says under a kind's key
    Kinded = create_model(
        "Kinded",
        __base__=Opening,
        **{name: (kind.key | None, Field(default=None, description=kind.says)) for name, kind in kinds().items()},
    )


class Claim(Kinded):
    """One sentence of theory, whose it is, and what would refute it. `by` is also the `by` of its fit, prefer or trend.

    It has a key for each kind of claim, of which it says one; `fit` and `compare` may go together.
    `unit` is the column whose values are independent repeats (a tree, a data set) that intervals rest on; the seed unless told.
    `choose` picks a tuned setting or the best restart on held-out seeds. `foreseen: refuted` says that the sweep was made to
    refute the claim: `claims --strict` then fails where it is not.
    """

    expect: Annotated[
        Expect | None,
        Field(description="where the number lies: {at_least, at_most} or {between: [a, b]}, by its name"),
    ] = None
    floor: Annotated[Floor | None, Field(description="the arm that measures what error remains")] = None
    unmet_if: Annotated[Text | None, Field(description="SQL condition under which the claim is not judged")] = None
    unit: Annotated[
        Column | None,
        Field(description="column whose values are the independent repeats that intervals rest on; the seed unless told"),
    ] = None
    require: Annotated[Require, Field(description="what the rows must have before the claim is judged")] = Require()
    se: Annotated[
        Annotated[StandardError, BeforeValidator(alone)] | None,
        Field(description="column with the standard error, for holds, or {column, df: its degrees of freedom}"),
    ] = None
    chance: Annotated[
        Annotated[Real, Field(gt=0, lt=1)] | None,
        Field(description="how probable it is that a row breaks the condition by chance alone, for holds over random rows"),
    ] = None
    tolerance: Annotated[Real, Field(ge=0, description="relative tolerance of holds")] = 1e-9
    choose: Annotated[
        Choice | None,
        Field(description="picks a tuned setting or the best restart on seeds that are then held out: over, of, goal, seeds"),
    ] = None
    foreseen: Annotated[
        Literal["refuted"] | None,
        Field(description="refuted, where the sweep was made to refute the claim: --strict then fails where it is not"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _shared_groups(cls, raw: Any) -> Any:
        """Groups written at the claim or inside the mapping of its kind, where that has `by`, stand in both places."""
        inner = next((name for name in _grouped() if isinstance(raw, dict) and isinstance(raw.get(name), dict)), None)
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
        self.judged_by.check(self.judged_by.of(self), self)
        _check_company(self)
        _check_expect(self)
        _check_origin(self.from_)
        return self

    @property
    def says_of(self) -> tuple[ClaimKind[Any], ...]:
        """The kinds whose keys it has, in their order."""
        return tuple(kind for kind in kinds().values() if kind.get(self) is not None)

    @property
    def judged_by(self) -> ClaimKind[Any]:
        """The kind that judges it: `compare` where fitted parameters are compared."""
        return self.says_of[-1]

    @property
    def kind(self) -> str:
        """The name of the kind that judges it."""
        return self.judged_by.name

    @property
    def axes(self) -> tuple[str | None, str | None]:
        """The columns that it calls its x and its y; None where it has none."""
        return self.judged_by.axes(self.judged_by.of(self), self)

    @property
    def laws(self) -> tuple[str, ...]:
        """The laws that it fits to y over x, the claimed one first."""
        return self.judged_by.laws(self.judged_by.of(self), self)

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns in which its groups differ."""
        return self.judged_by.groups(self.judged_by.of(self), self)

    @property
    def condition(self) -> str | None:
        """The SQL condition on each row, where it is one."""
        return self.judged_by.condition(self.judged_by.of(self))

    def columns(self) -> Iterator[tuple[Place, str]]:
        """The columns and formulas that its kinds name, each with the keys that lead to it."""
        for kind in self.says_of:
            yield from (((kind.name, *keys), text) for keys, text in kind.columns(kind.of(self)))

    def labels(self) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
        """The arms and values that its kind names: the keys of each, its text, and the columns of which it is a value."""
        kind = self.judged_by
        yield from (((kind.name, *keys), text, columns) for keys, text, columns in kind.labels(kind.of(self), self))

    def model_among(self, claims: Sequence[Claim]) -> Claim | None:
        """The claim on whose rows and fit it is judged, made of one that stands before it; None where that is itself."""
        before = [claim.id for claim in claims]
        model: Claim | None = self.judged_by.model(self.judged_by.of(self), self, claims[: before.index(self.id)])
        return model


def _check_origin(origin: str) -> None:
    """Refuse rows that nothing gives."""
    if origin not in ORIGINS and not re.fullmatch(r"sweep:[A-Za-z_]\w*", origin):
        raise wrong(f"'from' must be rows, boundary or sweep:NAME, but got '{origin}'{nearest(origin, ORIGINS)}", "from")


def _grouped() -> Iterator[str]:
    """The kinds that are judged group by group by a `by` of their own."""
    return (name for name, kind in kinds().items() if "by" in getattr(kind.key, "model_fields", ()))


def _check_kinds(claim: Claim) -> None:
    """Refuse a claim that nothing, or more than one thing, judges."""
    names = [kind.name for kind in claim.says_of]
    if not names or not {*names[:-1]} <= {*claim.judged_by.beside}:
        together = [f"{other} and {kind.name}" for kind in kinds().values() for other in kind.beside]
        choice = f"one of {', '.join(kinds())} ({', '.join(together)} may go together)"
        raise wrong(f"claim '{claim.id}' must have {choice}, but has {' and '.join(names) or 'none'}; keep one.")


def _check_company(claim: Claim) -> None:
    """Refuse keys beside a kind that has no use for them."""
    for kind in kinds().values():
        for keys in kind.owns if kind.get(claim) is None else ():
            if functools.reduce(getattr, keys, claim):
                text = f"'{keys[-1]}' must stand beside '{kind.name}', but this claim has none; remove it."
                raise wrong(text, *keys)
    if claim.choose is not None and (claim.from_ == "boundary" or claim.floor is not None):
        beside = "boundaries" if claim.floor is None else "a floor"
        raise wrong(f"'choose' must be of rows with seeds of their own, but stands beside {beside}; remove one.", "choose")
    if claim.floor is not None and claim.axes[0] is None:
        raise wrong(f"a floor must be below a curve, but a claim of kind '{claim.kind}' has none; remove it.", "floor")


def _check_expect(claim: Claim) -> None:
    """Quantities that are expected must be what the kind of claim gives."""
    allowed = claim.judged_by.quantities(claim.judged_by.of(claim), claim)
    for name in claim.expect or {}:
        if name not in allowed:
            may = f"may expect {' and '.join(allowed)}" if allowed else "must expect nothing"
            raise wrong(f"a claim of kind '{claim.kind}' {may}, but got '{name}'{nearest(name, allowed)}", "expect", name)
