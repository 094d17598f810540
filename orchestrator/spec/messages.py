"""Turns what pydantic refuses into our messages: file, line, key path, what must hold, what came and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import SpecError, nearest
from orchestrator.spec.yaml_tree import Keys, Node, shown

MAX_SHOWN = 60  # characters of a wrong value
MAX_FAULTS = 20
MUST: Mapping[str, str] = {
    "greater_than": "a number here must be above {gt}",
    "greater_than_equal": "a number here must be at least {ge}",
    "less_than_equal": "a number here must be at most {le}",
    "int_type": "a value must be a whole number",
    "int_from_float": "a value must be a whole number",
    "float_type": "a value must be a number",
    "bool_type": "a value must be true or false",
    "bool_parsing": "a value must be true or false",
    "string_type": "a value must be text",
    "tuple_type": "a value must be a list",
    "dict_type": "a value must be a mapping",
    "model_type": "a value must be a mapping of keys",
    "too_short": "a list must have at least {min_length} value",
}
DO: Mapping[str, str] = {
    "int_type": "write it without a fraction",
    "int_from_float": "write it without a fraction",
    "bool_type": "write one of them",
    "bool_parsing": "write one of them",
    "string_type": "put it in quotes",
    "tuple_type": "write it in brackets",
    "dict_type": "write {key: value}",
    "model_type": "write {key: value}",
    "too_short": "write one",
}


def place(root: Node, name: str, keys: Keys) -> str:
    """Where a value stands: `sweeps/x.yaml:12: claims[0].fit.x`; the file alone for the whole of it."""
    line, reached = root.find(keys)
    return f"{name}:{line}: {shown(reached)}" if reached else f"{name}:{line}"


def complaint(error: ValidationError, root: Node, name: str) -> SpecError:
    """One line for each fault, in the order of the file's lines."""
    faults = sorted({_sentence(details, root, name) for details in error.errors(include_url=False)})
    return SpecError("\n".join(text for _, text in faults[:MAX_FAULTS]))


def _sentence(details: ErrorDetails, root: Node, name: str) -> tuple[int, str]:
    context = details.get("ctx", {})
    keys = (*details["loc"], *context.get("keys", ()))
    text = context["text"] if details["type"] == "wrong" else _text(details, context)
    return root.find(keys)[0], f"{place(root, name, keys)}: {text}"


def _text(details: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind, came = details["type"], repr(details["input"])
    came = came if len(came) <= MAX_SHOWN else came[:MAX_SHOWN] + "…"
    if kind == "missing":
        return f"a value must stand here, but '{details['loc'][-1]}' is missing; write it."
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return f"a value must be one of {', '.join(allowed)}, but got {came}{nearest(str(details['input']), allowed)}"
    must = MUST.get(kind, details["msg"]).format(**context)
    return f"{must}, but got {came}; {DO.get(kind, 'change it')}."
