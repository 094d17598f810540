"""The JSON Schema that editors use: committed, generated, and of one mind with the parser."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from orchestrator.spec import json_schema
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.field_types import Section
from orchestrator.spec.sweep_model import Sweep
from orchestrator.spec.yaml_tree import parse

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "tests" / "golden" / "specs").glob("*.yaml"), *(ROOT / "sweeps").glob("*.yaml")])
ACCEPT = "lawsweep schema > orchestrator/spec/schema.json"


def errors(text: str) -> list[str]:
    return [
        error.message for error in jsonschema.Draft202012Validator(json_schema.generate()).iter_errors(parse(text, "x").plain())
    ]


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = (ROOT / "orchestrator" / "spec" / "schema.json").read_text()
    assert committed == json_schema.text(), f"the models changed; if that is meant: {ACCEPT}"


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema.generate())


def test_every_reference_leads_somewhere() -> None:
    text = json_schema.text()
    made = json.loads(text)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named <= made["$defs"].keys()


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_right_sweep_is_right_in_an_editor(path: Path) -> None:
    assert errors(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "seedz: 8",
        "seeds: 0",
        "axes: {d: []}",
        "axes: {d: {goem: [1, 2, 3]}}",
        "axes: {d: {geom: [1, 2]}}",
        "needs: {cpu: 0}",
        "claims: [{id: a, fit: {law: powr, x: x, y: y}}]",
        "claims: [{id: a, holds: x > 0, expect: {slope: {betwen: [1, 2]}}}]",
        "figures: [{kind: curv, x: x, y: y}]",
        "sizes: {smoke: {workload: other}}",
        "search: {optuna: {sampler: magic, trials: 3}}",
    ],
)
def test_a_wrong_sweep_is_wrong_in_an_editor(text: str) -> None:
    assert errors(f"question: q\nworkload: w\n{text}\n") != []


@pytest.mark.parametrize("path", sorted((ROOT / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_sweep_names_the_schema_for_editors(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=../orchestrator/spec/schema.json\n")


def test_the_schema_completes_every_key_of_a_sweep() -> None:
    assert list(json_schema.generate()["properties"]) == list(Sweep.model_fields)


@pytest.mark.parametrize("model", [Sweep, Claim], ids=["sweep", "claim"])
def test_every_key_is_explained_to_who_hovers_over_it(model: type[Section]) -> None:
    made = json_schema.generate()
    described = made["properties"] if model is Sweep else made["$defs"][model.__name__]["properties"]
    keys = [field.alias or name for name, field in model.model_fields.items()]
    assert [key for key, value in described.items() if value["description"]] == keys
