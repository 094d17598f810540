"""Turns the text of a sweep file into a Spec: everything it says, typed, checked and of one size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, WithJsonSchema, model_validator

from orchestrator import complaints, reading
from orchestrator.axes import Wrong
from orchestrator.errors import SpecError, nearest
from orchestrator.grids import Block, Grid, Misplaced, make_grid
from orchestrator.overlay import overlay
from orchestrator.reading import Node
from orchestrator.search import Search, Stop
from orchestrator.spec_checks import check_claims, check_search
from orchestrator.spec_claims import Claim
from orchestrator.spec_figures import Figure
from orchestrator.terms import (
    LABEL,
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
    plain_number,
    told,
    wrong,
)

__all__ = ["IDENTITY", "TRANSPORT", "Grid", "Spec", "parse", "read", "shipped"]

ONE_ARM = "all"

IDENTITY = frozenset({"workload", "fixed", "derive", "axes", "arms", "seeds", "search", "stop"})
"""Fields that decide which points are measured, and how far."""

TRANSPORT = frozenset(
    {"name", "path", "size", "text", "question", "source", "needs", "pack", "limits", "track", "claims", "figures", "sizes"}
)
"""Fields that decide how points are run, read or shown; changing one measures nothing again."""


class Arm(Section):
    """A labelled sub-grid: what it adds to the sweep's own params."""

    fixed: Params = Field(default_factory=dict)
    derive: Formulas = Field(default_factory=dict)
    axes: Axes = ()


class Until(Section):
    """When a point has seeds enough: its metric's interval is narrower than `rel_halfwidth` of the mean."""

    metric: Column
    rel_halfwidth: Annotated[Real, Field(gt=0, lt=1)]
    confidence: Annotated[Real, Field(gt=0, lt=1)] = 0.95


class Seeds(Section):
    """How often each assignment is measured: `min` times, and up to `max` until the interval is narrow."""

    min: Count = 1
    max: Count
    until: Until | None = None

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

    cpu: Annotated[Real, Field(gt=0)] = 1.0
    gpu: Annotated[Real, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.gpu > 1 and self.gpu % 1:
            raise wrong(f"more than one GPU must be a whole number, but got {self.gpu}; write {math.ceil(self.gpu)}.", "gpu")
        return self


class Pack(Section):
    """How long one trial should take, or how many points of one shape it holds and measures together."""

    seconds: Seconds = 5.0
    points: Count | None = None


class Limits(Section):
    """Where a run stops: `seconds` a point, `points` a plan, `gpu_hours` and `deadline` (seconds) a run."""

    seconds: Seconds | None = None
    points: Count = 100_000
    gpu_hours: Annotated[Real, Field(gt=0)] | None = None
    deadline: Seconds | None = None


class Track(Section):
    """What MLflow gets: a run for each curve over `x`, or for each point."""

    x: Label | None = None
    points: bool = False


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


class Sweep(Section):
    """What a sweep file holds, of one size."""

    question: Text
    source: Text = "none given"
    workload: Text
    fixed: Params = Field(default_factory=dict)
    derive: Formulas = Field(default_factory=dict)
    axes: Axes = ()
    arms: dict[Label, Arm] = Field(default_factory=dict)
    seeds: Annotated[Seeds, BeforeValidator(told(_seeds))] = Seeds(min=1, max=1)
    needs: Needs = Needs()
    pack: Pack = Pack()
    limits: Limits = Limits()
    track: Annotated[Track, BeforeValidator(told(_track))] = Track()
    search: Search | None = None
    stop: Stop | None = None
    claims: tuple[Claim, ...] = ()
    figures: tuple[Figure, ...] = ()
    sizes: Annotated[dict[Label, dict[str, Any]], WithJsonSchema({LATER: "Sizes"})] = Field(default_factory=dict)


class Spec(Sweep):
    """A sweep, with its name, the file it came from, its text, and the size that was laid over it."""

    name: str
    path: Path | None = None
    size: str | None = None
    text: str = ""
    _root: Node = PrivateAttr()
    _grids: tuple[Grid, ...] = PrivateAttr(default=())

    def grids(self) -> tuple[Grid, ...]:
        """One grid for each arm, by label; one with the label `all` where the file has no arms. No point is built."""
        return self._grids

    def where(self, *keys: str | int) -> str:
        """The place of a value, to open a message: `sweeps/x.yaml:12: claims[0].fit.x` of `where("claims", 0, "fit", "x")`."""
        return complaints.place(self._root, shown_name(self.name, self.path), keys)

    def resolved(self) -> dict[str, Any]:
        """The sweep as plain JSON values: size applied, defaults filled in, `sizes` left out. It parses to itself."""
        dumped = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"name", "path", "size", "text", "sizes"}
        )
        return {key: value for key, value in dumped.items() if value not in ({}, [])}


def shown_name(name: str, path: Path | None) -> str:
    """How messages call a file."""
    return str(path) if path is not None else name


def parse(text: str, name: str, size: str | None = None, path: Path | None = None) -> Spec:
    """The Spec of a file's text, at its base or at one of its sizes; every size of the file is checked.

    Raises SpecError, one line for each fault: file, line, key path, what must hold, what came, what to do.
    """
    place = shown_name(name, path)
    root = reading.parse(text, place)
    if not LABEL.fullmatch(name) or "-" in name:
        raise SpecError(
            f"{place}: a sweep's name must be letters, digits and _ (SQL uses it), but got '{name}'; rename the file."
        )
    found: dict[str | None, Spec] = {None: _spec(root, text, name, None, path)}
    sizes = root.value["sizes"].value if "sizes" in root.value else {}
    for key in sizes:
        found[key] = _spec(overlay(root, key, place), text, name, key, path)
    if size not in found:
        overlay(root, str(size), place)
    return found[size]


def _spec(root: Node, text: str, name: str, size: str | None, path: Path | None) -> Spec:
    place = shown_name(name, path)
    try:
        sweep = Sweep.model_validate(root.plain())
    except ValidationError as error:
        raise complaints.complaint(error, root, place) from error
    spec = Spec.model_construct(**dict(sweep), name=name, path=path, size=size, text=text)
    spec._root = root
    try:
        spec._grids = _grids(spec)
        check_claims(spec)
        check_search(spec)
    except Misplaced as fault:
        raise SpecError(f"{complaints.place(root, place, fault.keys)}: {fault.text}") from fault
    return spec


def _grids(spec: Spec) -> tuple[Grid, ...]:
    base = Block((), spec.fixed, spec.derive, spec.axes)
    arms = {key: Block(("arms", key), arm.fixed, arm.derive, arm.axes) for key, arm in sorted(spec.arms.items())}
    searched = spec.search.names if spec.search is not None else ()
    blocks: dict[str, tuple[Block, ...]] = {key: (base, block) for key, block in arms.items()} or {ONE_ARM: (base,)}
    return tuple(make_grid(arm, found, searched, lambda keys: spec.where(*keys)) for arm, found in blocks.items())


def shipped() -> tuple[str, ...]:
    """Names of the sweeps that come with the package, sorted."""
    from importlib import resources

    return tuple(
        sorted(file.name.removesuffix(".yaml") for file in resources.files("sweeps").iterdir() if file.name.endswith(".yaml"))
    )


def find(reference: str | Path) -> Path:
    """The file of a path or of a bare name: the path itself, ./sweeps/NAME.yaml, then the shipped one."""
    from importlib import resources

    path = Path(reference)
    if path.is_file():
        return path
    local = Path("sweeps") / f"{reference}.yaml"
    if local.is_file():
        return local
    if str(reference) in shipped():
        return Path(str(resources.files("sweeps") / f"{reference}.yaml"))
    known = shipped()
    stem = path.stem if path.suffix else str(reference)
    raise SpecError(
        f"{reference}: a sweep must be a file or the name of a shipped sweep, but nothing is here{nearest(stem, known)} "
        f"Shipped: {', '.join(known) or 'none'}."
    )


def read(reference: str | Path, size: str | None = None) -> Spec:
    """The Spec of a file, or of a sweep's bare name; SpecError lists the nearest shipped names where nothing is found."""
    path = find(reference)
    return parse(reading.read_text(path), path.stem, size, path)
