"""What a sweep file says of a program that measures: how it is called, what it takes, and what it gives."""

from __future__ import annotations

import dataclasses
import re
import shlex
import string
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from orchestrator.errors import WorkloadError, nearest
from orchestrator.workload import fields
from orchestrator.workload.fields import Field

BUILT_IN = ("seed", "device")
"""Placeholders that every command may use beside its params."""
PARAMS_FILE = "params.json"
TYPES: Mapping[str, type] = {kind.__name__: kind for kind in fields.KINDS}
OWN_NOTES = ("type", "says", "default", "one_of", "match", "optional")
"""Notes of a param or result that are read here; all others are those of a workload's column."""
Keys = tuple[str | int, ...]


class Misstated(Exception):
    """A key of the file that does not hold what it must: where it stands, and a sentence."""

    def __init__(self, keys: Keys, text: str) -> None:
        super().__init__(text)
        self.keys, self.text = keys, text


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A program, described: `command` and `env` may hold `{param}`, `{seed}` and `{device}`."""

    command: tuple[str, ...]
    params: tuple[Field, ...]
    results: tuple[Field, ...]
    optional: frozenset[str] = frozenset()  # results that the last row may lack
    patterns: Mapping[str, re.Pattern[str]] = dataclasses.field(default_factory=dict)
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cwd: str = "."
    stdin: str = ""
    code: tuple[str, ...] = ()
    version: int | None = None
    measures: str = "value"

    def called(self, values: Mapping[str, Any]) -> list[str]:
        """The words of the command for these params, seed and device."""
        return [word.format(**as_words(values)) for word in self.command]

    def environment(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The variables that the file sets, for these params, seed and device."""
        return {name: text.format(**as_words(values)) for name, text in self.env.items()}


def as_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a command line has them: true and false as JSON writes them, nothing for null."""
    words = {True: "true", False: "false"}
    return {name: words[value] if isinstance(value, bool) else "" if value is None else value for name, value in values.items()}


def definition(tree: Mapping[str, Any]) -> Definition:
    """The program that the keys of a sweep file describe.

    Raises Misstated for the first key that is wrong: a placeholder that is no param, a param that the program is never
    given, a pattern without the group of its result, a type that no column has.
    """
    params = tuple(_columns(tree, "params"))
    results = tuple(_columns(tree, "results"))
    if not results:
        raise Misstated(("results",), "a command must have results, but none is named; write results: {loss: {type: float}}.")
    result_notes = tree.get("results") or {}
    described = Definition(
        command=tuple(_words(tree.get("command"))),
        params=params,
        results=results,
        optional=frozenset(name for name, note in result_notes.items() if (note or {}).get("optional")),
        patterns=dict(_patterns(result_notes)),
        env={str(name): str(text) for name, text in (tree.get("env") or {}).items()},
        cwd=str(tree.get("cwd") or "."),
        stdin=str(tree.get("stdin") or ""),
        code=tuple(tree.get("code") or ()),
        version=tree.get("version"),
        measures=str(tree.get("measures") or "value"),
    )
    _check_placeholders(described)
    return described


def _words(command: Any) -> list[str]:
    """The words of a command; a text is split by the rules of a shell, and no shell runs it."""
    try:
        words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command or ()]
    except ValueError as error:
        raise Misstated(("command",), f"quotes must be closed, but {error}; close them, or write a list of words.") from error
    if not words or not words[0].strip():
        raise Misstated(("command",), "a command must have a program, but is empty; write [python, train.py, --lr, '{lr}'].")
    return words


def _columns(tree: Mapping[str, Any], section: str) -> Iterator[Field]:
    for name, note in (tree.get(section) or {}).items():
        yield _column(section, str(name), note or {})


def _column(section: str, name: str, note: Mapping[str, Any]) -> Field:
    choices, default = note.get("one_of"), note.get("default", dataclasses.MISSING)
    kind = note.get("type") or _kind_of((choices or [default])[0])
    if kind not in TYPES:
        raise Misstated(
            (section, name, "type"), f"a type must be one of {', '.join(TYPES)}, but got {kind!r}{nearest(kind, TYPES)}"
        )
    hint: Any = typing.Literal[tuple(choices)] if choices else TYPES[kind]
    says = str(note.get("says") or f"{section.removesuffix('s')} '{name}' of the command")
    extra = {key: value for key, value in note.items() if key not in OWN_NOTES and value is not None}
    absent = section == "results" or default is None
    if section == "results" and TYPES[kind] is float and not note.get("optional"):
        extra["finite"] = True
    try:
        hint = Annotated[(hint | None if absent else hint), says, extra]
        field = fields.of_hint(name, hint, name, None if section == "results" else default)
        return fields.settled(field, name)
    except WorkloadError as error:
        raise Misstated((section, name), str(error)) from error


def _kind_of(value: Any) -> str:
    """The type of a value that is written out; a column of which nothing is said holds floats."""
    return type(value).__name__ if type(value) in fields.KINDS else "float"


def _patterns(results: Mapping[str, Any]) -> Iterator[tuple[str, re.Pattern[str]]]:
    for name, note in results.items():
        if (text := (note or {}).get("match")) is None:
            continue
        keys: Keys = ("results", name, "match")
        try:
            pattern = re.compile(text)
        except (re.error, TypeError) as error:
            raise Misstated(keys, f"a pattern must be a regular expression, but {error} in {text!r}; mend it.") from error
        if name not in pattern.groupindex:
            raise Misstated(keys, f"a pattern must have the group of its result, but {text!r} has none; write (?P<{name}>…).")
        for group in pattern.groupindex:
            if group not in results:
                raise Misstated(keys, f"a group must be a result, but got '{group}'{nearest(group, results)}")
        yield name, pattern


def _check_placeholders(described: Definition) -> None:
    names = [field.name for field in described.params]
    texts: dict[Keys, str] = {("command", position): word for position, word in enumerate(described.command)}
    texts |= {("env", name): text for name, text in described.env.items()}
    used: set[str] = set()
    for keys, text in texts.items():
        for placeholder in _placeholders(keys, text):
            if placeholder not in (*names, *BUILT_IN):
                raise Misstated(
                    keys,
                    f"a placeholder must be a param, seed or device, but got {{{placeholder}}}"
                    f"{nearest(placeholder, (*names, *BUILT_IN))}",
                )
            used.add(placeholder)
    if described.stdin not in ("", PARAMS_FILE):
        raise Misstated(("stdin",), f"stdin must be {PARAMS_FILE} or be left out, but got '{described.stdin}'; write it so.")
    unused = [name for name in names if name not in used] if not described.stdin else []
    if unused:
        raise Misstated(
            ("params", unused[0]),
            f"a param must reach the command, but '{unused[0]}' is in no placeholder; write '{{{unused[0]}}}' in 'command' or "
            f"'env', or give all params by stdin: {PARAMS_FILE}.",
        )


def _placeholders(keys: Keys, text: str) -> Iterator[str]:
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise Misstated(keys, f"braces must hold a param, but {error} in {text!r}; write {{{{ and }}}} for braces.") from error
    for _, name, _, _ in parsed:
        if name is not None:
            yield name
