"""Numbers halved many at once, except that a pack which holds one of them goes wrong in the way its param names.

Source: none; the fault tests drive it.
Symbols: i = the point, at = the point that goes wrong, fault = how it does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """Which point this is, and which one fails how."""

    i: Annotated[int, "number of the point"] = 0
    at: Annotated[int, "the point that goes wrong"] = 3
    fault: Annotated[str, "what goes wrong: a name in FAULTS, or none", {"shape": True}] = "none"


@dataclass(frozen=True)
class Result:
    """What a healthy point gives."""

    half: Annotated[float, "half of the number", {"finite": True}]


def _columns(params: Sequence[Params]) -> dict[str, Any]:
    return {"index": list(range(len(params))), "step": [0] * len(params), "half": [p.i / 2 for p in params]}


def _place(params: Sequence[Params]) -> int:
    return next(k for k, p in enumerate(params) if p.i == p.at)


def _raise(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
    raise ValueError("this pack cannot be measured")
    yield {}


def _raise_late(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
    yield _columns(params[: _place(params)])
    raise ValueError("this pack cannot be finished")


def _skip(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
    columns, place = _columns(params), _place(params)
    yield {name: values[:place] + values[place + 1 :] for name, values in columns.items()}


def _set(name: str, value: Any) -> Callable[[Sequence[Params]], Iterator[dict[str, Any]]]:
    def fault(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
        columns = _columns(params)
        columns[name][_place(params)] = value
        yield columns

    return fault


def _rename(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
    columns = _columns(params)
    columns["third"] = columns.pop("half")
    yield columns


def _short(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
    yield {**_columns(params), "half": []}


def _call(function: Callable[[], Any]) -> Callable[[Sequence[Params]], Iterator[dict[str, Any]]]:
    def fault(params: Sequence[Params]) -> Iterator[dict[str, Any]]:
        function()
        yield _columns(params)

    return fault


FAULTS = {
    "raise": _raise,
    "raise_late": _raise_late,
    "no_row": _skip,
    "wrong_type": _set("half", "not a number"),
    "wrong_index": _set("index", 10_000),
    "nan": _set("half", float("nan")),
    "wrong_result": _rename,
    "wrong_length": _short,
    "memory": _call(lambda: bytearray(1 << 60)),
    "kill": _call(lambda: os.kill(os.getpid(), signal.SIGKILL)),
    "exit": _call(lambda: os._exit(3)),
    "sleep": _call(lambda: time.sleep(3600)),
    # PyDLL, other than CDLL, keeps the interpreter lock while the C function runs.
    "hold_lock": _call(lambda: ctypes.PyDLL(None).sleep(3600)),
}


def run_pack(params: Sequence[Params], ctxs: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """One row a point, or the fault of a pack that holds the point `at`."""
    faults = [p.fault for p in params if p.i == p.at and p.fault != "none"]
    yield from FAULTS[faults[0]](params) if faults else (_columns(params),)
