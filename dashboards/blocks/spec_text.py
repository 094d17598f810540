"""Turns a spec into the text of a sweep file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml


def spec_text(spec: Mapping[str, Any]) -> str:
    """The spec as YAML, its keys in their order."""
    return str(yaml.safe_dump(json.loads(json.dumps(spec, default=str)), sort_keys=False, allow_unicode=True, width=110))


def again(workload: str, params: Mapping[str, Any], seed: int) -> str:
    """A sweep file that measures a point again: its params fixed, and its seed the last one."""
    spec = {"question": "The same point again?", "workload": workload, "fixed": dict(params), "seeds": seed + 1}
    return spec_text(spec)
