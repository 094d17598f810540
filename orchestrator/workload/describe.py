"""Turns the name of a workload, a path or a module into the description the engine works with."""

from __future__ import annotations

import dataclasses
import importlib.util
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.columns import ENGINE_NAMES
from orchestrator.errors import WorkloadError, nearest
from orchestrator.fitting.aggregates import AGGREGATES

Value = int | float | bool | str
KINDS = (bool, int, float, str)
MEASURES = ("value", "sample", "cost")
BOUNDS = ("exact", "lower", "upper")
KEYS = {"unit": str, "aggregate": str, "bound": str, "shape": bool, "finite": bool, "sample": str, "range": Sequence}
# The package of `workloads` that papers share: it measures nothing.
SHARED = "shared"
# What a user's module may raise while it is imported.
FAULTS = (
    ImportError,
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    OSError,
    RuntimeError,
)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One param or result of a workload, read from its annotation `Annotated[kind, "sentence", {...}]`."""

    name: str
    kind: type
    optional: bool
    default: Any
    says: str
    unit: str = ""
    aggregate: str = "mean"
    bound: str = "exact"
    shape: bool = False
    finite: bool = False
    sample: str = ""
    range: Sequence[float | None] = (None, None)

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is dataclasses.MISSING

    def cast(self, value: Any, where: str) -> Any:
        """The value as the field's own type; an int is a float too, 3.0 is an int, nothing else changes kind."""
        if value is None and self.optional:
            return None
        if self.kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
            if number != number:
                raise WorkloadError(f"{where}: a param must be a number, but got NaN; leave the value out.")
            return number
        if self.kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if type(value) is self.kind:
            return value
        raise WorkloadError(
            f"{where}: {self.name} must be of type {self.kind.__name__}, but got {value!r}; write a {self.kind.__name__}."
        )


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A workload module, described: what it takes, what it gives and how it is run."""

    name: str
    module: types.ModuleType
    version: int
    measures: str
    params: tuple[Field, ...]
    results: tuple[Field, ...]

    @property
    def table(self) -> str:
        """The workload's name in SQL: khm.capacity is khm_capacity."""
        return table_name(self.name)

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
            yield from self.module.run(params, ctx)
            return
        for block in self.module.run_pack([params], [ctx]):
            yield from self._single(block)

    def _single(self, block: Any) -> Iterator[tuple[int, Any]]:
        """What `run_pack` yields at one time of a pack of one: a row, or columns of rows."""
        if not isinstance(block, Mapping):
            yield block[1], block[2]
            return
        columns = {name: values.tolist() if hasattr(values, "tolist") else list(values) for name, values in block.items()}
        for row, step in enumerate(columns["step"]):
            yield step, self.module.Result(**{field.name: columns[field.name][row] for field in self.results})

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


def table_name(name: str) -> str:
    """A workload's name as an SQL identifier."""
    return "".join(c if c.isalnum() else "_" for c in name)


def load(reference: str | types.ModuleType, folder: Path | None = None) -> Workload:
    """The workload of a name (`khm.capacity`, `mypkg.mymodule`), a `.py` path (from `folder`), or a module.

    Raises WorkloadError where nothing of that name is found, or where it breaks the contract.
    """
    if isinstance(reference, types.ModuleType):
        return describe(reference, reference.__name__.removeprefix("workloads."))
    if reference.endswith(".py"):
        return describe(_from_path(reference, folder), Path(reference).stem)
    return describe(_from_name(reference), reference)


def shipped() -> tuple[str, ...]:
    """Names of all workloads in the package `workloads` and of group `lawsweep.workloads`, sorted, none imported."""
    import workloads

    names = [f"{paper}.{measurement}" for paper, measurement in _measurements(workloads.__path__)]
    return tuple(sorted({*names, *_entry_points()}))


def _measurements(path: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(paper, measurement): each package beside `shared` is a paper, and each public module directly in it measures; packages
    in a paper, as its `maths`, do not."""
    for paper in pkgutil.iter_modules(path):
        if paper.ispkg and paper.name != SHARED:
            inside = [str(Path(folder) / paper.name) for folder in path]
            for module in pkgutil.iter_modules(inside):
                if not module.ispkg and not module.name.startswith("_"):
                    yield paper.name, module.name


def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="lawsweep.workloads")}


def _from_name(name: str) -> types.ModuleType:
    for candidate in (f"workloads.{name}", name):
        if _exists(candidate):
            return _imported(candidate, name)
    point = _entry_points().get(name)
    if point is not None:
        return _imported(point.value, name)
    raise WorkloadError(
        f"workload '{name}' must be a shipped workload, an importable module, a .py path or an entry point, but nothing "
        f"of that name is here{nearest(name, shipped())} Shipped: {', '.join(shipped())}."
    )


def _exists(module: str) -> bool:
    """Whether an import of the module would find a file, parents imported on the way; their own faults are told."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name is None or module.startswith(error.name):
            return False
        raise WorkloadError(f"workload '{module}': its package must import, but {error}; install what is missing.") from error
    except (ImportError, ValueError):  # no name of a module: '..', an empty part
        return False


def _imported(module: str, name: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except FAULTS as error:
        raise WorkloadError(
            f"workload '{name}': its module must import, but {_error_text(error)}; mend or install it."
        ) from error


def _from_path(reference: str, folder: Path | None) -> types.ModuleType:
    path = ((folder or Path.cwd()) / reference).resolve()
    if not path.is_file():
        raise WorkloadError(
            f"workload '{reference}' must be a file, but {path} is none; the path counts from the sweep's folder."
        )
    name = f"lawsweep_user_{table_name(path.stem)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Params and Result are dataclasses with string annotations: resolving those needs the module under its name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except FAULTS as error:
        raise WorkloadError(
            f"workload '{reference}': its file must import, but {_error_text(error)}; mend {path.name}."
        ) from error
    return module


def _error_text(error: BaseException) -> str:
    """The error's text, with its kind where that says more."""
    return str(error) if isinstance(error, (ImportError, SyntaxError)) else f"{type(error).__name__}: {error}"


def describe(module: types.ModuleType, name: str) -> Workload:
    """A module's contract, read and checked; WorkloadError says what breaks it."""
    missing = [n for n in ("VERSION", "MEASURES", "Params", "Result") if not hasattr(module, n)]
    if not (hasattr(module, "run") or hasattr(module, "run_pack")):
        missing.append("run")
    if missing:
        raise WorkloadError(f"{name} is no workload: it does not define {missing}; see docs/adding-a-workload.md.")
    if type(module.VERSION) is not int:
        raise WorkloadError(f"{name}: VERSION must be an int, but got {module.VERSION!r}; write VERSION = 1.")
    if module.MEASURES not in MEASURES:
        raise WorkloadError(f"{name}: MEASURES must be one of {MEASURES}, but got {module.MEASURES!r}; most measure 'value'.")
    params = tuple(_settled(f, f"{name}.Params") for f in _fields(module, "Params", name))
    results = _fields(module, "Result", name)
    _check_names(name, params, results)
    return Workload(
        name=name, module=module, version=module.VERSION, measures=module.MEASURES, params=params, results=results
    )  # fmt: skip


def _check_names(name: str, params: tuple[Field, ...], results: tuple[Field, ...]) -> None:
    names = [f.name for f in (*params, *results)]
    twice = sorted({n for n in names if names.count(n) > 1})
    reserved = sorted(set(names) & ENGINE_NAMES)
    if twice or reserved:
        raise WorkloadError(
            f"{name}: columns must have different names, but {twice or reserved} "
            f"{'stand twice' if twice else 'are kept by the engine'}; rename them. The engine keeps {sorted(ENGINE_NAMES)}."
        )


def _fields(module: types.ModuleType, kind: str, name: str) -> tuple[Field, ...]:
    cls = getattr(module, kind)
    frozen = getattr(getattr(cls, "__dataclass_params__", None), "frozen", False)
    if not frozen:
        raise WorkloadError(f"{name}.{kind} must be a frozen dataclass, but is not; write @dataclass(frozen=True).")
    # A module that came to a worker by value is not in sys.modules, where annotations are looked up unless told.
    hints = typing.get_type_hints(cls, globalns=vars(module), include_extras=True)
    return tuple(_field(f, hints[f.name], f"{name}.{kind}.{f.name}") for f in dataclasses.fields(cls))


def _field(field: dataclasses.Field[Any], hint: Any, where: str) -> Field:
    says, extra = "", {}
    if typing.get_origin(hint) is typing.Annotated:
        hint, *notes = typing.get_args(hint)
        says = next((n for n in notes if isinstance(n, str)), "")
        extra = next((n for n in notes if isinstance(n, dict)), {})
    if not says:
        raise WorkloadError(f"{where}: every column must be described, but this one is not; write Annotated[type, 'sentence'].")
    kind, optional = _kind(hint, where)
    _check_extra(extra, kind, where)
    # A class that came to a worker by value brings a copy of the mark for "no default".
    default = dataclasses.MISSING if isinstance(field.default, type(dataclasses.MISSING)) else field.default
    return Field(name=field.name, kind=kind, optional=optional, default=default, says=says, **extra)


def _settled(field: Field, where: str) -> Field:
    """The param with its default cast to its own type, as a value written out is: 1 is 1.0 where a float is asked for."""
    return field if field.required else dataclasses.replace(field, default=field.cast(field.default, where))


def _kind(hint: Any, where: str) -> tuple[type, bool]:
    arms = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)
    kinds = [a for a in arms if a is not type(None)]
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise WorkloadError(f"{where}: a column must be an int, float, bool or str, or one of them | None, but got {hint!r}.")
    return kinds[0], len(arms) > 1


def _check_range(ends: Sequence[Any], kind: type, where: str) -> None:
    """A range is of numbers, a side without an end is None."""
    numbers = [end for end in ends if end is not None]
    plain = all(isinstance(end, (int, float)) and not isinstance(end, bool) and abs(end) < float("inf") for end in numbers)
    if kind not in (int, float) or len(ends) != 2 or not plain or numbers != sorted(set(numbers)) or not numbers:
        raise WorkloadError(
            f"{where}: 'range' must be [lowest, highest] of a column of numbers, None for a side without an end, "
            f"but got {ends!r} for {kind.__name__}; change it."
        )


def _check_extra(extra: dict[str, Any], kind: type, where: str) -> None:
    for key in extra:
        if key not in KEYS:
            raise WorkloadError(f"{where}: a column's notes may hold {sorted(KEYS)}, but got '{key}'{nearest(key, KEYS)}")
        if not isinstance(extra[key], KEYS[key]):
            raise WorkloadError(f"{where}: '{key}' must be a {KEYS[key].__name__}, but got {extra[key]!r}; change it.")
    if "sample" in extra and kind is not str:
        raise WorkloadError(
            f"{where}: 'sample' must name a value of a param of texts, but this is of {kind.__name__}; drop it."
        )
    if "range" in extra:
        _check_range(extra["range"], kind, where)
    for key, allowed in (("aggregate", tuple(AGGREGATES)), ("bound", BOUNDS)):
        if key in extra and extra[key] not in allowed:
            raise WorkloadError(
                f"{where}: '{key}' must be one of {allowed}, but got {extra[key]!r}{nearest(extra[key], allowed)}"
            )
