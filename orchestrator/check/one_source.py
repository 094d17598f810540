"""Warns of claims in which nothing is measured: all that they speak of is a formula, by the workload's own word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.claims.kinds.holds import spoken
from orchestrator.spec.expressions import Expression

if TYPE_CHECKING:
    from orchestrator.spec import Spec
    from orchestrator.spec.claim_model import Claim
    from orchestrator.workload.describe import Workload


def warnings(spec: Spec, workload: Workload) -> tuple[str, ...]:
    """A sentence, with its place, for each claim on the sweep's rows that no measurement can refute.

    It sees what results declare (`formula: NAME`) and which names are params; what a workload does not say it cannot see.
    """
    results = {field.name: field.formula for field in workload.results}
    texts = ((index, claim, _without_measurement(spec, claim, results)) for index, claim in enumerate(spec.claims))
    return tuple(
        f"{spec.where('claims', index, claim.kind)}: a claim must speak of something measured, but {why}; "
        "write it under 'checks', or compare with a measured result."
        for index, claim, why in texts
        if why
    )


def _without_measurement(spec: Spec, claim: Claim, results: Mapping[str, str]) -> str:
    """Why nothing in the claim is measured; empty where something is, or where that cannot be told."""
    if claim.from_ != "rows":
        return ""
    judged = claim.model_among(spec.claims) or claim
    names = {name for text in _texts(judged) for name in _columns(spec, text)}
    formulas = {name: results[name] for name in sorted(names) if name in results}
    if not all(formulas.values()):
        return ""
    if not formulas:
        return "this one speaks of params alone"
    functions = sorted({*formulas.values()})
    columns = " and ".join(f"'{name}'" for name in formulas)
    if len(functions) == 1:
        return f"{columns} come{'s' * (len(formulas) == 1)} from one function, {functions[0]}"
    return f"{columns} come from {' and '.join(functions)}, formulas that the workload evaluates"


def _texts(claim: Claim) -> Iterator[str]:
    """The conditions and formulas by which a claim is judged, and its noise: what `where` selects by is no part of them."""
    yield from (text for _, text in claim.columns())
    yield from (text for text in (claim.condition, claim.se and claim.se.column) if text is not None)


def _columns(spec: Spec, text: str) -> set[str]:
    """The names in a text, those behind derived names too."""
    names, followed = {*spoken(text)}, set[str]()
    while further := names - followed:
        followed |= further
        names |= {inner for grid in spec.grids() for name in further for inner in _derived(grid.derive.get(name))}
    return names


def _derived(formula: Expression | None) -> frozenset[str] | set[str]:
    return formula.names if formula is not None else set()
