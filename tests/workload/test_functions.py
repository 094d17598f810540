"""A function is a workload: params from its signature, results from what it says it gives, or from what it gives."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.check import conditions
from orchestrator.driver.measure import prepare
from orchestrator.errors import SpecError, WorkloadError
from orchestrator.plan import expand
from orchestrator.spec import json_schema
from orchestrator.store.row_format import describe as described_columns
from orchestrator.store.row_format import row_schema
from orchestrator.workload import describe
from orchestrator.workload.context import Context
from orchestrator.workload.describe import Workload
from tests.helpers.running import Basket, batch_of, measured, spec_of

TYPED = '''"""Twice a number."""
from typing import NamedTuple, TypedDict
from dataclasses import dataclass


class Result(TypedDict):
    y: float
    n2: int


@dataclass
class Loose:
    y: float
    n2: int


class Pair(NamedTuple):
    y: float
    n2: int


def measure(n: int, seed: int, scale: float = 1) -> Result:
    """Twice a number.

    n: the number
    :param scale: what it is scaled by
    y: twice it
    """
    return ANSWER(y=2.0 * n * scale + seed, n2=n)
'''


def loaded(folder: Path, source: str, reference: str = "./mine.py") -> Workload:
    (folder / "mine.py").write_text(source)
    return describe.load(reference, folder)


def rows_of(workload: Workload, **params: object) -> list[dict[str, object]]:
    return [vars(row) for _, row in workload.run(workload.module.Params(**params), Context(3))]


@pytest.mark.parametrize(("annotation", "answer"), [("Result", "dict"), ("Loose", "Loose"), ("Pair", "Pair")])
def test_a_function_says_what_it_takes_and_gives(tmp_path: Path, annotation: str, answer: str) -> None:
    mine = loaded(tmp_path, TYPED.replace("-> Result", f"-> {annotation}").replace("ANSWER", answer))
    assert [(f.name, f.kind, f.required) for f in mine.params] == [("n", int, True), ("scale", float, False)]
    assert [(f.name, f.kind) for f in mine.results] == [("y", float), ("n2", int)]
    assert [f.says for f in (*mine.params, mine.results[0])] == ["the number", "what it is scaled by", "twice it"]
    assert rows_of(mine, n=2, scale=1.0) == [{"y": 7.0, "n2": 2}]


def test_results_are_learnt_from_the_first_points(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def measure(n: int, seed: int) -> dict:\n    return {'a': n if n < 3 else n / 2, 'b': 'w'}\n"
    )
    spec = spec_of("question: What?\nworkload: ./mine.py\naxes: {n: [1, 5]}\n", "asked")
    workload, _ = prepare(spec.model_copy(update={"path": tmp_path / "asked.yaml"}))
    assert [(f.name, f.kind) for f in workload.results] == [("a", float), ("b", str)]
    _, rows = measured(workload, replace(batch_of(workload, 2), params={"n": [1, 5]}), Basket())
    assert [(row["status"], row["a"], row["b"]) for row in rows] == [("ok", 1.0, "w"), ("ok", 2.5, "w")]


def test_a_function_that_cannot_be_tried_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"results must be known before the first trial, but n has no default"):
        loaded(tmp_path, "def measure(n: int, seed: int) -> dict:\n    return {'a': n}\n")


@pytest.mark.parametrize(
    "body",
    [
        "return {'a': n}",
        "yield {'a': n}",
        "yield 0, {'a': n}",
        "return [{'a': n}]",
        "if n > 100:\n        yield {'a': 0}\n    return {'a': n}",
    ],
)
def test_a_function_returns_or_yields(tmp_path: Path, body: str) -> None:
    assert rows_of(loaded(tmp_path, f"def measure(n: int = 1):\n    {body}\n"), n=4) == [{"a": 4}]


def test_yielded_dicts_count_their_steps(tmp_path: Path) -> None:
    mine = loaded(tmp_path, "def measure(n: int = 1):\n    for k in range(3):\n        yield {'a': k}\n    return {'a': 9}\n")
    assert [(step, row.a) for step, row in mine.run(mine.module.Params(n=1), Context(0))] == [(0, 0), (1, 1), (2, 2), (3, 9)]


def test_one_number_is_the_result_value(tmp_path: Path) -> None:
    mine = loaded(tmp_path, "def measure(n: int = 1) -> float:\n    return n / 2\n")
    assert ([(f.name, f.kind) for f in mine.results], rows_of(mine, n=1)) == ([("value", float)], [{"value": 0.5}])


def test_a_function_of_a_file_is_named(tmp_path: Path) -> None:
    source = "def one(n: int = 1) -> int:\n    return n\n\n\ndef other(n: int = 1) -> int:\n    return -n\n"
    assert rows_of(loaded(tmp_path, source, "./mine.py:other"), n=2) == [{"value": -2}]
    with pytest.raises(WorkloadError, match=re.escape("no function of the file") + "|did you mean 'other'"):
        loaded(tmp_path, source, "./mine.py:othr")


def test_a_function_object_is_a_workload() -> None:
    def halves(n: int, seed: int) -> float:
        return n / 2 + seed

    mine = describe.load(halves)
    assert (mine.name, rows_of(mine, n=2)) == ("halves", [{"value": 4.0}])


def test_a_class_based_run_may_return(tmp_path: Path) -> None:
    from tests.workload.test_workload import SOURCE

    returned = loaded(tmp_path, SOURCE.replace("yield 0, Result", "return Result"))
    assert rows_of(returned, x=3) == [{"half": 1.5}]


CHOICE = """
import enum
from typing import Annotated, Literal


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def measure(
    method: Literal["plain", "sobol"],
    colour: Colour = Colour.RED,
    n: Annotated[int, "a number", {"at_least": 1, "below": 10}] = 2,
) -> str:
    return f"{method} {colour.name} {n}"
"""


def test_allowed_values_are_given_as_the_workload_wants_them(tmp_path: Path) -> None:
    mine = loaded(tmp_path, CHOICE)
    params = {"method": ["sobol"], "colour": ["blue"], "n": [3]}
    _, rows = measured(mine, replace(batch_of(mine, 1), params=params), Basket())
    assert [(row["method"], row["colour"], row["value"]) for row in rows] == [("sobol", "blue", "sobol BLUE 3")]


REFUSED = [
    ("method: [plain, soboll]", "method must be one of 'plain', 'sobol', but got 'soboll'; did you mean 'sobol'?"),
    ("method: [plain], colour: [redd]", "colour must be one of 'red', 'blue', but got 'redd'; did you mean 'red'?"),
    ("method: [plain], n: [0]", "n must be at least 1 and below 10, but got 0"),
    ("method: [plain], n: [1, 10]", "n must be at least 1 and below 10, but got 10"),
]


@pytest.mark.parametrize(("axes", "message"), REFUSED)
def test_a_value_that_is_not_allowed_is_refused_before_the_first_trial(tmp_path: Path, axes: str, message: str) -> None:
    spec = spec_of(f"question: What?\nworkload: ./mine.py\naxes: {{{axes}}}\n", "asked")
    with pytest.raises(SpecError, match="asked.yaml:3: axes.*" + re.escape(message)):
        expand(spec, loaded(tmp_path, CHOICE))


WHERE = (
    'question: What?\nworkload: ./mine.py\naxes: {method: [plain]}\nfigures: [{kind: curve, x: n, y: n, where: "CONDITION"}]\n'
)


@pytest.mark.parametrize("condition", ["method = 'soboll'", "n > 1 and 'soboll' <> method", "method in ('plain', 'soboll')"])
def test_a_condition_that_names_no_allowed_value_is_refused(tmp_path: Path, condition: str) -> None:
    mine = loaded(tmp_path, CHOICE)
    conditions.check(spec_of(WHERE.replace("CONDITION", condition.replace("soboll", "sobol")), "asked"), mine)
    with pytest.raises(SpecError, match=r"asked.yaml:4: figures.*one of 'plain', 'sobol'.*'soboll'; did you mean 'sobol'\?"):
        conditions.check(spec_of(WHERE.replace("CONDITION", condition), "asked"), mine)


def test_allowed_values_stand_in_the_schema_and_with_the_rows(tmp_path: Path) -> None:
    mine = loaded(tmp_path, CHOICE)
    schema = json.loads(json_schema.text(mine))
    assert schema["properties"]["fixed"]["properties"]["method"]["anyOf"][0] == {"enum": ["plain", "sobol"]}
    bounded = schema["properties"]["axes"]["properties"]["n"]["anyOf"][0]["items"]["anyOf"][0]
    assert bounded == {"type": "integer", "minimum": 1.0, "exclusiveMaximum": 10.0}
    allowed = {column["name"]: column.get("allowed") for column in described_columns(row_schema(mine))}
    assert (allowed["method"], allowed["n"], allowed["value"]) == ("one of 'plain', 'sobol'", "at least 1 and below 10", None)


@pytest.mark.parametrize("bound", ["annotated_types.Ge(1)", "pydantic.Field(ge=1)"])
def test_bounds_may_be_those_of_known_libraries(tmp_path: Path, bound: str) -> None:
    source = "import annotated_types, pydantic\nfrom typing import Annotated\n"
    source += f"def measure(n: Annotated[int, {bound}] = 2) -> int:\n    return n\n"
    assert loaded(tmp_path, source).param("n").limits == (("at_least", 1.0),)
