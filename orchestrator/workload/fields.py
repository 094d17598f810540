"""What a workload's params and results are: their types, allowed values and notes, read from annotations."""

from __future__ import annotations

import dataclasses
import enum
import math
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import WorkloadError, nearest
from orchestrator.fitting.aggregates import AGGREGATES

Value = int | float | bool | str
KINDS = (bool, int, float, str)
BOUNDS = ("exact", "lower", "upper")
LARGEST_INT = 2**63 - 1
"""The largest whole number that a column of rows has room for."""
KEYS: Mapping[str, type | tuple[type, ...]] = {
    "unit": str,
    "aggregate": str,
    "bound": str,
    "shape": bool,
    "finite": bool,
    "sample": str,
    "formula": str,
    "df": (int, float, str),
    "seedless": (bool, str),
    "range": (list, tuple),
}
LIMITS = {"at_least": "ge", "above": "gt", "at_most": "le", "below": "lt"}
"""Notes that bound a param, each with the attribute by which `annotated_types` and pydantic say the same."""
HOLDS = {"at_least": float.__ge__, "above": float.__gt__, "at_most": float.__le__, "below": float.__lt__}


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
    formula: str = ""  # the function of params alone that gives a result, which is computed then and not measured
    df: float | str = ""
    seedless: bool | str = False
    choices: tuple[Value, ...] = ()  # the only values it may have; all where empty
    members: type[enum.Enum] | None = None  # what the workload is given in place of its value
    limits: tuple[tuple[str, float], ...] = ()
    range: Sequence[float | None] = (None, None)  # what a result can be at all, None for a side without an end
    claims: str = ""  # the name of an engine column that the workload gives this result; `name` is then another, inside

    @property
    def called(self) -> str:
        """What the workload calls it."""
        return self.claims or self.name

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is dataclasses.MISSING

    @property
    def seedless_where(self) -> str:
        """The SQL condition over the params under which the seed does not change the result; empty where it may always."""
        return self.seedless if isinstance(self.seedless, str) else "true" if self.seedless else ""

    @property
    def allowed(self) -> str:
        """What values it may have, in words; empty where nothing but its type bounds it."""
        bounds = " and ".join(f"{word.replace('_', ' ')} {limit:g}" for word, limit in self.limits)
        return f"one of {', '.join(map(repr, self.choices))}" if self.choices else bounds

    def cast(self, value: Any, where: str) -> Any:
        """The value as the field's own type; an int is a float too, 3.0 is an int, nothing else changes kind.

        Raises WorkloadError for another type, and for a value that is not allowed.
        """
        if isinstance(value, enum.Enum) and self.members is not None:
            value = value.value
        if value is None and self.optional:
            return None
        value_kept = self._typed(value, where)
        if self.choices and value_kept not in self.choices:
            raise WorkloadError(
                f"{where}: {self.name} must be {self.allowed}, but got {value!r}{nearest(value, map(str, self.choices))}"
            )
        for word, limit in self.limits:
            if not HOLDS[word](float(value_kept), limit):
                raise WorkloadError(f"{where}: {self.name} must be {self.allowed}, but got {value!r}; choose another value.")
        return value_kept

    def _typed(self, value: Any, where: str) -> Any:
        if self.kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._real(value, where)
        if self.kind is int and isinstance(value, float) and value.is_integer():
            return self._whole(int(value), where)
        if type(value) is self.kind:
            return self._whole(value, where) if isinstance(value, int) and self.kind is int else value
        hint = nearest(value, map(str, self.choices)) if self.choices else f"; write a {self.kind.__name__}."
        raise WorkloadError(f"{where}: {self.name} must be of type {self.kind.__name__}, but got {value!r}{hint}")

    def _real(self, value: float, where: str) -> float:
        """The value as a float that is still that number."""
        if value != value:
            raise WorkloadError(f"{where}: a param must be a number, but got NaN; leave the value out.")
        if isinstance(value, int) and (abs(value) > LARGEST_INT or int(float(value)) != value):
            raise WorkloadError(
                f"{where}: {self.name} must be a number that a float of 64 bits can tell from its neighbours, but got {value}; "
                "write another number, or let the workload take an int."
            )
        return float(value)

    def _whole(self, value: int, where: str) -> int:
        """The value, if it has room in 64 bits."""
        if not -LARGEST_INT - 1 <= value <= LARGEST_INT:
            raise WorkloadError(
                f"{where}: {self.name} must lie between -2^63 and 2^63 - 1, but got {value}; write a smaller number."
            )
        return value


def of_class(cls: Any, module: types.ModuleType, where: str) -> tuple[Field, ...]:
    """The fields of a frozen dataclass of the module, those it inherits first; WorkloadError where one is no column."""
    params = vars(cls).get("__dataclass_params__") if isinstance(cls, type) else None
    bare = params is None and isinstance(cls, type) and not vars(cls).get("__annotations__")
    if not getattr(params or (bare and getattr(cls, "__dataclass_params__", None)), "frozen", False):
        raise WorkloadError(f"{where} must be a frozen dataclass, but is not; write @dataclass(frozen=True).")
    hints = _hints(cls, module, where)
    return tuple(of_hint(f.name, hints[f.name], f"{where}.{f.name}", default_of(f)) for f in dataclasses.fields(cls) if f.init)


def _hints(cls: type, module: types.ModuleType, where: str) -> dict[str, Any]:
    """The annotations of a class and of those it inherits from, each resolved by the names of the module it stands in.

    A module that came to a worker by value is not in sys.modules, where annotations are looked up unless told.
    """
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = type(base.__name__, (), {"__annotations__": dict(vars(base).get("__annotations__", {}))})
        names = vars(module) | vars(sys.modules.get(base.__module__, module)) if base is not object else {}
        try:
            hints |= typing.get_type_hints(own, globalns=names, include_extras=True)
        except (NameError, TypeError, SyntaxError) as error:
            raise WorkloadError(
                f"{where}: annotations must name what the module knows, but {error}; import it there."
            ) from error
    return hints


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a dataclass's field, made by its factory where it has one; MISSING where it has none."""
    # A class that came to a worker by value brings a copy of the mark for "no default".
    missing, factory = type(dataclasses.MISSING), field.default_factory
    if callable(factory) and not isinstance(factory, missing):
        return factory()
    return dataclasses.MISSING if isinstance(field.default, missing) else field.default


def of_hint(name: str, hint: Any, where: str, default: Any = dataclasses.MISSING, says: str = "") -> Field:
    """The field that an annotation describes; `says` stands in where the annotation has no sentence."""
    notes: list[Any] = []
    if typing.get_origin(hint) is typing.Annotated:
        hint, *notes = typing.get_args(hint)
    says = next((n for n in notes if isinstance(n, str)), "") or says
    extra = dict(next((n for n in notes if isinstance(n, dict)), {}))
    if not says:
        raise WorkloadError(f"{where}: every column must be described, but this one is not; write Annotated[type, 'sentence'].")
    kind, optional, choices, members = _kind(hint, where)
    limits = tuple(_limits(extra, notes, kind, where))
    _check_extra(extra, kind, where)
    allowed: dict[str, Any] = {"choices": choices, "members": members, "limits": limits}
    return Field(name=name, kind=kind, optional=optional, default=default, says=says, **allowed, **extra)


def inside(field: Field, value: Any) -> Any:
    """What the workload is given for a value of the param: the member of its Enum, where it has one."""
    return field.members(value) if field.members is not None and value is not None else value


def settled(field: Field, where: str) -> Field:
    """The param with its default cast to its own type, as a value written out is: 1 is 1.0 where a float is asked for."""
    return field if field.required else dataclasses.replace(field, default=field.cast(field.default, where))


def _kind(hint: Any, where: str) -> tuple[type, bool, tuple[Value, ...], type[enum.Enum] | None]:
    """Type of a column, whether it may be absent, its allowed values, and the Enum whose members have them."""
    arms = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else (hint,)
    kinds = [arm for arm in arms if arm is not type(None)]
    if len(kinds) != 1:
        raise _no_column(where, hint)
    (kind,), optional = kinds, len(arms) > 1
    if typing.get_origin(kind) is typing.Literal:
        literals = typing.get_args(kind)
        values = [value.value if isinstance(value, enum.Enum) else value for value in literals if value is not None]
        members = next((type(value) for value in literals if isinstance(value, enum.Enum)), None)
        return _common(values, where, hint), optional or None in literals, tuple(values), members
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        values = [member.value for member in kind]
        return _common(values, where, hint), optional, tuple(values), kind
    if kind not in KINDS:
        raise _no_column(where, hint)
    return kind, optional, (), None


def _common(values: list[Any], where: str, hint: Any) -> type:
    """The one type of allowed values; an int among floats is none of its own."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        return float
    if len(kinds) != 1 or not kinds <= set(KINDS):
        raise _no_column(where, hint)
    return kinds.pop()


def _no_column(where: str, hint: Any) -> WorkloadError:
    return WorkloadError(
        f"{where}: a column must be an int, float, bool or str, a Literal or Enum of one of them, or one of them | None, "
        f"but got {hint!r}."
    )


def _limits(extra: dict[str, Any], notes: list[Any], kind: type, where: str) -> Iterator[tuple[str, float]]:
    """The bounds among the notes, taken out of `extra`: by our words, or as `annotated_types` and pydantic say them."""
    all_notes = [inner for note in notes for inner in (note, *(getattr(note, "metadata", None) or ()))]
    for word, attribute in LIMITS.items():
        bounds_stated = [getattr(note, attribute) for note in all_notes if getattr(note, attribute, None) is not None]
        bounds = [*([extra.pop(word)] if word in extra else []), *(bound for bound in bounds_stated if not callable(bound))]
        for bound in bounds:
            if kind not in (int, float) or isinstance(bound, bool) or not isinstance(bound, (int, float)) or math.isnan(bound):
                raise WorkloadError(
                    f"{where}: '{word}' must be a number that bounds numbers, but got {bound!r} for a {kind.__name__}; drop it."
                )
            yield word, float(bound)


def _check_range(ends: Sequence[Any], kind: type, where: str) -> None:
    """A range is of numbers, a side without an end is None."""
    numbers = [end for end in ends if end is not None]
    plain = all(isinstance(end, (int, float)) and not isinstance(end, bool) and abs(end) < float("inf") for end in numbers)
    if kind not in (int, float) or len(ends) != 2 or not plain or numbers != sorted(set(numbers)) or not numbers:
        raise WorkloadError(
            f"{where}: 'range' must be [lowest, highest] of a column of numbers, None for a side without an end, "
            f"but got {ends!r} for {kind.__name__}; change it."
        )


def _check_extra(extra: Mapping[str, Any], kind: type, where: str) -> None:
    for key in extra:
        if key not in KEYS:
            keys = sorted({*KEYS, *LIMITS})
            raise WorkloadError(f"{where}: a column's notes may hold {keys}, but got '{key}'{nearest(key, keys)}")
        if not isinstance(extra[key], kinds := KEYS[key]):
            names = kinds.__name__ if isinstance(kinds, type) else " or ".join(each.__name__ for each in kinds)
            raise WorkloadError(f"{where}: '{key}' must be a {names}, but got {extra[key]!r}; change it.")
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
