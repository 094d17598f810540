"""Every kind of search and of stop that is here keeps its contract; a new module in the folder is tested unasked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator import kinds
from orchestrator.search.proposal import Proposer, SearchCurve, SearchResult, Seen, Value
from orchestrator.search.rung_rounds import RULES
from orchestrator.search.studies import PROPOSERS
from orchestrator.spec import json_schema
from orchestrator.spec.field_types import Section
from orchestrator.spec.search_model import SEARCHES, STOPS, Search, Stop

KINDS = kinds.names_in(SEARCHES)
RULE_KINDS = kinds.names_in(STOPS)
MODELS = [(package, kind) for package in (SEARCHES, STOPS) for kind in kinds.names_in(package)]
Values = Mapping[str, Value]
Rounds = list[list[Seen]]


def circle(values: Values) -> float:
    return math.hypot(float(values["x"]) - 0.4, float(values["y"]) - 0.45) - 0.3


def parabola(values: Values) -> float:
    return (float(values["x"]) - 0.3) ** 2


def at_its_root(rounds: Rounds, finding: SearchResult | None) -> bool:
    return finding is not None and finding.position == pytest.approx(0.3217, abs=0.002)


def on_the_circle(rounds: Rounds, finding: SearchResult | None) -> bool:
    return finding is not None and len(finding.points) > 50 and max(abs(circle(point)) for point in finding.points) < 0.02


def near_the_least(rounds: Rounds, finding: SearchResult | None) -> bool:
    return finding is None and min(parabola(seen.values) for each in rounds for seen in each) < 0.01


def of_two_units(rounds: Rounds, finding: SearchResult | None) -> bool:
    return finding is not None and finding.points == ({"x": "000110000000"},)


@dataclass(frozen=True)
class Problem:
    """What a sweep file says of a search, the measure that it looks at, and whether what it came to is right."""

    says: Mapping[str, Any]
    measure: Callable[[Values], float]
    solved: Callable[[Rounds, SearchResult | None], bool]


PLANTED = {
    "boundary": Problem(
        {"along": "x", "of": "z", "level": 0, "between": [0, 1]}, lambda values: float(values["x"]) - 0.3217, at_its_root
    ),
    "level_set": Problem({"over": {"x": [0, 1], "y": [0, 1]}, "of": "z", "level": 0, "points": 48}, circle, on_the_circle),
    "subset": Problem(
        {"along": "x", "size": 12, "of": "z", "share": 0.9}, lambda values: float(str(values["x"])[3:5] == "11"), of_two_units
    ),
    "optuna": Problem({"trials": 32, "minimize": "z", "over": {"x": [0, 1]}}, parabola, near_the_least),
}


def proposer_of(kind: str) -> Proposer:
    model = kinds.module_of(SEARCHES, kind).MODEL(**PLANTED[kind].says)
    made: Proposer = kinds.module_of(PROPOSERS, kind).proposer(model, SearchCurve(value=float))
    return made


def rounds_of(kind: str) -> Rounds:
    proposer, rounds = proposer_of(kind), []
    while proposal := proposer.propose(rounds):
        measure = PLANTED[kind].measure
        rounds.append([Seen(values=values, results={"z": (measure(values),)}) for values in proposal])
    return rounds


@pytest.mark.parametrize(("package", "beside"), [(SEARCHES, PROPOSERS), (STOPS, RULES)])
def test_a_kind_is_in_both_folders(package: str, beside: str) -> None:
    assert set(kinds.names_in(package)) <= set(kinds.names_in(beside))


def test_every_kind_has_a_planted_problem() -> None:
    assert set(PLANTED) == set(KINDS), "plant a problem whose answer is known"


@pytest.mark.parametrize(("package", "kind"), MODELS)
def test_a_model_is_documented(package: str, kind: str) -> None:
    model: type[Section] = kinds.module_of(package, kind).MODEL
    assert model.__doc__ and kinds.module_of(package, kind).__doc__
    assert [name for name, about in model.model_fields.items() if not about.description] == []


@pytest.mark.parametrize(("package", "kind"), MODELS)
def test_the_schema_has_the_kind(package: str, kind: str) -> None:
    model, made = kinds.module_of(package, kind).MODEL, json_schema.generate()
    keys = made["$defs"]["Search" if package == SEARCHES else "Stop"]["properties"]
    assert {"$ref": f"#/$defs/{model.__name__}"} in keys[kind]["anyOf"]
    assert all(key["description"] for key in made["$defs"][model.__name__]["properties"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_may_say_the_kind(kind: str) -> None:
    search = Search.model_validate({kind: PLANTED[kind].says})
    assert (search.kind, [text for _, text in search.model.looks_at()]) == (kind, ["z"])
    assert set(search.names) == set(PLANTED[kind].says.get("over", {"x": 0}))
    assert all(interval.low == 0 for _, interval in search.model.intervals())


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_problem_is_solved_within_its_budget(kind: str) -> None:
    rounds, proposer = rounds_of(kind), proposer_of(kind)
    usual, most = proposer.forecast()
    assert sum(map(len, rounds)) <= most and usual <= most
    assert PLANTED[kind].solved(rounds, proposer.conclude(rounds))


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_round_is_a_function_of_those_before(kind: str) -> None:
    rounds = rounds_of(kind)
    for number in (0, 1, len(rounds) // 2):
        assert proposer_of(kind).propose(rounds[:number]) == tuple(dict(seen.values) for seen in rounds[number])
    assert proposer_of(kind).columns == ("z",)


@pytest.mark.parametrize("kind", KINDS)
def test_what_finds_gives_rows_with_brackets(kind: str) -> None:
    model, proposer, rounds = Search.model_validate({kind: PLANTED[kind].says}).model, proposer_of(kind), rounds_of(kind)
    finding = proposer.conclude(rounds)
    assert (finding is not None) == bool(model.finds)
    for place in proposer.places(finding) if finding is not None else ():
        assert {*model.place_columns} <= {*place.columns}
        assert {*model.finds} <= {*place.columns, *place.point}


LOSSES = {"a": 0.5, "b": 0.1, "c": None, "d": 0.3, "e": math.nan, "f": 0.9}


@pytest.mark.parametrize("kind", RULE_KINDS)
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_rule_keeps_the_best_and_stops_who_has_no_number(kind: str, goal: str) -> None:
    stop = Stop.model_validate({kind: {"of": "loss", "goal": goal}})
    rule = kinds.module_of(RULES, kind).rule(stop.model)
    survivors = rule.survivors(LOSSES)
    assert ("b" if goal == "minimize" else "f") in survivors and not {"c", "e"} & {*survivors}
    assert rule.survivors(dict(reversed(LOSSES.items()))) == survivors == tuple(sorted(survivors))


@pytest.mark.parametrize("kind", RULE_KINDS)
def test_rungs_ascend(kind: str) -> None:
    stop = Stop.model_validate({kind: {"of": "loss"}})
    rule = kinds.module_of(RULES, kind).rule(stop.model)
    assert rule.of == stop.model.of == "loss" and rule.best({2: 0.5, 4: 0.7}, 2) == 0.5
    assert all(a < b for a, b in pairwise(islice(rule.rungs(), 5)))


def test_no_module_of_the_engine_lists_the_kinds() -> None:
    engine = Path(json_schema.__file__).parents[1]
    own = {f"{kind}.py" for kind in (*KINDS, *RULE_KINDS)}
    texts = {path: path.read_text() for path in engine.rglob("*.py") if path.name not in own}
    assert [str(path) for path, text in texts.items() if '"level_set"' in text or '"halving"' in text] == []
