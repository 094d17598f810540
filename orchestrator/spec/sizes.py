"""Turns a sweep's tree and one of its `sizes` into the tree of that size."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.errors import SpecError, nearest
from orchestrator.spec.yaml_tree import Node, shown
from orchestrator.workload.commands.keys import KEYS

KEPT = ("question", "source", "workload", "sizes", *KEYS)


def overlay(root: Node, size: str, name: str) -> Node:
    """The tree with `sizes.<size>` laid over it.

    Mappings merge key by key. A list, a scalar and an axis (whatever stands under a name in `axes` or in its `zip`) replace
    what was there; so does a mapping where a scalar stood. `null` deletes the key. A size may not change KEPT keys.
    """
    sizes = root.value.get("sizes")
    by_name = sizes.value if sizes is not None and isinstance(sizes.value, dict) else {}
    if size not in by_name:
        has = f"has {', '.join(by_name)}" if by_name else "has no sizes"
        raise SpecError(f"{name}: a size must be one of the file's, but got '{size}'{nearest(size, by_name)} The sweep {has}.")
    over = by_name[size]
    if not isinstance(over.value, dict):
        raise _fault(name, over, f"a size must be a mapping laid over the sweep, but got {over.plain()!r}; write {{seeds: 2}}.")
    for key in KEPT:
        if key in over.value:
            raise _fault(name, over.value[key], f"a size must not change '{key}', but does; write a sweep of its own.")
    return _merged(root, over, name, is_axis=False)


def _merged(base: Node, over: Node, name: str, is_axis: bool) -> Node:
    if is_axis or not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    merged = dict(base.value)
    inside_axes = bool(base.keys) and base.keys[-1] == "axes"
    inside_zip = base.keys[-2:] == ("axes", "zip")
    for key, node in over.value.items():
        if node.value is None:
            _check_deletes(node, base, key, name)
            del merged[key]
        elif key in merged:
            merged[key] = _merged(merged[key], node, name, is_axis=inside_zip or (inside_axes and key != "zip"))
        else:
            merged[key] = node
    return replace(base, value=merged)


def _check_deletes(node: Node, base: Node, key: str, name: str) -> None:
    if key not in base.value:
        raise _fault(name, node, f"null must delete a key that the sweep has, but '{key}' is none{nearest(key, base.value)}")


def _fault(name: str, node: Node, text: str) -> SpecError:
    return SpecError(f"{name}:{node.line}: {shown(node.keys)}: {text}")
