"""Finds the files of a workload without importing it: its own, those it imports beside it, data that it declares."""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from orchestrator.errors import WorkloadError
from orchestrator.workload.code_hash import code_hash
from orchestrator.workload.commands import loading
from orchestrator.workload.describe import FILE, Reference

DATA = "DATA_FILES"
"""The name under which a workload's module lists files and folders that its results depend on, from the module's folder."""
OURS = frozenset({"orchestrator", "workloads", "lawsweep"})
IMPORTERS = frozenset({"import_module", "__import__"})
Import = tuple[int, str]
"""How many folders up an import begins, 0 for an absolute one, and the dotted name."""


@dataclass(frozen=True, kw_only=True)
class OwnFiles:
    """The files of a workload by their spot below `root`; `file` is its own, `ours` the version of what it imports of ours."""

    root: Path
    file: str
    paths: Mapping[str, Path]
    ours: str = ""
    program: loading.Program | None = None  # where the file describes one: of the file only that counts

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """What stands in each of the files."""
        texts = self.program.texts if self.program is not None else {}
        return {spot: texts.get(spot) or path.read_bytes() for spot, path in self.paths.items()}

    @cached_property
    def code(self) -> str:
        """One name for all that stands in the files: another one as soon as a byte of them is another."""
        return code_hash(self.contents, self.ours)

    @property
    def version(self) -> int | None:
        """The VERSION that the workload's file states, where it is written out."""
        if self.program is not None:
            return self.program.version
        value = _stated(self.paths[self.file], "VERSION")
        return value.value if isinstance(value, ast.Constant) and type(value.value) is int else None


def own_files(reference: Reference, folder: Path | None = None) -> OwnFiles | None:
    """The files of the workload of that name, path or module; None where it has none here, as one typed into a notebook.

    Raises WorkloadError where data that it declares is missing or lies outside of its folder.
    """
    path = location(reference, folder)
    if path is None:
        return None
    if path.suffix in loading.SUFFIXES:
        program = loading.program(path)
        return OwnFiles(root=path.parent, file=path.name, paths={path.name: path, **program.files}, program=program)
    root = _root(path)
    paths = {path, *_packages(path.parent, root)}
    waiting = list(paths)
    ours = False
    while waiting:
        source = waiting.pop()
        for level, name in _imports(source, source.stat().st_mtime_ns):
            imported = _modules(level, name, source, path.parent, root) - paths
            paths |= imported
            waiting += imported
            ours = ours or (not level and name.split(".")[0] in OURS and not (root / name.split(".")[0]).exists())
    paths |= set(_data(path, root))
    by_place = {found_path.relative_to(root).as_posix(): found_path for found_path in sorted(paths)}
    return OwnFiles(root=root, file=path.relative_to(root).as_posix(), paths=by_place, ours=_version() if ours else "")


def location(reference: Reference, folder: Path | None = None) -> Path | None:
    """The file of a workload, where there is one."""
    if not isinstance(reference, str):
        module = reference if isinstance(reference, types.ModuleType) else sys.modules.get(reference.__module__)
        name = getattr(module, "__file__", None)
        path = Path(name) if name else None
    elif match := FILE.fullmatch(reference):
        path = (folder or Path.cwd()) / (match["path"] or match["command"])
    else:
        path = _module_file(reference)
    return path.resolve() if path is not None and path.suffix in (".py", *loading.SUFFIXES) and path.is_file() else None


def _module_file(name: str) -> Path | None:
    values = [point.value for point in entry_points(group="lawsweep.workloads") if point.name == name]
    for candidate in (f"workloads.{name}", name, *values):
        try:
            spec = importlib.util.find_spec(candidate)
        except (ImportError, ValueError, AttributeError):
            continue
        if spec is not None and spec.origin:
            return Path(spec.origin)
    return None


def _root(path: Path) -> Path:
    """The folder that holds the outermost package of a file; for a file of no package the folder that it lies in."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _packages(folder: Path, root: Path) -> Iterator[Path]:
    """The files that make packages of a folder and of those above it: they run before what is in them."""
    while folder != root:
        yield folder / "__init__.py"
        folder = folder.parent


def _modules(level: int, name: str, source: Path, beside: Path, root: Path) -> set[Path]:
    """The files below the root that an import runs: the module, if it is one, and the packages on the way to it."""
    if level:
        bases = [source.parents[level - 1]] if level <= len(source.parents) else []
    else:
        bases = list(dict.fromkeys([beside, root]))
    paths = set()
    for base in bases:
        spot = base
        for part in name.split(".") if name else ():
            spot /= part
            paths |= {spot / "__init__.py", spot.with_name(f"{part}.py")}
        paths |= {base / "__init__.py"} if level else set()
    return {path for path in paths if path.is_file() and path.is_relative_to(root)}


@lru_cache(maxsize=4096)
def _imports(path: Path, changed: int) -> tuple[Import, ...]:
    """What a file imports, anywhere in it but for types alone; nothing of one that is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    return tuple(imported for node in _running(tree) for imported in _imported(node))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those below it, without what only a checker of types reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        test = child.test if isinstance(child, ast.If) else None
        name = getattr(test, "id", getattr(test, "attr", ""))
        if name != "TYPE_CHECKING":
            yield from _running(child)


def _imported(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield 0, alias.name
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        yield node.level, module
        for alias in node.names:
            yield node.level, f"{module}.{alias.name}".strip(".")
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in IMPORTERS and isinstance(node.args[0].value, str):
            dotted = node.args[0].value
            yield len(dotted) - len(dotted.lstrip(".")), dotted.lstrip(".")


def _data(path: Path, root: Path) -> Iterator[Path]:
    """The files that the module lists under DATA_FILES; those in a folder that it lists."""
    for name in _declared(path):
        spot = (path.parent / name).resolve()
        if not spot.exists() or not spot.is_relative_to(root):
            raise WorkloadError(
                f"{path}: {DATA} must list files or folders that lie below {root}, but '{name}' does not; mend the list."
            )
        yield from (p for p in sorted(spot.rglob("*")) if p.is_file()) if spot.is_dir() else (spot,)


def _declared(path: Path) -> tuple[str, ...]:
    value = _stated(path, DATA)
    if value is None:
        return ()
    try:
        names = ast.literal_eval(value)
    except ValueError:
        names = None
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise WorkloadError(f"{path}: {DATA} must be a tuple of texts, written out, such as ('table.csv',); write it so.")
    return tuple(names)


def _stated(path: Path, name: str) -> ast.expr | None:
    """What a module's file gives a name at its top; None where it does not, or is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and any(getattr(target, "id", "") == name for target in targets):
            return node.value
    return None


def _version() -> str:
    try:
        return f"lawsweep {version('lawsweep')}"
    except PackageNotFoundError:
        return "lawsweep"
