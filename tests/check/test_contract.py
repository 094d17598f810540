"""What the contract's checks find in modules that break it, one way each."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.check import contract
from orchestrator.check.contract import ContractCheck
from orchestrator.worker import states
from orchestrator.workload import describe

SOURCE = '''"""Half of a number."""
from dataclasses import dataclass
from typing import Annotated
import random

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    x: Annotated[int, "a number"] = 1
    scale: Annotated[float, "what it is scaled by"] = 1.0


@dataclass(frozen=True)
class Result:
    half: Annotated[float, "half of it", {"finite": True}]


EXAMPLES = (Params(x=1), Params(x=2, scale=3.0), Params(x=5))
'''
RUN = """
def run(params, ctx):
    yield 0, Result(half=params.x * params.scale / 2 + ctx.seed)
"""
PACK = """
def run_pack(params, ctxs):
    halves = [p.x * p.scale / 2 + c.seed for p, c in zip(params, ctxs)]
    yield {"index": range(len(halves)), "step": [0] * len(halves), "half": halves}
"""
TWICE = "a point gives the same again"
RANDOM = "global random states do not matter"
ORDER = "the order of points does not matter"
TOGETHER = "the pack of a point does not matter"
BOTH = "run and run_pack agree"
SEEDLESS = "what is said to be seedless does not depend on the seed"


def findings(folder: Path, body: str, source: str = SOURCE) -> dict[str, ContractCheck]:
    (folder / "mine.py").write_text(source + body)
    return {check.name: check for check in contract.check("mine.py", folder=folder)}


@pytest.mark.parametrize("body", [RUN, PACK, RUN + PACK])
def test_a_sound_workload_passes_every_check(tmp_path: Path, body: str) -> None:
    assert all(check.passed for check in findings(tmp_path, body).values())


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("True", "half = 0.5, but 1.5 with seed 1; take 'seedless' off its notes"),
        ('"x > 4"', "half = 2.5, but 3.5 with seed 1"),
        ('"x < 1"', ""),
        ('"y < 1"', "must name columns of the rows, but got 'y'"),
        ('"x <"', "must be an SQL condition"),
    ],
)
def test_what_is_said_to_be_seedless_is_measured_with_another_seed(tmp_path: Path, note: str, told: str) -> None:
    found = findings(tmp_path, RUN, SOURCE.replace('{"finite": True}', f'{{"seedless": {note}}}'))[SEEDLESS]
    assert found.passed is not bool(told) and told in found.text


def test_a_note_that_is_no_condition_is_refused(tmp_path: Path) -> None:
    found = findings(tmp_path, RUN, SOURCE.replace('{"finite": True}', '{"seedless": 1}'))
    assert "'seedless' must be a bool or str, but got 1" in next(iter(found.values())).text


def test_a_result_that_seeds_do_not_change_may_say_so(tmp_path: Path) -> None:
    steady = SOURCE.replace('{"finite": True}', '{"seedless": True}')
    assert findings(tmp_path, RUN.replace(" + ctx.seed", ""), steady)[SEEDLESS].passed


def test_a_pack_that_takes_so_long_that_its_points_are_saved_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "EVERY", -1.0)  # as where a pack takes longer than this, and a point alone does not
    monkeypatch.setattr(states, "SHARE", float("inf"))
    body = """
def run_pack(params, ctxs):
    for index, (p, ctx) in enumerate(zip(params, ctxs)):
        for step in (1, 2):
            if len(params) > 1:
                ctx.save(step)
            yield {"index": [index], "step": [step], "half": [p.x * p.scale / step + ctx.seed]}
"""
    assert [check.text for check in findings(tmp_path, body).values() if not check.passed] == []


@pytest.mark.parametrize(("body", "text"), [(RUN, "there is run alone"), (PACK, "there is run_pack alone"), (RUN + PACK, "")])
def test_agreement_is_looked_at_only_where_there_are_both(tmp_path: Path, body: str, text: str) -> None:
    assert findings(tmp_path, body)[BOTH].text.startswith(text)
    assert bool(text) == bool(findings(tmp_path, body)[BOTH].text)


def test_a_module_that_is_no_workload_is_one_finding(tmp_path: Path) -> None:
    (only,) = findings(tmp_path, "").values()
    assert "it does not define ['run']" in only.text


BROKEN = [
    (TWICE, RUN.replace("ctx.seed", "random.random()"), "half = "),
    (
        TWICE,
        RUN.replace("ctx.seed", "next(COUNT)").replace("def run", "import itertools\nCOUNT = itertools.count()\ndef run"),
        "",
    ),
    (RANDOM, RUN.replace("yield", "random.seed() if 0 else None\n    yield").replace("ctx.seed", "random.random()"), "global"),
    (TOGETHER, PACK.replace("    yield", "    halves = [h - min(halves) for h in halves]\n    yield"), "in a pack of 12"),
    (ORDER, PACK.replace("    yield", "    halves[0] += 1\n    yield"), "in a pack of"),
    (BOTH, RUN + PACK.replace("/ 2", "/ 2.0000001"), "by run_pack"),
]


@pytest.mark.parametrize(("name", "body", "says"), BROKEN)
def test_a_point_that_depends_on_more_than_params_and_seed_is_found(tmp_path: Path, name: str, body: str, says: str) -> None:
    found = findings(tmp_path, body)[name]
    assert (found.passed, says in found.text) == (False, True), found.text


def test_a_stated_tolerance_lets_small_differences_pass(tmp_path: Path) -> None:
    source = SOURCE + "TOLERANCE = 1e-6\n"
    assert findings(tmp_path, RUN + PACK.replace("/ 2", "/ 2.0000001"), source)[BOTH].passed


def test_a_tolerance_does_not_excuse_another_result_the_second_time(tmp_path: Path) -> None:
    body = RUN.replace("ctx.seed", "1e-9 * random.random()")
    assert not findings(tmp_path, body, SOURCE + "TOLERANCE = 1e-6\n")[TWICE].passed


@pytest.mark.parametrize("measures", ["sample", "cost"])
def test_values_of_samples_and_costs_may_change(tmp_path: Path, measures: str) -> None:
    source = SOURCE.replace('"value"', f'"{measures}"')
    assert all(check.passed for check in findings(tmp_path, RUN.replace("ctx.seed", "random.random()"), source).values())


def test_steps_of_a_sample_may_not_change(tmp_path: Path) -> None:
    body = RUN.replace("yield 0,", "yield random.getrandbits(30),")
    assert not findings(tmp_path, body, SOURCE.replace('"value"', '"sample"'))[TWICE].passed


UNFIT = [
    ("raise ValueError('no luck')\n    yield", "is error: ValueError: no luck"),
    ("return\n    yield", "yield at least one (step, Result)"),
    ("params = Params(x=1, scale=float('inf'))\n    yield", "is diverged"),
    ("yield 0, Result(half='one')\n    return\n    yield", "result 'half' must be of type float, but got 'one'"),
    ("yield 0, Result(half=1.0)\n    yield", "a step must be an int above the one before"),
    ("bytearray(1 << 60)\n    yield", "is oom"),
]


@pytest.mark.parametrize(("code", "says"), UNFIT)
def test_a_point_that_does_not_end_well_is_found(tmp_path: Path, code: str, says: str) -> None:
    found = findings(tmp_path, RUN.replace("yield", code, 1))[contract.ENDS]
    assert (found.passed, says in found.text) == (False, True), found.text


def test_nothing_more_is_looked_at_where_points_do_not_end(tmp_path: Path) -> None:
    assert findings(tmp_path, RUN.replace("yield", "return\n    yield", 1))[TWICE].passed is None


def test_params_without_defaults_need_examples(tmp_path: Path) -> None:
    source = SOURCE.replace('"a number"] = 1', '"a number"]').split("EXAMPLES")[0]
    assert "write EXAMPLES" in findings(tmp_path, RUN, source)[contract.ENDS].text


def test_defaults_are_tried_where_there_is_no_example(tmp_path: Path) -> None:
    assert findings(tmp_path, RUN, SOURCE.split("EXAMPLES")[0])[contract.ENDS].text == "12 points of 1 shape"


def test_points_of_other_shapes_are_tried_first(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE + RUN)
    mine = describe.load("mine.py", tmp_path)
    points = contract.choose(mine, [({"x": x, "scale": float(s)}, 0) for x in range(4) for s in range(10)])
    assert [params["x"] for params, _ in points] == [0, 1, 2, 3] * 3


def test_the_points_tried_are_all_different(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE + RUN)
    points = contract.choose(describe.load("mine.py", tmp_path), ())
    assert len({(tuple(params.items()), seed) for params, seed in points}) == contract.POINTS
