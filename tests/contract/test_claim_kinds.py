"""Every kind of claim keeps the contract of its two files; a kind that is new is tested unasked."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import textwrap
from typing import Any

import polars as pl
import pytest
import yaml

from orchestrator.claims import kinds as judges
from orchestrator.claims import sentences
from orchestrator.claims.judging import judge_rows
from orchestrator.claims.verdict import WORDS, Verdict
from orchestrator.errors import SpecError
from orchestrator.spec import Spec, claim_kinds, json_schema
from orchestrator.spec.claim_kinds import ClaimKind
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.columns_used import columns_used
from orchestrator.spec.expressions import Expression
from tests.helpers.judging import FIELDS, rows_of, spec_of

KINDS = tuple(module.name for module in pkgutil.iter_modules(claim_kinds.__path__))
XS, BETAS, ARMS = (2, 4, 8, 16, 32), (1.0, 2.0, 4.0), ("wide", "narrow")
ROOMS = "its example may speak of the columns d, beta, y = d^2, top = 2 y and of the arms wide and narrow"


def kind_of(name: str) -> ClaimKind[Any]:
    kind: ClaimKind[Any] = importlib.import_module(f"{claim_kinds.__name__}.{name}").KIND
    return kind


def example(name: str) -> dict[str, Any]:
    """The claim that the docstring of a kind shows after its first sentence."""
    text = importlib.import_module(f"{claim_kinds.__name__}.{name}").__doc__ or ""
    claim: dict[str, Any] = yaml.safe_load(textwrap.dedent(text.split("\n\n", 1)[1]))
    return claim


def spec(name: str) -> Spec:
    axes = {"axes": {"d": list(XS), "beta": list(BETAS)}}
    return spec_of({"id": "c", **example(name)}, arms=dict.fromkeys(ARMS, axes))


@functools.cache
def planted() -> pl.DataFrame:
    """Rows of the example's sweep without noise."""
    parts = [rows_of(lambda d: d**2, XS, arm=arm, beta=beta) for arm in ARMS for beta in BETAS]
    return pl.concat(parts)


def verdict(name: str, rows: pl.DataFrame) -> Verdict:
    return judge_rows(spec(name), rows, FIELDS)[0]


def test_both_folders_hold_the_same_kinds() -> None:
    assert [module.name for module in pkgutil.iter_modules(judges.__path__)] == list(KINDS)
    assert sorted(claim_kinds.kinds()) == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_called_as_its_file_and_says_what_it_is(name: str) -> None:
    kind = kind_of(name)
    assert kind.name == name and kind.says and Claim.model_fields[name].description == kind.says
    assert importlib.import_module(f"{claim_kinds.__name__}.{name}").__doc__


@pytest.mark.parametrize("name", KINDS)
def test_the_keys_of_a_kind_are_explained_to_who_hovers_over_them(name: str) -> None:
    fields = getattr(kind_of(name).key, "model_fields", {})
    assert [key for key, field in fields.items() if not field.description] == []
    model = json_schema.generate()["$defs"].get(getattr(kind_of(name).key, "__name__", name), {"description": ""})
    assert model["description"] or not fields


@pytest.mark.parametrize("name", KINDS)
def test_the_example_of_a_kind_is_a_claim_of_it(name: str) -> None:
    assert spec(name).claims[0].kind == name, ROOMS


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_names_columns_by_the_keys_that_lead_to_them(name: str) -> None:
    claim = spec(name).claims[0]
    for keys, text in claim.columns():
        inner: Any = example(name)
        for key in keys:
            inner = inner[key]
        assert text == inner or text in keys
    names = {column for _, text in claim.columns() for column in Expression(text).names}
    assert names <= {column for _, column in columns_used(spec(name))}


@pytest.mark.parametrize("name", KINDS)
def test_the_axes_of_a_kind_are_columns_that_it_names(name: str) -> None:
    claim = spec(name).claims[0]
    assert {axis for axis in claim.axes if axis is not None} <= {text for _, text in claim.columns()}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_says_what_it_expects(name: str) -> None:
    assert len(sentences.expected(spec(name).claims[0])) > len("x")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_refuses_what_it_cannot_expect(name: str) -> None:
    kind, claim = kind_of(name), spec(name).claims[0]
    assert {*(claim.expect or {})} <= {*kind.quantities(kind.of(claim), claim)}
    with pytest.raises(SpecError, match="nothing_of_the_kind"):
        spec_of({"id": "c", **example(name), "expect": {"nothing_of_the_kind": {"at_least": 0}}})


@pytest.mark.parametrize("name", KINDS)
def test_rows_give_a_verdict_with_numbers_and_a_sentence(name: str) -> None:
    outcome = verdict(name, planted())
    assert outcome.verdict in WORDS and outcome.verdict != "unmet", outcome.sentence
    assert outcome.findings and all(finding.sentence and finding.numbers for finding in outcome.findings)
    assert outcome.kind == name and outcome.record()["numbers"]


@pytest.mark.parametrize("name", KINDS)
def test_no_rows_are_unmet_never_refuted(name: str) -> None:
    assert verdict(name, planted().clear()).verdict == "unmet"
    lost = planted().with_columns(status=pl.lit("error"), y=pl.lit(None, pl.Float64), top=pl.lit(None, pl.Float64))
    assert verdict(name, lost).verdict == "unmet"
