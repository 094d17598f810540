"""Writes the claims of a sweep file down as they stand, with date and commit, and tells what a later file says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from orchestrator.claims.registry.meaning import Meaning, digest, meaning
from orchestrator.errors import SpecError
from orchestrator.spec import Spec, parsing
from orchestrator.store import durable
from orchestrator.store.store import BASE

SUFFIX = ".frozen.json"
PARTS = {"words": "its words", "formulas": "a formula it speaks of", "scope": "what its arms fix or vary"}


def beside(spec: Spec) -> Path:
    """Where the registered claims of a sweep stand: beside its file, or in this folder where the file came with the package."""
    name = f"{spec.name}{SUFFIX}"
    if spec.path is None or spec.path == Path(str(resources.files("sweeps"))) / spec.path.name:
        return Path(name)
    return spec.path.with_name(name)


def freeze(reference: str, path: Path | None, commit: str, dirty: bool) -> tuple[Path, dict[str, Any]]:
    """Write the claims of a sweep file, at its base and every size, into a file that is never written over."""
    base = parsing.read(reference)
    target = path or beside(base)
    sizes = {size or BASE: _claims(parsing.read(reference, size=size)) for size in (None, *base.sizes)}
    about = {"sweep": base.name, "registered": datetime.now(UTC).isoformat(timespec="seconds")}
    record = {**about, "commit": commit, "dirty": dirty, "hash": digest(sizes), "sizes": sizes}
    if target.exists():
        before = load(target)
        if before["hash"] != record["hash"]:
            raise SpecError(
                f"{target}: registered claims must stay as they are, but those of {before['registered'][:10]} differ from "
                f"{base.name}; give another path by --output, or delete it if nothing was measured."
            )
        return target, before
    durable.write(target, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    return target, record


def load(path: Path) -> dict[str, Any]:
    """The registered claims of a file."""
    try:
        record = json.loads(path.read_text())
        assert isinstance(record, dict) and isinstance(record["sizes"], dict) and isinstance(record["registered"], str)
    except (ValueError, KeyError, AssertionError) as error:
        raise SpecError(f"{path}: it must hold claims that 'lawsweep freeze' wrote, but does not; freeze them anew.") from error
    if digest(record["sizes"]) != record.get("hash"):
        raise SpecError(f"{path}: its hash must be that of its claims, but it was edited; take it from version control.")
    return record


def check(spec: Spec, path: Path | None = None) -> None:
    """Refuse a sweep whose claims are not those that were registered, where they were."""
    file = path or beside(spec)
    if not file.is_file():
        return
    record = load(file)
    claims = record["sizes"].get(spec.size or BASE)
    differences = [f"size '{spec.size or BASE}' was not registered"] if claims is None else list(_differences(claims, spec))
    if differences:
        raise SpecError(
            f"{spec.name}: with --strict the claims must be those registered on {record['registered'][:10]} in {file}, but "
            f"{'; '.join(differences)}. Restore them, or leave out --strict."
        )


def _claims(spec: Spec) -> dict[str, dict[str, str]]:
    return {claim.id: {"says": claim.says, **asdict(meaning(claim, spec))} for claim in spec.claims}


def _differences(registered: Mapping[str, Mapping[str, str]], spec: Spec) -> Iterator[str]:
    """What a file says otherwise than the registered claims, a text each."""
    claims = {claim.id: meaning(claim, spec) for claim in spec.claims}
    yield from (f"claim '{name}' is withdrawn" for name in registered if name not in claims)
    for name, now in claims.items():
        if name not in registered:
            yield f"claim '{name}' was not registered"
        elif changes := list(_changes(registered[name], now)):
            yield f"claim '{name}' changed ({', '.join(changes)})"


def _changes(was: Mapping[str, str], now: Meaning) -> Iterator[str]:
    return (text for part, text in PARTS.items() if was[part] != getattr(now, part))
