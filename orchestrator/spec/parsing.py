"""Turns the text of a sweep file, or the name of a sweep, into a checked Spec of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator import shipped as places
from orchestrator import spoken_names
from orchestrator.errors import SpecError, nearest
from orchestrator.spec import messages, yaml_tree
from orchestrator.spec.checks import check_claims, check_search, check_seeds
from orchestrator.spec.field_types import LABEL
from orchestrator.spec.grids import Block, Grid, Misplaced, make_grid
from orchestrator.spec.sizes import overlay
from orchestrator.spec.sweep_model import Spec, Sweep, shown_name
from orchestrator.spec.yaml_tree import Node

ONE_ARM = "all"
OF_COLUMNS = ("claims", "figures", "search", "stop", "track", "seeds", "derive", "arms")
"""Keys below which a file names columns of the rows, but for what stands under `OF_WORDS`."""
OF_WORDS = frozenset({"id", "says", "basis", "source", "title", "label", "kind", "law", "goal", "from", "axes", "fixed"})


def parse(text: str, name: str, size: str | None = None, path: Path | None = None) -> Spec:
    """The Spec of a file's text, at its base or at one of its sizes; every size of the file is checked.

    Raises SpecError, one line for each fault: file, line, key path, what must hold, what came, what to do.
    """
    where = shown_name(name, path)
    root = yaml_tree.parse(text, where)
    if not LABEL.fullmatch(name) or "-" in name:
        raise SpecError(
            f"{where}: a sweep's name must be letters, digits and _ (SQL uses it), but got '{name}'; rename the file."
        )
    specs: dict[str | None, Spec] = {None: _spec(root, text, name, None, path)}
    sizes = root.value["sizes"].value if "sizes" in root.value else {}
    for key in sizes:
        specs[key] = _spec(overlay(root, key, where), text, name, key, path)
    if size not in specs:
        overlay(root, str(size), where)
    return specs[size]


def speaking(spec: Spec, claimed: Mapping[str, str]) -> Spec:
    """The spec with names as the engine has them, of a workload whose results claim these names of engine columns."""
    if spec.claimed is not None:
        return spec
    spoken = _spoken(spec._root, spoken_names.inside(claimed))
    same = spoken == spec._root
    inner = spec.model_copy() if same else _spec(spoken, spec.text, spec.name, spec.size, spec.path)
    inner._claimed = dict(claimed)
    return inner


def _spoken(root: Node, names: spoken_names.Names) -> Node:
    """A sweep file's tree with the names replaced wherever it speaks of columns."""
    parts = {key: _below(child, names) if key in OF_COLUMNS else child for key, child in root.value.items()}
    return replace(root, value=parts)


def _below(node: Node, names: spoken_names.Names) -> Node:
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: child if key in OF_WORDS else _below(child, names) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_below(child, names) for child in value]
    elif isinstance(value, str):
        value = spoken_names.renamed(value, names)
    return replace(node, value=value)


def _spec(root: Node, text: str, name: str, size: str | None, path: Path | None) -> Spec:
    where = shown_name(name, path)
    try:
        sweep = Sweep.model_validate(root.plain())
    except ValidationError as error:
        raise messages.complaint(error, root, where) from error
    fields = dict(sweep)
    if not sweep.workload:
        fields["workload"] = f"./{path.name if path is not None else f'{name}.yaml'}"
    spec = Spec.model_construct(**fields, name=name, path=path, size=size, text=text)
    spec._root = root
    try:
        spec._grids = _grids(spec)
        check_claims(spec)
        check_search(spec)
        check_seeds(spec)
    except Misplaced as fault:
        raise SpecError(f"{messages.place(root, where, fault.keys)}: {fault.text}") from fault
    return spec


def _grids(spec: Spec) -> tuple[Grid, ...]:
    base = Block((), spec.fixed, spec.derive, spec.axes)
    arms = {key: Block(("arms", key), arm.fixed, arm.derive, arm.axes) for key, arm in sorted(spec.arms.items())}
    searched = spec.search.names if spec.search is not None else ()
    blocks: dict[str, tuple[Block, ...]] = {key: (base, block) for key, block in arms.items()} or {ONE_ARM: (base,)}
    return tuple(make_grid(arm, stack, searched, lambda keys: spec.where(*keys)) for arm, stack in blocks.items())


def shipped() -> tuple[str, ...]:
    """Names of the sweeps that come with the package, sorted."""
    return tuple(sorted(file.stem for file in places.folder("sweeps").glob("*.yaml")))


def sizes(reference: str | Path) -> tuple[str, ...]:
    """Names of the sizes that a sweep's file has, however wrong the rest of it may be."""
    path = find(reference)
    root = yaml_tree.parse(yaml_tree.read_text(path), path.stem)
    return tuple(map(str, root.value["sizes"].value)) if "sizes" in root.value else ()


def find(reference: str | Path) -> Path:
    """The file of a path or of a bare name: the path itself, ./sweeps/NAME.yaml, then the shipped one."""
    path = Path(reference)
    if path.is_file():
        return path
    local = Path("sweeps") / f"{reference}.yaml"
    if local.is_file():
        return local
    if str(reference) in shipped():
        return places.folder("sweeps") / f"{reference}.yaml"
    names = shipped()
    stem = path.stem if path.suffix else str(reference)
    raise SpecError(
        f"{reference}: a sweep must be a file or the name of a shipped sweep, but nothing is here{nearest(stem, names)} "
        f"Shipped: {', '.join(names) or 'none'}."
    )


def read(reference: str | Path, size: str | None = None) -> Spec:
    """The Spec of a file, or of a sweep's bare name; SpecError lists the nearest shipped names where nothing is found."""
    path = find(reference)
    return parse(yaml_tree.read_text(path), path.stem, size, path)
