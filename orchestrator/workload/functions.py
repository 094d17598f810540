"""Turns a plain function into the module of a workload: params from its signature, results from what it gives."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.errors import WorkloadError, nearest
from orchestrator.workload import fields
from orchestrator.workload.context import Context
from orchestrator.workload.fields import KINDS, Field
from orchestrator.workload.rows import rows

GIVEN = ("seed", "ctx")
"""Arguments that are no params: the point's seed, and its context."""
USUAL = ("measure", "run")
PLAIN = {"VERSION": 1, "MEASURES": "value"}
TRIES = 3  # points that are tried at most


def by_classes(module: types.ModuleType) -> bool:
    """Whether the module declares params by a class: then `run` is given that, and no function is looked for."""
    run = getattr(module, "run", None)
    takes = list(inspect.signature(run).parameters)[:1] if inspect.isfunction(run) else []
    return any(hasattr(module, name) for name in ("Params", "run_pack")) or takes == ["params"]


def function_of(module: types.ModuleType, name: str = "") -> Callable[..., Any] | None:
    """The function that measures: the one of that name, else `measure` or `run`, else the only public one of the module."""
    own = {
        key: value
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }
    if name:
        if name not in own:
            raise WorkloadError(
                f"workload '{module.__name__}:{name}' must be a function of the file, but there is none{nearest(name, own)} "
                f"It has {', '.join(own) or 'no function'}."
            )
        return own[name]
    usual = [own[key] for key in USUAL if key in own]
    return usual[0] if usual else next(iter(own.values())) if len(own) == 1 else None


def as_module(
    module: types.ModuleType, function: Callable[..., Any], results: Sequence[Field], trial: Trial, name: str
) -> types.ModuleType:
    """A module with Params, Result and run that measures by the function; other settings are those of `module`.

    Results are those given, else those of the return annotation, else those of the dicts that the points of the trial give.
    """
    measuring = types.ModuleType(module.__name__, function.__doc__ or module.__doc__)
    measuring.__dict__.update(PLAIN | {key: value for key, value in vars(module).items() if key not in ("run", "run_pack")})
    params = _params(function, module)
    measuring.__dict__["Params"] = record("Params", params)
    result_fields = (
        tuple(results)
        or _annotated(function, module)
        or _results_of_trials(function, params, trial.points(name, measuring, params), trial)
    )
    measuring.__dict__["Result"] = record("Result", result_fields)
    measuring.__dict__["run"] = _run(function, measuring.__dict__["Result"])
    measuring.__dict__["COLUMNS"] = (params, result_fields)
    return measuring


def _run(function: Callable[..., Any], result: type) -> Callable[[Any, Context], Iterator[tuple[Any, Any]]]:
    engine_args = [name for name in GIVEN if name in inspect.signature(function).parameters]

    def run(params: Any, ctx: Context) -> Iterator[tuple[Any, Any]]:
        """The rows of one point."""
        own = {"seed": ctx.seed, "ctx": ctx} if engine_args else {}
        answer = function(**vars(params), **{name: own[name] for name in engine_args})
        return rows({VALUE: answer} if isinstance(answer, KINDS) or hasattr(answer, "item") else plain(answer), result)

    return run


VALUE = "value"
"""The result of a function that returns one number or text."""


def plain(answer: Any) -> Any:
    """A named tuple or a dataclass as the dict of its values; anything else as it is."""
    if isinstance(answer, tuple) and hasattr(answer, "_asdict"):
        return answer._asdict()
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        return {f.name: getattr(answer, f.name) for f in dataclasses.fields(answer)}
    return answer


def _hints(function: Callable[..., Any], module: types.ModuleType) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, globalns=vars(module), include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise WorkloadError(
            f"{module.__name__}.{function.__name__}: annotations must name what the module knows, but {error}; import it there."
        ) from error


def _params(function: Callable[..., Any], module: types.ModuleType) -> tuple[Field, ...]:
    hints, descriptions, where = _hints(function, module), _descriptions(function), f"{module.__name__}.{function.__name__}"
    return tuple(
        _param(parameter, hints, descriptions, where)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in GIVEN
    )


def _param(parameter: inspect.Parameter, hints: Mapping[str, Any], descriptions: Mapping[str, str], where: str) -> Field:
    name = parameter.name
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise WorkloadError(f"{where}: a param must have a name of its own, but got {parameter}; name each one.")
    default = dataclasses.MISSING if parameter.default is parameter.empty else parameter.default
    kind = type(default.value if isinstance(default, enum.Enum) else default)
    hint = hints.get(name, kind if default is not dataclasses.MISSING else None)
    if hint is None:
        raise WorkloadError(f"{where}: param '{name}' must have a type, but has none; write {name}: float.")
    return fields.of_hint(name, hint, f"{where}.{name}", default, descriptions.get(name, f"param '{name}' of {where}"))


def _descriptions(function: Callable[..., Any]) -> dict[str, str]:
    """What the docstring says of an argument or result, on a line `name: sentence` or `:param name: sentence`."""
    line = re.compile(r"^\s*[-*]?\s*(?::\w+\s+)?`{0,2}(\w+)`{0,2}\s*(?:\([^)]*\))?\s*:\s+(\S.*)$")
    matches = filter(None, map(line.match, (inspect.getdoc(function) or "").splitlines()))
    return {match[1]: match[2].strip().rstrip(".") for match in matches}


def _annotated(function: Callable[..., Any], module: types.ModuleType) -> tuple[Field, ...]:
    """The results that the return annotation declares: a TypedDict, a dataclass, a NamedTuple, or one type."""
    hint, where = _hints(function, module).get("return"), f"{module.__name__}.{function.__name__} -> "
    descriptions = _descriptions(function)
    bare = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    if bare in KINDS:
        return (fields.of_hint(VALUE, hint, where + VALUE, says=f"what {function.__name__} gives"),)
    declares = dataclasses.is_dataclass(bare) or typing.is_typeddict(bare) or hasattr(bare, "_fields")
    if not (isinstance(bare, type) and declares):
        return ()
    home = sys.modules.get(bare.__module__, module)
    hints = typing.get_type_hints(bare, globalns=vars(module) | vars(home), include_extras=True)
    needed = getattr(bare, "__required_keys__", hints.keys())
    return tuple(
        fields.of_hint(
            name, hint if name in needed else hint | None, where + name, says=descriptions.get(name, f"result '{name}'")
        )
        for name, hint in hints.items()
    )


def _unguarded(measure: Callable[[], None]) -> str:
    """Measure, and let what goes wrong go on."""
    measure()
    return ""


@dataclasses.dataclass(frozen=True)
class Trial:
    """Points to learn from what a function gives that does not say so, and who measures: `guard` gives what went wrong."""

    points: Callable[[str, types.ModuleType, tuple[Field, ...]], Iterable[Mapping[str, Any]]] = lambda *_: ({},)
    guard: Callable[[Callable[[], None]], str] = _unguarded


def _results_of_trials(
    function: Callable[..., Any], params: tuple[Field, ...], points: Iterable[Mapping[str, Any]], trial: Trial
) -> tuple[Field, ...]:
    """The results of a function that does not declare them: the values of the first dicts that it gives."""
    where, fault = function.__name__, "nothing was given"
    results: dict[str, Any] = {}
    for point in itertools.islice(points, TRIES):
        if lacking := [f.name for f in params if f.required and f.name not in point]:
            fault = f"{', '.join(lacking)} has no default to try it with"
            continue
        values = {f.name: fields.inside(f, f.cast(point.get(f.name, f.default), where)) for f in params}
        fault = trial.guard(lambda point=values: results.update(_first(function, point, results))) or fault  # type: ignore[misc]
    if not results:
        raise WorkloadError(
            f"{where}: the results must be known before the first trial, but {fault}; annotate what {where} returns with a "
            "TypedDict or a dataclass."
        )
    descriptions = _descriptions(function)
    return tuple(_result(name, value, descriptions.get(name, f"result '{name}'"), where) for name, value in results.items())


def _first(function: Callable[..., Any], point: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the first row of a point, each as wide as it was seen before."""
    for _, row in _run(function, _Loose)(types.SimpleNamespace(**point), Context(0)):
        values = row.values if isinstance(row, _Loose) else {}
        return {name: _wider(before.get(name), value) for name, value in values.items()}
    return {}


class _Loose:
    """A result of any names, from which the names are learnt."""

    def __init__(self, **values: Any) -> None:
        self.values = values


def _wider(before: Any, value: Any) -> Any:
    """Of two values of one result the one of the wider type: a fraction before a whole number, anything before None."""
    value = value.item() if hasattr(value, "item") else value.value if isinstance(value, enum.Enum) else value
    return before if value is None or (type(before) is float and type(value) is int) else value


def _result(name: str, value: Any, says: str, where: str) -> Field:
    if value is not None and type(value) not in KINDS:
        raise WorkloadError(
            f"{where}: result '{name}' must be an int, float, bool or str, but got {type(value).__name__}; give one number."
        )
    kind = float if value is None else type(value)
    return Field(name=name, kind=kind, optional=True, default=None, says=says)


def record(name: str, columns: Sequence[Field]) -> type:
    """A frozen dataclass of these columns; the columns themselves are described already."""
    columns_spec = [
        (f.name, Any, dataclasses.field(default=None if f.optional and f.required else f.default, kw_only=True))
        if f.optional or not f.required
        else (f.name, Any, dataclasses.field(kw_only=True))
        for f in columns
    ]
    return dataclasses.make_dataclass(name, columns_spec, frozen=True)
