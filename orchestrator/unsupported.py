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
LATER = "wait for a later version"
FIGURES = ("heatmap", "collapse", "boundary")

Missing = Iterator[tuple[Keys, str]]


def unsupported(spec: Spec) -> Missing:
    """Keys and a sentence for each thing that cannot run yet; a run that meets one stops before its first trial."""
    yield from _of_run(spec)
    for index, claim in enumerate(spec.claims):
        for found in (_of_kind(claim), _of_rows(claim), _of_laws(claim)):
            yield from ((("claims", index, *keys), text) for keys, text in found)
    for index, figure in enumerate(spec.figures):
        if figure.kind in FIGURES:
            yield ("figures", index, "kind"), f"figures of kind '{figure.kind}' must {LATER}; draw a curve."


def _of_run(spec: Spec) -> Missing:
    """How points are proposed, repeated and stopped."""
    for outer, model, instead in (("search", spec.search, "write axes instead"), ("stop", spec.stop, "remove it")):
        for name in type(model).model_fields if model is not None else ():
            if getattr(model, name) is not None:
                yield (outer, name), f"'{outer}: {name}' must {LATER}; {instead}."
    if spec.seeds.until is not None:
        yield ("seeds", "until"), f"'until' must {LATER}; write one number of seeds."


def _of_kind(claim: Claim) -> Missing:
    """What judges the claim."""
    for kind in KINDS:
        if getattr(claim, kind) is not None:
            yield (kind,), f"claims of kind '{kind}' must {LATER}; remove the claim."
    if claim.compare is not None and claim.compare.paired:
        key = "interaction" if claim.compare.interaction is not None else "arms"
        yield ("compare", key), f"'compare' with '{key}' must {LATER}; compare a fitted parameter."


def _of_rows(claim: Claim) -> Missing:
    """Which rows it is judged on."""
    for key in ("floor", "unmet_if"):
        if getattr(claim, key) is not None:
            yield (key,), f"'{key}' must {LATER}; remove it."
    if claim.require.matched:
        yield ("require", "matched"), f"'matched' must {LATER}; fix the params that must be equal."
    if claim.from_ != "rows":
        yield ("from",), f"'from: {claim.from_}' must {LATER}; use the sweep's own rows."


def _of_laws(claim: Claim) -> Missing:
    """Which laws it fits."""
    laws = {("fit", "law"): [claim.fit.law]} if claim.fit is not None else {}
    if claim.prefer is not None:
        laws |= {("prefer", "law"): [claim.prefer.law], ("prefer", "over"): [*claim.prefer.over]}
    for keys, names in laws.items():
        yield from ((keys, f"law '{name}' must {LATER}; choose another law.") for name in names if name in LAWS)
