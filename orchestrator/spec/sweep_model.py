"""Turns the text of a sweep file into a Spec: everything it says, typed, checked and of one size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema, model_validator

from orchestrator.errors import nearest
from orchestrator.spec import messages
from orchestrator.spec.axes import Wrong
from orchestrator.spec.claim_model import Claim, Guard
from orchestrator.spec.field_types import (
    LATER,
    Axes,
    Column,
    Count,
    Formulas,
    Label,
    Params,
    Real,
    Seconds,
    Section,
    Text,
    explained,
    plain_number,
    wrong,
)
from orchestrator.spec.figure_model import Figure
from orchestrator.spec.grids import Grid
from orchestrator.spec.programs.program_model import Called
from orchestrator.spec.search_model import Search, Stop
from orchestrator.spec.yaml_tree import Node
from orchestrator.workload.commands.keys import KEYS

IDENTITY = frozenset({*KEYS, "workload", "fixed", "derive", "axes", "arms", "seeds", "search", "stop"})
"""Fields that decide which points are measured, and how far."""
TRANSPORT = frozenset(
    {
        "name",
        "path",
        "size",
        "text",
        "question",
        "source",
        "needs",
        "pack",
        "limits",
        "track",
        "claims",
        "checks",
        "figures",
        "sizes",
    }
)
"""Fields that decide how points are run, read or shown; changing one measures nothing again."""


class Arm(Section):
    """A labelled sub-grid: what it adds to the sweep's own params."""

    fixed: Params = Field(default_factory=dict, description="params with one value in this arm")
    derive: Formulas = Field(default_factory=dict, description="names computed in this arm")
    axes: Annotated[Axes, Field(description="params whose product is measured in this arm")] = ()
    seeds: Annotated[
        Count | None, Field(description="how often each assignment of this arm is measured; as the sweep says")
    ] = None


class Until(Section):
    """When a point has seeds enough: its metric's interval is narrower than `rel_halfwidth` of the mean."""

    metric: Annotated[Column, Field(description="the result whose mean must be known")]
    rel_halfwidth: Annotated[Real, Field(gt=0, lt=1, description="half the width of its interval, as a share of the mean")]
    confidence: Annotated[Real, Field(gt=0, lt=1, description="confidence of that interval")] = 0.95


class Seeds(Section):
    """How often each assignment is measured: `min` times, and up to `max` until the interval is narrow."""

    min: Annotated[Count, Field(description="seeds that each assignment has at first")] = 1
    max: Annotated[Count, Field(description="seeds that an assignment has at most")]
    until: Annotated[Until | None, Field(description="when an assignment has seeds enough")] = None

    @property
    def count(self) -> int:
        """Seeds that the plan starts with: 0, 1, …, count - 1."""
        return self.min

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.min > self.max:
            raise wrong(f"'max' must be at least 'min', but got {self.min} to {self.max}; swap them.", "max")
        if self.until is None and self.min != self.max:
            raise wrong(f"seeds from {self.min} to {self.max} must have 'until', but have none; write it or one number.")
        return self


class Needs(Section):
    """What one trial takes of a machine; fractions of a GPU are allowed below 1."""

    cpu: Annotated[Real, Field(gt=0, description="CPUs of one trial")] = 1.0
    gpu: Annotated[Real, Field(ge=0, description="GPUs of one trial; below 1 a share of one")] = 0.0

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.gpu > 1 and self.gpu % 1:
            raise wrong(f"more than one GPU must be a whole number, but got {self.gpu}; write {math.ceil(self.gpu)}.", "gpu")
        return self


class Pack(Section):
    """How long one trial should take, or how many points of one shape it holds and measures together."""

    seconds: Annotated[Seconds, Field(description="how long one trial should take")] = 5.0
    points: Annotated[Count | None, Field(description="how many points of one shape a trial measures together")] = None


class Limits(Section):
    """Where a run stops: `seconds` a point, `points` a plan, `gpu_hours` and `deadline` (seconds) a run."""

    seconds: Annotated[Seconds | None, Field(description="how long one point may take")] = None
    points: Annotated[Count, Field(description="how many points a plan may have")] = 100_000
    gpu_hours: Annotated[Annotated[Real, Field(gt=0)] | None, Field(description="GPU hours after which a run stops")] = None
    deadline: Annotated[Seconds | None, Field(description="time after which a run stops")] = None

    def after(self, seconds: float, gpu_hours: float) -> Self | None:
        """What is left of them after so much of a run; None where nothing is."""
        deadline = None if self.deadline is None else self.deadline - seconds
        gpu = None if self.gpu_hours is None else self.gpu_hours - gpu_hours
        if any(remaining is not None and remaining <= 0 for remaining in (deadline, gpu)):
            return None
        return self.model_copy(update={"deadline": deadline, "gpu_hours": gpu})


class Track(Section):
    """What MLflow gets: a run for each curve over `x`, or for each point."""

    x: Annotated[Label | None, Field(description="the param along which MLflow draws a curve")] = None
    points: Annotated[bool, Field(description="whether each point is a run of its own")] = False


def _seeds(raw: Any) -> Any:
    if isinstance(raw, (dict, Seeds)):
        return raw
    number = plain_number(raw)
    if number < 1 or number % 1:
        raise Wrong(f"seeds must be a whole number of at least 1, but got {raw!r}; write how often each point is measured.")
    return {"min": number, "max": number}


def _track(raw: Any) -> Any:
    if isinstance(raw, str) and raw != "points":
        raise Wrong(f"'track' must be 'points' or a mapping such as {{x: d}}, but got '{raw}'{nearest(raw, ('points',))}")
    return {"points": True} if raw == "points" else raw


class Sweep(Called):
    """What a sweep file holds, of one size."""

    question: Annotated[Text, Field(description="the one question that the sweep answers")]
    source: Annotated[Text, Field(description="where the theory stands: paper, theorem, equation")] = "none given"
    workload: Annotated[
        Text,
        Field(description="what is measured: paper.measurement, an importable module or a .py path; none beside 'command'"),
    ] = ""
    fixed: Params = Field(
        default_factory=dict, description="params with one value; a value may be an =expression over other params"
    )
    derive: Formulas = Field(
        default_factory=dict, description="names computed from params (or from results, for claims and figures alone)"
    )
    axes: Annotated[Axes, Field(description="params whose product is measured; those under zip move together")] = ()
    arms: dict[Label, Arm] = Field(
        default_factory=dict, description="labelled sub-grids: each adds its params to the sweep's own"
    )
    seeds: Annotated[
        Seeds,
        BeforeValidator(explained(_seeds)),
        Field(description="how often each assignment is measured, or {min, max, until}"),
    ] = Seeds(min=1, max=1)
    needs: Annotated[Needs, Field(description="CPUs and GPUs of one trial")] = Needs()
    pack: Annotated[Pack, Field(description="how long one trial should take")] = Pack()
    limits: Annotated[Limits, Field(description="where a run stops; times as 90s, 5m, 8h, 2d")] = Limits()
    track: Annotated[
        Track,
        BeforeValidator(explained(_track)),
        Field(description="the x axis of MLflow's curves, or points for a run a point"),
    ] = Track()
    search: Annotated[Search | None, Field(description="propose points instead of taking the product of axes")] = None
    stop: Annotated[Stop | None, Field(description="end points early")] = None
    claims: Annotated[tuple[Claim, ...], Field(description="what theory predicts of the rows, and what would refute it")] = ()
    checks: Annotated[
        tuple[Guard, ...], Field(description="what only a bug can break: conditions that pass or are broken, beside the claims")
    ] = ()
    figures: Annotated[tuple[Figure, ...], Field(description="what the report draws")] = ()
    sizes: Annotated[dict[Label, dict[str, Any]], WithJsonSchema({LATER: "Sizes"})] = Field(
        default_factory=dict, description="named overlays such as smoke, paper and gpu"
    )

    @model_validator(mode="after")
    def _has_a_workload(self) -> Self:
        if not self.workload and self.command is None:
            raise wrong("a sweep must have 'workload' or 'command', but has neither; name what is measured.")
        if self.workload and self.command is not None and not self.workload.endswith((".yaml", ".yml")):
            raise wrong(
                f"a sweep must measure one thing, but has 'command' beside the workload '{self.workload}'; drop one.",
                "workload",
            )
        return self


class Spec(Sweep):
    """A sweep, with its name, the file it came from, its text, and the size that was laid over it."""

    name: str
    path: Path | None = None
    size: str | None = None
    text: str = ""
    _root: Node = PrivateAttr()
    _grids: tuple[Grid, ...] = PrivateAttr(default=())
    _claimed: dict[str, str] | None = PrivateAttr(default=None)

    def grids(self) -> tuple[Grid, ...]:
        """One grid for each arm, by label; one with the label `all` where the file has no arms. No point is built."""
        return self._grids

    def seeds_of(self, arm: str) -> int:
        """Seeds that each assignment of an arm starts with: its own number, else the sweep's."""
        own = self.arms[arm].seeds if arm in self.arms else None
        return own or self.seeds.count

    def with_seeds(self, numbers: Mapping[str, int]) -> Self:
        """The sweep with other numbers of seeds, by arm; what was measured of it is part of it where none is smaller."""
        if not self.arms:
            (number,) = numbers.values()
            return self.model_copy(update={"seeds": Seeds(min=number, max=number)})
        arms = {key: arm.model_copy(update={"seeds": numbers.get(key, arm.seeds)}) for key, arm in self.arms.items()}
        return self.model_copy(update={"arms": arms})

    @property
    def claimed(self) -> dict[str, str] | None:
        """Results that have an engine column's name, with what they are called inside; None where nobody has said."""
        return self._claimed

    def where(self, *keys: str | int) -> str:
        """The place of a value, to open a message: `sweeps/x.yaml:12: claims[0].fit.x` of `where("claims", 0, "fit", "x")`."""
        return messages.place(self._root, shown_name(self.name, self.path), keys)

    def resolved(self) -> dict[str, Any]:
        """The sweep as plain JSON values: size applied, defaults filled in, `sizes` left out. It parses to itself."""
        dumped = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"name", "path", "size", "text", "sizes"}
        )
        sections = [(dumped, self.fixed), *((dumped.get("arms", {}).get(key, {}), arm.fixed) for key, arm in self.arms.items())]
        for section, fixed in sections:
            absent = {name: None for name, value in fixed.items() if value is None}
            if absent:  # a param that is null says so: it may have a default
                section["fixed"] = {**section.get("fixed", {}), **absent}
        return {key: value for key, value in dumped.items() if value not in ({}, [])}


def shown_name(name: str, path: Path | None) -> str:
    """How messages call a file."""
    return str(path) if path is not None else name
