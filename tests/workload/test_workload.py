"""How a workload is found, what is read from it, and what each breach of the contract says."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from orchestrator.errors import WorkloadError
from orchestrator.workload import describe
from orchestrator.workload.describe import Workload

SOURCE = '''"""Half of a number."""
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated

VERSION = 2
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    x: Annotated[int, "a number", {"shape": True}]
    scale: Annotated[float, "what it is scaled by", {"unit": "m"}] = 1.0
    label: Annotated[str | None, "a name for it"] = None
    exact: Annotated[bool, "whether to round"] = True


@dataclass(frozen=True)
class Result:
    half: Annotated[float, "half of it", {"aggregate": "rms", "bound": "lower", "finite": True}]


def run(params, ctx):
    yield 0, Result(half=params.x / 2)
'''


def from_source(tmp_path: Path, source: str = SOURCE) -> Workload:
    (tmp_path / "mine.py").write_text(source)
    return describe.load("./mine.py", tmp_path)


def test_a_path_counts_from_the_given_folder(tmp_path: Path) -> None:
    assert from_source(tmp_path).name == "mine"


def test_a_module_is_found_by_its_import_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h6_package").mkdir()
    (tmp_path / "h6_package" / "measure.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    assert describe.load("h6_package.measure").name == "h6_package.measure"


def test_a_module_object_is_described_as_it_is(tmp_path: Path) -> None:
    module = from_source(tmp_path).module
    assert describe.load(module).module is module


def test_a_shipped_module_object_has_the_name_the_sweeps_use() -> None:
    name = describe.shipped()[0]
    assert describe.load(describe.load(name).module).name == name


@pytest.fixture
def entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a workload that an installed distribution offers."""
    (tmp_path / "h6_provider.py").write_text(SOURCE)
    info = tmp_path / "h6_provider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: h6-provider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lawsweep.workloads]\nother.half = h6_provider\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "other.half"


def test_an_entry_point_is_found_by_its_name(entry_point: str) -> None:
    assert describe.load(entry_point).name == "other.half"


def test_an_entry_point_is_among_the_shipped(entry_point: str) -> None:
    assert entry_point in describe.shipped()


def test_listing_the_shipped_imports_none_of_them() -> None:
    loaded = [name for name in sys.modules if name.startswith("workloads.")]
    describe.shipped()
    assert [name for name in sys.modules if name.startswith("workloads.")] == loaded


def test_the_version_is_read(tmp_path: Path) -> None:
    assert from_source(tmp_path).version == 2


def test_a_param_without_default_is_required(tmp_path: Path) -> None:
    assert [f.name for f in from_source(tmp_path).params if f.required] == ["x"]


def test_a_default_has_the_type_of_its_param(tmp_path: Path) -> None:
    assert type(from_source(tmp_path, SOURCE.replace("= 1.0", "= 1")).param("scale").default) is float


def test_notes_of_a_result_are_read(tmp_path: Path) -> None:
    half = from_source(tmp_path).results[0]
    assert (half.aggregate, half.bound, half.finite, half.says) == ("rms", "lower", True, "half of it")


def test_an_optional_param_keeps_its_kind(tmp_path: Path) -> None:
    label = from_source(tmp_path).param("label")
    assert (label.kind, label.optional) == (str, True)


def test_marked_params_alone_set_the_shape(tmp_path: Path) -> None:
    assert from_source(tmp_path).shapes == ("x",)


def test_without_a_mark_all_params_but_floats_set_the_shape(tmp_path: Path) -> None:
    assert from_source(tmp_path, SOURCE.replace(', {"shape": True}', "")).shapes == ("x", "label", "exact")


def test_a_param_says_under_which_value_a_point_is_a_sample(tmp_path: Path) -> None:
    noted = from_source(tmp_path, SOURCE.replace('"a name for it"', '"a name for it", {"sample": "os"}'))
    measured = [noted.measures_of(noted.resolve({"x": 1, "label": label}, "here")) for label in (None, "seed", "os")]
    assert measured == ["value", "value", "sample"]


def test_a_workload_with_run_alone_is_not_vectorised(tmp_path: Path) -> None:
    assert not from_source(tmp_path).vectorised


def test_a_workload_with_run_pack_is_vectorised(tmp_path: Path) -> None:
    assert from_source(tmp_path, SOURCE.replace("def run(", "def run_pack(")).vectorised


ROWS = """
def run_pack(params, ctxs):
    for step in range(2):
        for i, p in enumerate(params):
            yield i, step, Result(half=p.x / 2 + step)
"""
COLUMNS = """
def run_pack(params, ctxs):
    import numpy
    for step in range(2):
        halves = numpy.array([p.x / 2 + step for p in params])
        yield {"index": numpy.arange(len(params)), "step": numpy.full(len(params), step), "half": halves}
"""


@pytest.mark.parametrize("pack", [ROWS, COLUMNS])
def test_a_single_point_is_a_pack_of_one(tmp_path: Path, pack: str) -> None:
    described = from_source(tmp_path, SOURCE[: SOURCE.index("def run(")] + pack)
    rows = list(described.run(described.module.Params(x=3), None))
    assert [(step, row.half) for step, row in rows] == [(0, 1.5), (1, 2.5)]
    assert {type(value) for step, row in rows for value in (step, row.half)} == {int, float}


def test_a_module_that_has_run_measures_a_single_point_by_it(tmp_path: Path) -> None:
    described = from_source(tmp_path, SOURCE + ROWS)
    assert [(step, row.half) for step, row in described.run(described.module.Params(x=3), None)] == [(0, 1.5)]


def test_the_table_of_a_workload_is_an_sql_name(tmp_path: Path) -> None:
    assert dataclasses.replace(from_source(tmp_path), name="khm.capacity").table == "khm_capacity"


def test_params_are_resolved_in_declared_order_with_defaults(tmp_path: Path) -> None:
    full = from_source(tmp_path).resolve({"exact": False, "x": 3}, "here")
    assert list(full.items()) == [("x", 3), ("scale", 1.0), ("label", None), ("exact", False)]


CASTS = [("scale", 2, 2.0), ("x", 3.0, 3), ("label", None, None), ("label", "a", "a"), ("exact", False, False)]


@pytest.mark.parametrize(("name", "given", "kept"), CASTS)
def test_a_value_is_cast_to_the_type_of_its_param(tmp_path: Path, name: str, given: object, kept: object) -> None:
    value = from_source(tmp_path).resolve({"x": 1, name: given}, "here")[name]
    assert (value, type(value)) == (kept, type(kept))


REFUSED = [
    ({"x": 2.5}, "here: x must be of type int, but got 2.5; write a int."),
    ({"x": True}, "here: x must be of type int, but got True"),
    ({"x": 1, "scale": "wide"}, "here: scale must be of type float, but got 'wide'"),
    ({"x": 1, "scale": True}, "here: scale must be of type float, but got True"),
    ({"x": 1, "scale": float("nan")}, "here: a param must be a number, but got NaN"),
    ({"x": 1, "exact": 1}, "here: exact must be of type bool, but got 1"),
    ({"x": 1, "label": 1}, "here: label must be of type str, but got 1"),
    ({"x": 1, "scale": None}, "here: scale must be of type float, but got None"),
    ({"x": 1, "scal": 2.0}, "here: workload 'mine' has no param 'scal'; did you mean 'scale'? It has x, scale, label, exact."),
    (
        {"scale": 2.0},
        "here: workload 'mine' needs param 'x' (a number), but it was not given; write it under 'fixed' or 'axes'.",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_a_param_that_does_not_fit_is_refused(tmp_path: Path, given: dict[str, object], message: str) -> None:
    mine = from_source(tmp_path)
    with pytest.raises(WorkloadError, match=re.escape(message)):
        mine.resolve(given, "here")


BREACHES = [
    ("VERSION = 2", "", "mine is no workload: it does not define ['VERSION']"),
    ("MEASURES =", "MEASURE =", "mine is no workload: it does not define ['MEASURES']"),
    ("class Params", "class Inputs", "mine is no workload: it does not define ['Params']"),
    ("class Result", "class Output", "mine is no workload: it does not define ['Result']"),
    ("def run(", "def ran(", "mine is no workload: it does not define ['run']"),
    ("VERSION = 2", "VERSION = '2'", "mine: VERSION must be an int, but got '2'; write VERSION = 1."),
    ("VERSION = 2", "VERSION = True", "mine: VERSION must be an int, but got True"),
    ('"value"', '"speed"', "mine: MEASURES must be one of ('value', 'sample', 'cost'), but got 'speed'"),
    ("(frozen=True)\nclass Params", "\nclass Params", "mine.Params must be a frozen dataclass, but is not"),
    ("@dataclass(frozen=True)\nclass Result", "class Result", "mine.Result must be a frozen dataclass, but is not"),
    (
        'Annotated[int, "a number", {"shape": True}]',
        "int",
        "mine.Params.x: every column must be described, but this one is not",
    ),
    ('Annotated[int, "a number"', 'Annotated[int, ""', "mine.Params.x: every column must be described"),
    ("Annotated[int,", "Annotated[list[int],", "mine.Params.x: a column must be an int, float, bool or str"),
    ("Annotated[int,", "Annotated[int | float,", "mine.Params.x: a column must be an int, float, bool or str"),
    (
        '"bound": "lower"',
        '"bound": "lowr"',
        "must be one of ('exact', 'lower', 'upper'), but got 'lowr'; did you mean 'lower'?",
    ),
    ('"rms"', '"rmse"', "mine.Result.half: 'aggregate' must be one of"),
    ('"finite": True', '"finit": True', "but got 'finit'; did you mean 'finite'?"),
    ('"shape": True', '"sample": "os"', "mine.Params.x: 'sample' must name a value of a param of texts, but this is of int"),
    ("= 1.0", "= 'one'", "mine.Params: scale must be of type float, but got 'one'; write a float."),
    ("half:", "x:", "mine: columns must have different names, but ['x'] stand twice; rename them."),
    ("scale:", "seconds:", "mine: columns must have different names, but ['seconds'] are kept by the engine; rename them."),
    ("scale:", "arm:", "mine: columns must have different names, but ['arm'] are kept by the engine"),
    ("VERSION = 2", "import h6_is_missing", "workload './mine.py': its file must import, but No module named 'h6_is_missing'"),
    ("VERSION = 2", "VERSION = ", "workload './mine.py': its file must import, but invalid syntax"),
]


@pytest.mark.parametrize(("old", "new", "message"), BREACHES)
def test_a_breach_of_the_contract_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=re.escape(message)):
        from_source(tmp_path, SOURCE.replace(old, new, 1))


def test_a_path_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"workload 'gone\.py' must be a file, but .*gone\.py is none"):
        describe.load("gone.py", tmp_path)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    name = describe.shipped()[0]
    with pytest.raises(WorkloadError, match=rf"workload '{name}x' must be .* did you mean '{name}'\? Shipped: "):
        describe.load(f"{name}x")


def test_a_name_that_is_no_module_path_is_unknown() -> None:
    with pytest.raises(WorkloadError, match=r"workload '\.\.' must be a shipped workload"):
        describe.load("..")


def test_an_importable_module_that_is_no_workload_is_named() -> None:
    with pytest.raises(WorkloadError, match=r"json is no workload: it does not define \['VERSION'"):
        describe.load("json")


def test_a_module_whose_import_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h6_broken.py").write_text("import h6_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        WorkloadError, match="workload 'h6_broken': its module must import, but No module named 'h6_is_missing'"
    ):
        describe.load("h6_broken")
