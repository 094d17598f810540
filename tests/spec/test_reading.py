"""YAML 1.2 by a loader that keeps lines and refuses what no sweep needs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.spec.yaml_tree import MAX_BYTES, parse, read_text, shown

FILE = """\
question: on
claims:
  - id: a
    fit: {x: d,
          y: "1"}
"""


def plain(text: str) -> object:
    return parse(f"a: {text}", "x.yaml").plain()["a"]


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "no", "y", "1_000", "12:30", "=1/3", "1e", "0b1", "2024-01-01", "<<", "+"]
)
def test_what_yaml_2_calls_text_is_text(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E5", 1e5), (".5", 0.5), ("-2.", -2.0), ("0x10", 16), ("0o17", 15), ("010", 10), ("+3", 3), ("-0", 0)],
)
def test_numbers_are_those_of_the_core_schema(text: str, value: float) -> None:
    found = plain(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("~", None), ("null", None), ("", None)])
def test_truth_and_null_are_those_of_the_core_schema(text: str, value: object) -> None:
    assert plain(text) is value


def test_quoted_numbers_are_text() -> None:
    assert plain("['1', \"true\"]") == ["1", "true"]


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse("on: 1\n2: 3\n", "x.yaml").plain() == {"on": 1, "2": 3}


@pytest.mark.parametrize(
    ("keys", "line", "path"),
    [
        (("question",), 1, "question"),
        (("claims", 0), 3, "claims[0]"),
        (("claims", 0, "fit", "y"), 5, "claims[0].fit.y"),
        (("claims", 0, "fit", "law"), 4, "claims[0].fit.law"),
        (("claims", 7, "fit"), 2, "claims[7].fit"),
    ],
)
def test_every_value_knows_its_line(keys: tuple[str | int, ...], line: int, path: str) -> None:
    found = parse(FILE, "x.yaml").find(keys)
    assert (found[0], shown(found[1])) == (line, path)


def test_aliases_repeat_what_stands_above_them() -> None:
    assert parse("a: &a {x: 1}\nb: *a\n", "x.yaml").plain() == {"a": {"x": 1}, "b": {"x": 1}}


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


def test_a_billion_laughs_are_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(SpecError, match=r"^x\.yaml:5: .*at most 100,000 values, aliases unfolded"):
        parse(bomb(), "x.yaml")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^x\.yaml:1: a sweep file must say something, but it is empty"),
        ("- 1\n", r"^x\.yaml:1: a sweep must be a mapping of keys, but got \[1\]"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", r"^x\.yaml:4: b\.c: a key must stand once, but it stands on line 3 too"),
        ("a: 1\n---\nb: 2\n", r"^x\.yaml:2: a sweep file must hold one document"),
        ("a: !!python/name:os.system x\n", r"^x\.yaml:1: a: a value must have no tag"),
        ("a: !mine x\n", r"^x\.yaml:1: a: a value must have no tag, but got '!mine'"),
        ("a: *b\n", r"^x\.yaml:1: a: an alias must repeat an anchor above it, but '\*b' does not"),
        ("a: &a [*a]\n", r"^x\.yaml:1: a\[0\]: an alias must repeat an anchor above it"),
        ("? [1]\n: 2\n", r"^x\.yaml:1: a key must be text"),
        ("a: .nan\n", r"^x\.yaml:1: a: a number must be finite, but got \.nan"),
        ("a: [1, -.inf]\n", r"^x\.yaml:1: a\[1\]: a number must be finite"),
        ("a: 1e999\n", r"^x\.yaml:1: a: a number must be finite, but got 1e999"),
        ("a: 9223372036854775808\n", r"^x\.yaml:1: a: a whole number must fit 64 bits"),
        ("a: [1\n", r"^x\.yaml:2: the file must be YAML, but expected ',' or '\]'"),
        ("a: b: c\n", r"^x\.yaml:1: the file must be YAML, but mapping values are not allowed here"),
        ("a: \x07\n", r"^x\.yaml: the file must be YAML, but unacceptable character"),
        ("a: " + "[" * 500, r"^x\.yaml:1: a\[0\]\[0\]: values must nest at most 30 deep"),
        ("a: '" + "x" * MAX_BYTES + "'", "must have at most 1,000,000 bytes, but has 1,000,005"),
    ],
)
def test_what_no_sweep_needs_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse(text, "x.yaml")


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"x\.yaml: a sweep file must be readable, but No such file"):
        read_text(tmp_path / "x.yaml")


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"question: \xff\n")
    with pytest.raises(SpecError, match=r"must be UTF-8, but byte 10 is not"):
        read_text(tmp_path / "x.yaml")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.yaml").open("wb") as file:
        file.truncate(MAX_BYTES * 1000)
    with pytest.raises(SpecError, match="must have at most 1,000,000 bytes, but has 1,000,000,000"):
        read_text(tmp_path / "x.yaml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert parse(read_text(tmp_path / "x.yaml"), "x").plain() == {"a": 1}


@settings(deadline=None)
@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%@ \n\t=1.", max_size=80))
def test_no_text_makes_anything_but_a_tree_or_a_spec_error(text: str) -> None:
    try:
        found = parse(text, "x.yaml")
    except SpecError:
        return
    assert isinstance(found.value, dict)
