"""Turns YAML 1.2 text into a tree of plain values that know their line and key path."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import SpecError

MAX_BYTES = 1_000_000  # a sweep file has some hundred lines
MAX_NODES = 100_000  # after aliases: a billion laughs are refused at the hundred thousandth
MAX_DEPTH = 30
NULL = frozenset({"", "~", "null", "Null", "NULL"})
TRUE, FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Node:
    """One value of a file: a scalar, a list of nodes or a dict of nodes; `line` counts from 1, `keys` lead to it."""

    value: Any
    line: int
    keys: Keys = ()
    size: int = 1

    def plain(self) -> Any:
        """The value without lines: lists, dicts and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def find(self, keys: Keys) -> tuple[int, Keys]:
        """Line and shown keys of what stands at `keys`; where it is missing, the line of what should hold it."""
        node = self
        for position, key in enumerate(keys):
            child = node.child(key)
            if child is None:
                return node.line, (*node.keys, *keys[position:])
            node = child
        return node.line, node.keys

    def child(self, key: str | int) -> Node | None:
        """The node under a key or an index; None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(key)
        if isinstance(self.value, list) and isinstance(key, int) and key < len(self.value):
            node: Node = self.value[key]
            return node
        return None


def shown(keys: Keys) -> str:
    """Keys as a path: `claims[0].fit.x`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def read_text(path: Path) -> str:
    """The text of a file of UTF-8; SpecError where it is missing, too large or of another encoding."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(f"{path}: a sweep file must have at most {MAX_BYTES:,} bytes, but has {size:,}; split it.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: a sweep file must be UTF-8, but byte {error.start} is not; save it as UTF-8.") from error
    except OSError as error:
        raise SpecError(f"{path}: a sweep file must be readable, but {error.strerror}; check path and permissions.") from error


def parse(text: str, name: str) -> Node:
    """The root of a YAML 1.2 text, whose value is a dict; `name` stands in the messages.

    Core schema: `on`, `off`, `yes`, `no` and `1_000` are text, `1e-3` is a number. Refused, by SpecError: duplicate keys, keys
    that are no text, tags, aliases that unfold to more than MAX_NODES values, nesting past MAX_DEPTH, several documents, NaN.
    """
    if len(text.encode()) > MAX_BYTES:
        raise SpecError(
            f"{name}: a sweep file must have at most {MAX_BYTES:,} bytes, but has {len(text.encode()):,}; split it."
        )
    try:
        root = _Builder(name, yaml.parse(text, Loader=yaml.SafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{name}:{line}: the file must be YAML, but {error.problem}; mend the line or its indent.") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{name}: the file must be YAML, but {error}; remove that character.") from error
    if not isinstance(root.value, dict):
        raise SpecError(
            f"{name}:{root.line}: a sweep must be a mapping of keys, but got {root.plain()!r}; start with 'question:'."
        )
    return root


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


class _Builder:
    """Builds nodes from parser events: recursion, aliases and size are bounded here, not in the parser."""

    def __init__(self, name: str, events: Iterator[yaml.Event]) -> None:
        self.name, self.events = name, events
        self.anchors: dict[str, Node] = {}
        self.nodes = 0

    def fault(self, line: int, keys: Keys, text: str) -> SpecError:
        path = f"{shown(keys)}: " if keys else ""
        return SpecError(f"{self.name}:{line}: {path}{text}")

    def document(self) -> Node:
        """The one document of the stream."""
        root: Node | None = None
        for event in self.events:
            line = _line(event)
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self.fault(line, (), "a sweep file must hold one document, but got a second; split the file.")
                root = self.node(next(self.events), ())
        if root is None:
            raise self.fault(1, (), "a sweep file must say something, but it is empty; start with 'question:'.")
        return root

    def node(self, event: yaml.Event, keys: Keys, line: int = 0) -> Node:
        line = line or _line(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), keys, line)
        self.check(event, keys, line)
        if isinstance(event, yaml.MappingStartEvent):
            tree = self.mapping(keys, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = self.sequence(keys, line)
        else:
            assert isinstance(event, yaml.ScalarEvent)
            tree = Node(event.value if event.style else self.scalar(event.value, keys, line), line, keys)
        if event.anchor:
            self.anchors[event.anchor] = tree
        return tree

    def check(self, event: Any, keys: Keys, line: int) -> None:
        if event.tag is not None and event.tag != "!":
            raise self.fault(line, keys, f"a value must have no tag, but got '{event.tag}'; remove the tag.")
        if len(keys) > MAX_DEPTH:
            raise self.fault(line, keys[:3], f"values must nest at most {MAX_DEPTH} deep, but nest deeper; flatten them.")
        self.count(1, keys, line)

    def count(self, more: int, keys: Keys, line: int) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            raise self.fault(
                line, keys, f"a file must hold at most {MAX_NODES:,} values, aliases unfolded, but holds more; shorten it."
            )

    def alias(self, anchor: str, keys: Keys, line: int) -> Node:
        if anchor not in self.anchors:
            raise self.fault(line, keys, f"an alias must repeat an anchor above it, but '*{anchor}' does not; define it first.")
        node = self.anchors[anchor]
        self.count(node.size, keys, line)
        return node

    def sequence(self, keys: Keys, line: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*keys, len(items))))
        return Node(items, line, keys, 1 + sum(item.size for item in items))

    def mapping(self, keys: Keys, line: int) -> Node:
        items: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            at = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self.fault(at, keys, "a key must be text, but got a list, a mapping or an alias; write a name.")
            if event.value in items:
                first = items[event.value].line
                raise self.fault(
                    at, (*keys, event.value), f"a key must stand once, but it stands on line {first} too; remove one."
                )
            items[event.value] = self.node(next(self.events), (*keys, event.value), at)
        return Node(items, line, keys, 1 + sum(item.size for item in items.values()))

    def scalar(self, text: str, keys: Keys, line: int) -> Any:
        """A plain scalar by the core schema."""
        if text in NULL:
            return None
        if text in TRUE or text in FALSE:
            return text in TRUE
        if WHOLE.fullmatch(text):
            return self.whole(text, keys, line)
        if REAL.fullmatch(text):
            return self.real(text, keys, line)
        return text

    def whole(self, text: str, keys: Keys, line: int) -> int:
        number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)) if len(text) < 40 else 2**64
        if not -(2**63) <= number < 2**63:
            raise self.fault(
                line, keys, f"a whole number must fit 64 bits, but got {text[:40]}; write it as a float such as 1e30."
            )
        return number

    def real(self, text: str, keys: Keys, line: int) -> float:
        number = float(text.replace(".inf", "inf").replace(".nan", "nan")) if "n" not in text.lower() else math.nan
        if not math.isfinite(number):
            raise self.fault(line, keys, f"a number must be finite, but got {text}; leave it out.")
        return number
