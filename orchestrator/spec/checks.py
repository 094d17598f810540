"""Turns a spec into nothing, or into a fault: every arm, group and param that claims and searches name must be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from orchestrator.columns import ENGINE_NAMES
from orchestrator.errors import SpecError, nearest
from orchestrator.spec.axes import Axis, Wrong
from orchestrator.spec.claim_model import Claim, Guard
from orchestrator.spec.columns_used import columns_used
from orchestrator.spec.expressions import Expression
from orchestrator.spec.grids import Misplaced
from orchestrator.spec.yaml_tree import Keys

if TYPE_CHECKING:
    from orchestrator.spec.sweep_model import Spec


def check_claims(spec: Spec) -> None:
    """Refuse claims of one id, claims on a boundary nobody searches, and names of arms and groups that are not there."""
    ids: dict[str, str] = {}
    sections: dict[str, Sequence[Claim | Guard]] = {"claims": spec.claims, "checks": spec.checks}
    for section, index, entry in ((key, i, entry) for key, entries in sections.items() for i, entry in enumerate(entries)):
        if entry.id in ids:
            raise Misplaced((section, index, "id"), f"ids must differ, but {ids[entry.id]} is '{entry.id}' too; rename one.")
        ids[entry.id] = f"{section}[{index}]"
        if entry.from_ == "boundary" and (spec.search is None or not spec.search.model.finds):
            has = "has none" if spec.search is None else f"searches by {spec.search.kind}, which finds none"
            must = "must have a 'search' for a boundary, level set or subset, or for several goals with their 'reference'"
            text = f"'from: boundary' {must}, but the sweep {has}; add one."
            raise Misplaced((section, index, "from"), text)
    for index, claim in enumerate(spec.claims):
        at: Keys = ("claims", index)
        try:
            claim.model_among(spec.claims)
        except Wrong as fault:
            raise Misplaced((*at, claim.kind, *fault.keys), fault.text) from fault
        for keys, name, allowed in _names_with_allowed(spec, claim):
            if name not in allowed:
                has = ", ".join(sorted(allowed)) or "none"
                text = f"a group must be one of the sweep's, but got '{name}'{nearest(name, allowed)} It has {has}."
                raise Misplaced((*at, *keys), text)


def check_seeds(spec: Spec) -> None:
    """Refuse seeds of an arm where something else says how many there are."""
    decides = "search" if spec.search is not None else "seeds.until" if spec.seeds.until is not None else ""
    for key, arm in spec.arms.items() if decides else ():
        if arm.seeds is not None:
            text = f"seeds must be the sweep's where '{decides}' asks for points, but arm '{key}' has its own; remove them."
            raise Misplaced(("arms", key, "seeds"), text)


def check_search(spec: Spec) -> None:
    """Refuse an end of a searched interval that needs what some arm has not."""
    search = spec.search
    if search is None:
        return
    for keys, interval in search.model.intervals():
        for grid in spec.grids():
            available = sorted({*grid.names} - {*grid.searched})
            for name in sorted({n for end in (interval.low, interval.high) if isinstance(end, Expression) for n in end.names}):
                if name not in available:
                    has = f"It has {', '.join(available) or 'nothing'}."
                    text = f"an interval must be of what arm '{grid.arm}' has, but got '{name}'{nearest(name, available)} {has}"
                    raise Misplaced(("search", search.kind, *keys), text)


def _names_with_allowed(spec: Spec, claim: Claim) -> Iterator[tuple[Keys, str, set[str]]]:
    """Names of arms and groups in a claim, with the keys that lead to each and the names there are."""
    if claim.floor is not None:
        yield ("floor", "arm"), claim.floor.arm, set(spec.arms)
    for keys, name, columns in claim.labels():
        allowed = _groups(spec, columns)
        if allowed is not None:
            yield keys, name, allowed


def _groups(spec: Spec, by: tuple[str, ...]) -> set[str] | None:
    """Values of the columns that fits are grouped by, as text; None where the file does not list them."""
    names: set[str] = set(spec.arms) if "arm" in by else set()
    for name in by:
        values = set() if name == "arm" else _values(spec, name)
        if values is None:
            return None
        names |= values
    return names


def _values(spec: Spec, name: str) -> set[str] | None:
    """Values of a param that the file lists, over all arms."""
    texts: set[str] = set()
    for grid in spec.grids():
        axes = [axis for group in grid.axes for n, axis in zip(group.names, group.columns, strict=True) if n == name]
        cells = _listed_cells(axes[0]) if axes else [grid.fixed[name]] if name in grid.fixed else None
        if cells is None or any(isinstance(cell, Expression) for cell in cells):
            return None
        texts |= {str(cell) for cell in cells}
    return texts


def _listed_cells(axis: Axis) -> list[object] | None:
    return [axis.at(index) for index in range(axis.count)] if isinstance(axis.written, list) else None


def check_columns(spec: Spec, columns: Iterable[str]) -> None:
    """Refuse a name that is none of the workload's params and results, the engine's columns or the derived ones."""
    columns, derived = set(columns), {name for grid in spec.grids() for name in grid.derive}
    names = sorted({*columns, *derived, *ENGINE_NAMES})
    must = f"a column must be of workload '{spec.workload}' or derived"
    faults = [
        f"{spec.where(*keys)}: {must}, but got '{name}'{nearest(name, names)}"
        for keys, name in columns_used(spec)
        if name not in names
    ]
    late = {(name, grid.places[name]) for grid in spec.grids() for name in columns.intersection(grid.derive) - {*grid.order}}
    faults += [
        f"{where}: a column derived from results must have a name of its own, but '{name}' is the workload's; rename it."
        for name, where in sorted(late)
    ]
    if faults:
        raise SpecError("\n".join(faults))


def unsupported(spec: Spec) -> tuple[str, ...]:
    """A sentence for each thing that cannot run yet, after its place; a run that meets one stops before its first trial."""
    # Two ways of proposing points at once.
    ways = {("search",): spec.search, ("seeds", "until"): spec.seeds.until, ("stop",): spec.stop}
    proposing = [keys for keys, model in ways.items() if model is not None]
    pairs = [(".".join(proposing[0]), keys, ".".join(keys)) for keys in proposing[1:]]
    return tuple(
        f"{spec.where(*keys)}: '{second}' beside '{first}' must wait for a later version; keep one of them."
        for first, keys, second in pairs
    )
