"""The plan of a sweep: which points there are, what they are called, and what is refused before any is built."""

from __future__ import annotations

import json
import os
import random
import resource
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError, WorkloadError
from orchestrator.plan import Plan, expand
from orchestrator.plan.identity import KEY_VERSION, Identity, canonical, machine
from orchestrator.plan.points import count
from orchestrator.workload.describe import Field, Workload, load, shipped
from tests.helpers.running import HEAD, RUN, made, plan_of, spec_of

GOLDEN = Path(__file__).parents[1] / "golden" / "point_ids.json"
ACCEPT = "ACCEPT=1 .venv/bin/python -m pytest tests/plan/test_plan.py"
HALVES = made(RUN)
BODY = "def run(params, ctx):\n    yield 0, Result(half=0.0)\n"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def wide(params: str, name: str = "wide", version: int = 1, measures: str = "value") -> Workload:
    """A workload with these lines of params."""
    head = HEAD.split("@dataclass")[0].replace("VERSION = 1", f"VERSION = {version}").replace('"value"', f'"{measures}"')
    lines = "".join(f"    {described(line)}\n" for line in params.splitlines())
    result = "\n\n@dataclass(frozen=True)\nclass Result:\n    half: Annotated[float, 'half of it']\n\n\n"
    return made(f"@dataclass(frozen=True)\nclass Params:\n{lines}{result}{BODY}", name, head)


def described(line: str) -> str:
    """The line of a field `name: kind = default`, with a sentence."""
    name, rest = line.split(": ", 1)
    kind, equals, default = rest.partition(" = ")
    return f'{name}: Annotated[{kind}, "a param"]{equals}{default}'


def one_id(workload: Workload, **given: Any) -> str:
    """The id of the point with these params and seed 0."""
    return next(Identity(workload).points(workload.resolve(given, "here"), range(1)))


def same(a: Plan, b: Plan) -> bool:
    """Whether two plans hold the same points in the same order and arms."""
    return (a.ids, a.seeds, a.params, a.arms) == (b.ids, b.seeds, b.params, b.arms)


def shuffled(value: Any, draw: random.Random) -> Any:
    """The value with the keys of its mappings in another order."""
    if not isinstance(value, dict):
        return value
    keys = draw.sample(list(value), len(value))
    return {key: shuffled(value[key], draw) for key in keys}


# Expansion


def test_a_plan_is_the_product_of_its_axes_and_seeds() -> None:
    plan = plan_of("{i: [1, 2], scale: [0.5, 1, 2]}", HALVES, "seeds: 4")
    assert len(plan) == len(set(plan.ids)) == 24
    assert {(p["i"], p["scale"]) for p in map(plan.point, range(24))} == {(i, s) for i in (1, 2) for s in (0.5, 1.0, 2.0)}
    assert plan.seeds == [0, 1, 2, 3] * 6


def test_the_last_axis_turns_fastest_and_seeds_faster_still() -> None:
    plan = plan_of("{i: [1, 2], scale: [3, 4]}", HALVES, "seeds: 2")
    assert plan.params["i"] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert plan.params["scale"] == [3.0, 3.0, 4.0, 4.0] * 2


AXES = st.fixed_dictionaries(
    {"i": st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True)},
    optional={"scale": st.lists(NUMBERS, min_size=1, max_size=3, unique_by=canonical)},
)


@settings(deadline=None, max_examples=50)
@given(axes=AXES, seeds=st.integers(1, 3), arms=st.lists(st.sampled_from("abc"), unique=True), draw=st.randoms())
def test_a_plan_built_again_from_shuffled_keys_is_equal(axes: Any, seeds: int, arms: list[str], draw: random.Random) -> None:
    text = {"question": "What?", "workload": "w", "axes": axes, "seeds": seeds}
    if arms:
        text["arms"] = {arm: {"fixed": {"label": arm}} for arm in arms}
    first = expand(spec_of(yaml.safe_dump(text)), HALVES)
    assert same(first, expand(spec_of(yaml.safe_dump(text)), HALVES))
    assert same(first, expand(spec_of(yaml.safe_dump(shuffled(text, draw), sort_keys=False)), HALVES))
    assert len(first) == len(set(first.ids)) == count(spec_of(yaml.safe_dump(text)))


def test_axes_that_move_together_are_walked_together() -> None:
    plan = plan_of("{zip: {i: [1, 2, 3], scale: [4, 5, 6]}}", HALVES)
    assert [tuple(plan.point(k).values())[:2] for k in range(3)] == [(1, 4.0), (2, 5.0), (3, 6.0)]


def test_points_shared_by_arms_stand_once() -> None:
    arms = "arms: {low: {axes: {i: [1, 2]}}, high: {axes: {i: [2, 3]}}}"
    plan = plan_of("{scale: [1, 2]}", HALVES, arms)
    assert len(plan) == 6
    members = dict(plan.arms)
    assert {plan.params["i"][k] for k in set(members["low"]) & set(members["high"])} == {2}


def test_an_arm_holds_no_point_twice() -> None:
    plan = plan_of("{i: [1], scale: [0.1, 0.1000000000000001]}", HALVES)
    assert (len(plan), plan.arms) == (1, (("all", [0]),))


def test_a_sweep_without_arms_has_one_called_all() -> None:
    assert plan_of("{i: [1, 2]}", HALVES).arms == (("all", [0, 1]),)


def test_expressions_give_values_for_each_assignment() -> None:
    plan = plan_of("{i: [1, 2, 4]}", HALVES, "derive: {twice: 2*i}\nfixed: {scale: =sqrt(twice + 2)}")
    assert plan.params["scale"] == [2.0, pytest.approx(6**0.5), pytest.approx(10**0.5)]
    assert list(plan.params) == ["i", "scale", "label"]


def test_a_param_may_be_derived() -> None:
    assert plan_of("{i: [1, 2]}", HALVES, "derive: {scale: i / 4}").params["scale"] == [0.25, 0.5]


# Identity


@given(draw=st.randoms(), i=st.integers(-(2**60), 2**60), scale=NUMBERS, label=st.none() | st.text(max_size=5))
def test_an_id_does_not_depend_on_the_order_of_params(draw: random.Random, i: int, scale: float, label: str | None) -> None:
    values = {"i": i, "scale": scale, "label": label}
    ids = [next(Identity(HALVES).points(given, range(1))) for given in (values, shuffled(values, draw))]
    assert ids[0] == ids[1] and len(ids[0]) == 16


def test_an_id_does_not_depend_on_the_order_of_fields() -> None:
    lines = ["a: int", "b: float = 2.0", "c: str = 'x'"]
    other = ["c: str = 'x'", "a: int", "b: float = 2.0"]
    first, second = wide("\n".join(lines)), wide("\n".join([other[1], *lines[1:]]))
    assert one_id(first, a=1, b=3, c="y") == one_id(second, c="y", b=3.0, a=1)


def test_a_default_written_out_is_the_default() -> None:
    assert one_id(HALVES, i=1) == one_id(HALVES, i=1, scale=1.0) == one_id(HALVES, i=1, scale=1, label=None)


def test_a_whole_default_of_a_float_is_the_same_number() -> None:
    whole = wide("i: int\nscale: float = 1")
    assert one_id(whole, i=1) == one_id(whole, i=1, scale=1.0) == one_id(wide("i: int\nscale: float = 1.0"), i=1)


def test_a_new_param_with_a_default_orphans_nothing() -> None:
    grown = wide("i: int\nscale: float = 1.0\nlabel: str | None = None\nnoise: float = 0.0", name="halves")
    assert one_id(grown, i=3, scale=2.0) == one_id(HALVES, i=3, scale=2.0)


def test_a_changed_default_makes_other_points() -> None:
    assert one_id(wide("i: int = 1"), i=2) != one_id(wide("i: int = 2"), i=2)


@given(value=st.floats(1e-300, 1e300), sign=st.sampled_from([-1, 1]))
def test_floats_that_agree_to_twelve_digits_are_one_value(value: float, sign: int) -> None:
    rounded = float(f"{value * sign:.12g}")
    assert one_id(HALVES, i=1, scale=rounded * (1 + 2e-14)) == one_id(HALVES, i=1, scale=rounded)
    assert one_id(HALVES, i=1, scale=rounded * (1 + 1e-10)) != one_id(HALVES, i=1, scale=rounded)


@pytest.mark.parametrize("near", [1.0 + 1e-14, 1.0 - 1e-14])
def test_a_float_that_agrees_with_the_default_is_the_default(near: float) -> None:
    assert one_id(HALVES, i=1, scale=near) == one_id(HALVES, i=1)


def test_minus_zero_is_zero() -> None:
    assert one_id(HALVES, i=1, scale=-0.0) == one_id(HALVES, i=1, scale=0.0)


@given(a=st.text(), b=st.text())
def test_texts_with_line_breaks_do_not_run_into_each_other(a: str, b: str) -> None:
    two = wide("a: str\nb: str")
    assert (one_id(two, a=a, b=b) == one_id(two, a=b, b=a)) == (a == b)


def test_a_number_a_truth_and_a_text_are_three_values() -> None:
    assert len({canonical(1), canonical(1.0), canonical(True), canonical("1"), canonical(None)}) == 5


@pytest.mark.parametrize(
    "other", [wide("i: int", "renamed"), wide("i: int", version=2)], ids=["the name of the workload", "VERSION"]
)
def test_an_id_depends_on(other: Workload) -> None:
    assert one_id(other, i=1) != one_id(wide("i: int"), i=1)


def test_seeds_are_points_of_their_own() -> None:
    assert len(set(Identity(HALVES).points({"i": 1, "scale": 1.0, "label": None}, range(100)))) == 100


def test_more_seeds_keep_the_points_there_are() -> None:
    few, many = plan_of("{i: [1, 2]}", HALVES, "seeds: 2"), plan_of("{i: [1, 2]}", HALVES, "seeds: 5")
    assert set(few.ids) < set(many.ids)


@pytest.mark.parametrize(("measures", "differ"), [("cost", True), ("value", False), ("sample", False)])
def test_only_a_cost_depends_on_the_machine(measures: str, differ: bool) -> None:
    timed = wide("i: int", measures=measures)
    ids = [plan_of("{i: [1]}", timed, machine=there).ids for there in ("x86_64/2cpu/cpu/1threads", "x86_64/2cpu/cpu/2threads")]
    assert (ids[0] != ids[1]) is differ


def test_a_machine_is_its_class_device_and_threads() -> None:
    assert machine("cuda", 2.0) == machine("cuda", 2)
    assert machine("cuda", 2).endswith("cpu/cuda/2threads")


# What is refused


def test_a_trillion_points_are_refused_in_milliseconds_without_memory() -> None:
    spec = spec_of("question: What?\nworkload: w\naxes: {i: {range: [1, 1000000, 1]}, scale: {lin: [0, 1, 1000000]}}")
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(SpecError, match=r"halves.yaml:3: axes: the plan makes 1,000,000,000,000 points, above .* 100,000;"):
        expand(spec, HALVES)
    assert time.process_time() - begun < 0.05
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000  # KiB


def test_the_limit_of_points_says_how_to_lift_it() -> None:
    with pytest.raises(SpecError, match=r"makes 6 points, above the limit of 5; .* 'limits: \{points: 6\}'\.$"):
        plan_of("{i: [1, 2, 3]}", HALVES, "seeds: 2\nlimits: {points: 5}")
    assert len(plan_of("{i: [1, 2, 3]}", HALVES, "seeds: 2\nlimits: {points: 6}")) == 6


@pytest.mark.parametrize(
    ("axes", "rest", "told"),
    [
        (
            "{i: [1], scle: [2]}",
            "",
            r"halves\.yaml:3: axes\.scle: workload 'halves' has no param 'scle'; did you mean 'scale'\? It has i, scale, label",
        ),
        ("{i: [1]}", "fixed: {lable: x}", r"yaml:4: fixed\.lable: .* no param 'lable'; did you mean 'label'\?"),
        ("{i: [1]}", "arms: {a: {fixed: {scal: 1}}}", r"yaml:4: arms\.a\.fixed\.scal: .*; did you mean 'scale'\?"),
        ("{scale: [2]}", "", r"halves\.yaml:1: workload 'halves' needs param 'i' \(a number\), but arm 'all' does not give"),
        ("{i: [1]}", "arms: {a: {}, b: {fixed: {x: 1}}}", r"yaml:4: arms\.b\.fixed\.x: .* no param 'x'"),
        ("{i: [1, 2.5]}", "", r"halves\.yaml:3: axes\.i: i must be of type int, but got 2\.5; write a int"),
        ("{i: [1, 2]}", "fixed: {scale: big}", r"yaml:4: fixed\.scale: scale must be of type float, but got 'big'"),
        ("{i: [true]}", "", r"axes\.i: i must be of type int, but got True"),
        ("{i: [1]}", "fixed: {label: 3}", r"fixed\.label: label must be of type str, but got 3"),
        ("{zip: {i: [1], scale: [x]}}", "", r"yaml:3: axes\.zip\.scale: scale must be of type float, but got 'x'"),
        ("{i: [1, 3]}", "arms: {a: {fixed: {label: =i}}}", r"yaml:4: arms\.a\.fixed\.label: label must .* got 1"),
        ("{i: [1, 3]}", "derive: {scale: 1 / (i - 3)}", r"yaml:4: derive\.scale: .*divi"),
    ],
)
def test_a_wrong_value_is_told_by_its_place(axes: str, rest: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        plan_of(axes, HALVES, rest)


def test_a_default_of_the_wrong_type_is_told() -> None:
    with pytest.raises(WorkloadError, match=r"wide\.Params: i must be of type int, but got 'one'; write a int\."):
        wide("i: int = 'one'")


# The golden file


@cache
def pinned() -> dict[str, Any]:
    """The golden file's content as the shipped workloads have it now: defaults, and some points of each."""
    found: dict[str, Any] = {"key_version": KEY_VERSION, "workloads": {}}
    for name in shipped():
        w = load(name)
        defaults = {f.name: "required" if f.required else f.default for f in w.params}
        given = [{}, *({f.name: other(f)} for f in w.params)]
        required = {f.name: first(f) for f in w.params if f.required}
        points = [{"params": required | more, "id": one_id(w, **required | more)} for more in given]
        found["workloads"][name] = {"version": w.version, "defaults": defaults, "points": points}
    return found


FIRST = {int: (8, 1, 64), float: (0.7, 2.0, 0.01), str: ("x",), bool: (True,)}
OTHERS = {int: (3, 5, 64, 1, 16), float: (0.1 + 0.2, 2.5, 0.01), str: ("y",), bool: (True, False)}


def first(field: Field) -> Any:
    """A value of a required param: the first that it may have."""
    return next(value for value in (*field.choices, *FIRST[field.kind]) if allowed(field, value))


def other(field: Field) -> Any:
    """A value that is no default, and not that of `first` where there is none: the last that it may have, where listed."""
    values = (*reversed(field.choices), *OTHERS[field.kind])
    return next(value for value in values if value != field.default and allowed(field, value))


def allowed(field: Field, value: Any) -> bool:
    """Whether the param may have the value."""
    try:
        field.cast(value, "here")
    except WorkloadError:
        return False
    return True


def golden() -> dict[str, Any]:
    """The golden file; written anew first where that is asked for."""
    if os.environ.get("ACCEPT"):
        GOLDEN.write_text(json.dumps(pinned(), indent=1) + "\n")
    return json.loads(GOLDEN.read_text())  # type: ignore[no-any-return]


def test_a_golden_file_pins_at_least_twenty_ids() -> None:
    assert sum(len(about["points"]) for about in golden()["workloads"].values()) >= 20


@pytest.mark.parametrize("name", shipped())
def test_no_stored_point_changes_its_id(name: str) -> None:
    w, kept = load(name), golden()["workloads"][name]
    for point in kept["points"] if kept["version"] == w.version else ():
        now = one_id(w, **point["params"])
        assert now == point["id"], orphaned(point["params"], point["id"], now)


@pytest.mark.parametrize("name", shipped())
def test_no_default_changes_unless_version_is_raised(name: str) -> None:
    found, kept = pinned()["workloads"][name], golden()["workloads"][name]
    if found["version"] == kept["version"]:
        changed = {k: v for k, v in kept["defaults"].items() if found["defaults"].get(k, "gone") != v}
        assert not changed, f"{name}: the defaults {changed} changed; raise VERSION, or keep them. ({GOLDEN.name})"
    assert found == kept, f"{name}: params or VERSION are not those of {GOLDEN.name}; if that is meant: {ACCEPT}"


def orphaned(params: dict[str, Any], was: str, now: str) -> str:
    """What is said of a changed id."""
    return (
        f"point id of {params} changed from {was} to {now}: stored rows would be orphaned. If results change, raise VERSION; "
        f"if not, keep the old default. (tests/golden/{GOLDEN.name}; once VERSION is raised: {ACCEPT})"
    )


@pytest.mark.parametrize("near", [1.5 + 1e-13, 1.5 - 3e-13])
def test_values_that_differ_beyond_what_identity_tells_are_refused(near: float) -> None:
    with pytest.raises(SpecError, match=r"values of 'scale' must differ within their first 12 digits.* got 1\.5 and "):
        plan_of(f"{{i: [1], scale: [1.5, {near!r}]}}", HALVES)
    with pytest.raises(SpecError, match="would be one point"):
        plan_of("{i: [1]}", HALVES, f"arms: {{a: {{fixed: {{scale: 1.5}}}}, b: {{fixed: {{scale: {near!r}}}}}}}")


def test_what_differs_by_rounding_alone_is_one_point() -> None:
    plan = plan_of("{i: [1]}", HALVES, f"arms: {{a: {{fixed: {{scale: 0.3}}}}, b: {{fixed: {{scale: {0.1 + 0.2!r}}}}}}}")
    assert len(plan) == 1
