"""Turns what a workload yields or returns for one point into rows: pairs of a step and a Result."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

Row = tuple[Any, Any]


def rows(answer: Any, result: type) -> Iterator[Row]:
    """(step, Result) for each row: of a generator, of a list of rows, or of one Result or dict that was returned.

    A row without a step has the step after the one before; what a generator returns at its end is its last row.
    """
    if type(answer) is GeneratorType:
        return _generated(answer, result)
    if isinstance(answer, (result, Mapping)):
        return iter(((0, _result(answer, result)),))
    if answer is None or isinstance(answer, str) or not isinstance(answer, Iterable):
        raise TypeError(
            f"run must yield rows, or return a Result or a dict of its values, but it returned {type(answer).__name__}; "
            "write 'return' before the result."
        )
    return _generated((row for row in answer), result)


def _generated(stream: Generator[Any, None, Any], result: type) -> Iterator[Row]:
    step: Any = -1
    try:
        while True:
            try:
                item = next(stream)
            except StopIteration as end:
                if end.value is not None:
                    yield _row(end.value, result, step)
                return
            row = _row(item, result, step)
            step = row[0]
            yield row
    finally:
        stream.close()


def _row(item: Any, result: type, before: Any) -> Row:
    if type(item) is tuple and len(item) == 2:
        return item[0], _result(item[1], result)
    return before + 1, _result(item, result)


def _result(value: Any, result: type) -> Any:
    """The Result whose fields a dict holds; anything else as it is, for its values to be read."""
    if not isinstance(value, Mapping):
        return value
    try:
        return result(**value)
    except TypeError as error:
        names = ", ".join(vars(result).get("__dataclass_fields__", ()))
        raise TypeError(f"a dict of results must hold {names}, but has {', '.join(map(str, value))}; {error}.") from None
