"""Every sweep file that is here can be read, checked, planned and judged; a new file is tested unasked."""

from __future__ import annotations

import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.check import one_source
from orchestrator.plan import Plan, points
from orchestrator.spec import Spec, parsing, yaml_tree
from orchestrator.spec.checks import check_columns, unsupported
from orchestrator.workload import describe
from orchestrator.workload.describe import Workload

SHIPPED = parsing.shipped()
SIZES = ("smoke", "paper", "gpu")
EVERY = [(name, size) for name in SHIPPED for size in SIZES]
MANY = 100_000  # points a test is willing to build


@functools.cache
def read(name: str, size: str | None = None) -> Spec:
    return parsing.read(file(name), size)


def file(name: str) -> Path:
    return Path(str(resources.files("sweeps") / f"{name}.yaml"))


def measured(name: str) -> Workload:
    return describe.load(read(name).workload, file(name).parent)


def planned(name: str, size: str) -> Plan:
    found = read(name, size)
    if points.count(found) > MANY:
        pytest.fail(f"{name} --size {size} makes {points.count(found):,} points; raise MANY if that is meant")
    return points.expand(found, measured(name))


def schema() -> dict[str, Any]:
    text: dict[str, Any] = json.loads((resources.files("orchestrator.spec") / "schema.json").read_text())
    return text


def test_the_package_holds_sweeps() -> None:
    assert SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_has_all_three_sizes(name: str) -> None:
    assert set(SIZES) <= set(read(name).sizes)


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_a_sweep_has_points_at_every_size(name: str, size: str) -> None:
    assert 0 < points.count(read(name, size)) <= read(name, size).limits.points


@pytest.mark.parametrize("name", SHIPPED)
def test_an_editor_is_told_the_schema(name: str) -> None:
    first = file(name).read_text().splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (file(name).parent / path).resolve() == Path(str(resources.files("orchestrator.spec") / "schema.json")).resolve()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_keeps_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(schema()).validate(yaml_tree.parse(file(name).read_text(), name).plain())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_names_a_workload_that_is_here(name: str) -> None:
    assert read(name).workload in describe.shipped()


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_columns_of_claims_and_figures_are_there(name: str, size: str) -> None:
    fields = (*measured(name).params, *measured(name).results)
    check_columns(read(name, size), [field.name for field in fields])


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_an_x_that_mlflow_draws_is_a_param_or_made_of_some(name: str, size: str) -> None:
    found = read(name, size)
    derived = {one for grid in found.grids() for one in grid.derive}
    assert found.track.x is None or found.track.x in derived | {field.name for field in measured(name).params}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_claims_something(name: str) -> None:
    assert read(name).claims


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_claim_says_whose_it_is(name: str, size: str) -> None:
    bare = [claim.id for claim in read(name, size).claims if claim.basis is None or not claim.basis.source]
    assert not bare


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_claim_is_a_sentence(name: str, size: str) -> None:
    assert all(claim.says for claim in read(name, size).claims)


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_no_claim_compares_formulas_alone(name: str, size: str) -> None:
    assert one_source.warnings(read(name, size), measured(name)) == ()


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_check_is_a_sentence(name: str, size: str) -> None:
    assert all(check.says for check in read(name, size).checks)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_names_its_paper(name: str) -> None:
    assert read(name).source != "none given"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_sweep_asks_for_nothing_that_is_not_there_yet(name: str) -> None:
    assert not unsupported(read(name, "smoke"))


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_a_plan_is_the_same_twice(name: str, size: str) -> None:
    first, second = planned(name, size), planned(name, size)
    assert (first.ids, first.arms, first.params) == (second.ids, second.arms, second.params)


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_ids_are_different_for_different_points(name: str, size: str) -> None:
    built = planned(name, size)
    assert len(set(built.ids)) == len(built.ids)


@pytest.mark.parametrize(("name", "size"), EVERY)
def test_every_point_is_in_an_arm(name: str, size: str) -> None:
    built = planned(name, size)
    assert {i for _, members in built.arms for i in members} == set(range(len(built)))
