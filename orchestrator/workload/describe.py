"""Turns the name of a workload, a path, a module or a function into the description the engine works with."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.columns import ENGINE_NAMES
from orchestrator.errors import WorkloadError, nearest
from orchestrator.workload import beside, fields, finding, functions
from orchestrator.workload.commands import loading
from orchestrator.workload.fields import Field as Field
from orchestrator.workload.fields import Value as Value
from orchestrator.workload.finding import shipped as shipped
from orchestrator.workload.finding import table_name as table_name
from orchestrator.workload.functions import Trial as Trial
from orchestrator.workload.rows import rows

MEASURES = ("value", "sample", "cost")
Reference = str | types.ModuleType | Callable[..., Any]
"""A workload's name, the path of its file, its module or its function."""
FILE = re.compile(r"(?P<path>.+?\.py)(?::(?P<function>\w+))?|(?P<command>.+\.ya?ml)")
"""A workload that is a file: a module, a function of one, or YAML that describes a command."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workload module, described: what it takes, what it gives and how it is run."""

    name: str
    module: types.ModuleType
    version: int
    measures: str
    params: tuple[Field, ...]
    results: tuple[Field, ...]
    folder: Path | None = None  # from which a file imports what lies beside it

    def enter(self) -> None:
        """Let imports find what lies beside the workload's file, and nothing that lies beside another's."""
        beside.enter(self.folder)

    @property
    def table(self) -> str:
        """The workload's name in SQL: khm.capacity is khm_capacity."""
        return table_name(self.name)

    @property
    def claimed(self) -> dict[str, str]:
        """Results that have the name of an engine column, each with its name inside."""
        return {field.claims: field.name for field in self.results if field.claims}

    @property
    def vectorised(self) -> bool:
        """Whether the module measures many points in one call."""
        return hasattr(self.module, "run_pack")

    @property
    def shapes(self) -> tuple[str, ...]:
        """Params that set tensor shapes or choose code: the marked ones, else all that are no float."""
        marked = tuple(f.name for f in self.params if f.shape)
        return marked or tuple(f.name for f in self.params if f.kind is not float)

    def measures_of(self, params: Mapping[str, Any]) -> str:
        """What a point measures: a sample too where a param has the value that its note `sample` names."""
        sampled = any(field.sample and params[field.name] == field.sample for field in self.params)
        return "sample" if sampled and self.measures == "value" else self.measures

    def run(self, params: Any, ctx: Any) -> Iterator[tuple[int, Any]]:
        """Rows (step, Result) of one point: by the module's own `run`, and where it has none by `run_pack`, a pack of one."""
        if hasattr(self.module, "run"):
            yield from self.stream(params, ctx)
            return
        for block in self.module.run_pack([params], [ctx]):
            yield from self._single(block)

    def stream(self, params: Any, ctx: Any) -> Iterator[tuple[Any, Any]]:
        """What the module's own `run` yields or returns, as rows (step, Result)."""
        return rows(self.module.run(params, ctx), self.module.Result)

    def _single(self, block: Any) -> Iterator[tuple[int, Any]]:
        """What `run_pack` yields at one time of a pack of one: a row, or columns of rows."""
        if not isinstance(block, Mapping):
            yield block[1], block[2]
            return
        columns = {name: values.tolist() if hasattr(values, "tolist") else list(values) for name, values in block.items()}
        for row, step in enumerate(columns["step"]):
            yield step, self.module.Result(**{field.called: columns[field.called][row] for field in self.results})

    def inside(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the workload is given them: members of an Enum in place of their values."""
        return {name: fields.inside(self.param(name), value) for name, value in values.items()}

    def param(self, name: str) -> Field:
        """The param of that name."""
        return next(f for f in self.params if f.name == name)

    def resolve(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """All params in declared order, given values cast to their types and defaults filled in.

        Raises WorkloadError for an unknown name, a wrong type or a missing value.
        """
        names = [f.name for f in self.params]
        for name in values:
            if name not in names:
                raise WorkloadError(
                    f"{where}: workload '{self.name}' has no param '{name}'{nearest(name, names)} It has {', '.join(names)}."
                )
        full: dict[str, Any] = {}
        for field in self.params:
            if field.name in values:
                full[field.name] = field.cast(values[field.name], where)
            elif field.required:
                raise WorkloadError(
                    f"{where}: workload '{self.name}' needs param '{field.name}' ({field.says}), but it was not given; "
                    "write it under 'fixed' or 'axes'."
                )
            else:
                full[field.name] = field.default
        return full


def load(
    reference: Reference, folder: Path | None = None, trial: Trial | None = None, results: Sequence[Field] = ()
) -> Workload:
    """The workload of a name (`khm.capacity`, `mypkg.mymodule`), a `.py` or YAML path (from `folder`), a module or a function.

    `mine.py:measure` is a function of a file. One that does not say what it gives is tried on the points of `trial`, unless
    its `results` are given. Raises WorkloadError where nothing of that name is found, or where it breaks the contract.
    """
    how = _Loading(trial or Trial(), tuple(results))
    if isinstance(reference, types.ModuleType):
        return how.described(reference, reference.__name__.removeprefix("workloads."), None)
    if not isinstance(reference, str):
        home = types.ModuleType(reference.__module__)
        home.__dict__.update({key: value for key, value in reference.__globals__.items() if key not in ("Params", "Result")})
        return how.of_function(home, reference, reference.__name__, None)
    if (match := FILE.fullmatch(reference)) and match["command"]:
        path = ((folder or Path.cwd()) / reference).resolve()
        return describe(loading.module(path), path.stem, path.parent)
    if match:
        module, beside_it = finding.by_path(match["path"], folder)
        return how.described(module, Path(match["path"]).stem, beside_it, match["function"] or "")
    name, _, function = reference.partition(":")
    return how.described(finding.by_name(name), name, None, function)


@dataclass(frozen=True)
class _Loading:
    """How a module becomes a workload: what a function is tried on, or what it is known to give."""

    trial: Trial
    results: tuple[Field, ...]

    def described(self, module: types.ModuleType, name: str, folder: Path | None, function: str = "") -> Workload:
        """The module's contract, or that of its function where it declares no params of its own."""
        measures = None if not function and functions.by_classes(module) else functions.function_of(module, function)
        if measures is None:
            return describe(module, name, folder)
        return self.of_function(module, measures, name, folder)

    def of_function(self, module: types.ModuleType, function: Callable[..., Any], name: str, folder: Path | None) -> Workload:
        """The workload that a function makes."""
        return describe(functions.as_module(module, function, self.results, self.trial, name), name, folder)


def describe(module: types.ModuleType, name: str, folder: Path | None = None) -> Workload:
    """A module's contract, read and checked; WorkloadError says what breaks it."""
    missing = [n for n in ("VERSION", "MEASURES", "Params", "Result") if not hasattr(module, n)]
    if not (hasattr(module, "run") or hasattr(module, "run_pack")):
        missing.append("run")
    if missing:
        raise WorkloadError(
            f"{name} is no workload: it does not define {missing}, nor one function 'measure'; see docs/adding-a-workload.md."
        )
    if type(module.VERSION) is not int:
        raise WorkloadError(f"{name}: VERSION must be an int, but got {module.VERSION!r}; write VERSION = 1.")
    if module.MEASURES not in MEASURES:
        raise WorkloadError(f"{name}: MEASURES must be one of {MEASURES}, but got {module.MEASURES!r}; most measure 'value'.")
    params, results = _columns(module, name)
    _check_names(name, params, results)
    results = tuple(
        dataclasses.replace(f, name=f"{f.name}_", claims=f.name) if f.name in ENGINE_NAMES else f for f in results
    )  # fmt: skip
    about = {"version": module.VERSION, "measures": module.MEASURES, "folder": folder}
    return Workload(name=name, module=module, params=params, results=results, **about)


def _columns(module: types.ModuleType, name: str) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """Params and results, as a function's module has them at hand or as the classes declare them."""
    params, results = getattr(module, "COLUMNS", None) or tuple(
        fields.of_class(getattr(module, kind), module, f"{name}.{kind}") for kind in ("Params", "Result")
    )
    for field in results:
        if field.limits:
            raise WorkloadError(
                f"{name}.Result.{field.name}: bounds are of params, but a result has {field.allowed}; write a claim 'holds'."
            )
    return tuple(fields.settled(f, f"{name}.Params") for f in params), results


def _check_names(name: str, params: tuple[Field, ...], results: tuple[Field, ...]) -> None:
    names = [f.name for f in (*params, *results)]
    names += [f"{f.name}_" for f in results if f.name in ENGINE_NAMES]
    twice = sorted({n for n in names if names.count(n) > 1})
    alike = [n for n in names if sum(n.casefold() == other.casefold() for other in names) > 1]
    if alike and not twice:
        raise WorkloadError(
            f"{name}: columns must differ in more than the size of letters, which SQL does not tell apart, but {alike} do not; "
            "rename one."
        )
    engine = {n.casefold() for n in ENGINE_NAMES}
    own = {f"_{column}" for column in engine}
    # A result may have the very name of an engine column, which then goes by another; a param may not.
    kept_names = [f.name for f in params] + [f.name for f in results if f.name not in ENGINE_NAMES]
    reserved = sorted({n for n in kept_names if n.casefold() in engine} | {n for n in names if n.casefold() in own})
    if twice or reserved:
        raise WorkloadError(
            f"{name}: columns must have different names, but {twice or reserved} "
            f"{'stand twice' if twice else 'are kept by the engine'}; rename them. The engine keeps {sorted(ENGINE_NAMES)}."
        )
