"""Turns a spec into the list of what it asks for and this version cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.reading import Keys
from orchestrator.spec_claims import Claim

if TYPE_CHECKING:
    from orchestrator.spec import Spec

LAWS = ("logistic", "saturating", "piecewise")
KINDS = ("trend", "collapse", "equals")
FIGURES = ("heatmap", "collapse", "boundary")

Missing = Iterator[tuple[Keys, str]]


def unsupported(spec: Spec) -> Missing:
    """Keys and a sentence for each thing that cannot run yet; a run that meets one stops before its first trial."""
    for outer, model in (("search", spec.search), ("stop", spec.stop)):
        for name in type(model).model_fields if model is not None else ():
            if getattr(model, name) is not None:
                instead = "write axes instead" if outer == "search" else "remove it"
                yield (outer, name), f"'{outer}: {name}' must wait for a later version; {instead}."
    if spec.seeds.until is not None:
        yield ("seeds", "until"), "'until' must wait for a later version; write one number of seeds."
    for index, claim in enumerate(spec.claims):
        yield from ((("claims", index, *keys), text) for keys, text in _of_claim(claim))
    for index, figure in enumerate(spec.figures):
        if figure.kind in FIGURES:
            yield ("figures", index, "kind"), f"figures of kind '{figure.kind}' must wait for a later version; draw a curve."


def _of_claim(claim: Claim) -> Missing:
    for kind in KINDS:
        if getattr(claim, kind) is not None:
            yield (kind,), f"claims of kind '{kind}' must wait for a later version; remove the claim."
    for key in ("floor", "unmet_if"):
        if getattr(claim, key) is not None:
            yield (key,), f"'{key}' must wait for a later version; remove it."
    if claim.compare is not None and claim.compare.paired:
        key = "interaction" if claim.compare.interaction is not None else "arms"
        yield ("compare", key), f"'compare' with '{key}' must wait for a later version; compare a fitted parameter."
    if claim.require.matched:
        yield ("require", "matched"), "'matched' must wait for a later version; fix the params that must be equal."
    if claim.from_ != "rows":
        yield ("from",), f"'from: {claim.from_}' must wait for a later version; use the sweep's own rows."
    for kind in ("fit", "prefer"):
        model = getattr(claim, kind)
        laws = (model.law, *getattr(model, "over", ())) if model is not None else ()
        for law in sorted({*laws} & {*LAWS}):
            yield (kind, "law"), f"law '{law}' must wait for a later version; choose another law."
