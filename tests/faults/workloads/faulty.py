"""A number halved, except at one point, which goes wrong in the way that its param names.

Source: none; the fault tests drive it, one point at a time.
Symbols: i = the point, at = the point that goes wrong, fault = how it does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
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
    label: Annotated[str, "the number in words"] = "number"


@dataclass(frozen=True)
class Other:
    """A result of another workload."""

    third: float = 0.0


def _raise() -> Any:
    raise ValueError("this point cannot be measured")


def _exit_call() -> Any:
    raise SystemExit("a workload must not leave")


def _memory() -> Any:
    return bytearray(1 << 60)


def _tensor() -> Any:
    import torch

    return torch.empty(1 << 58)


def _kill() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _hold_lock() -> Any:
    # PyDLL, other than CDLL, keeps the interpreter lock while the C function runs.
    ctypes.PyDLL(None).sleep(3600)


FAULTS = {
    "raise": _raise,
    "system_exit": _exit_call,
    "wrong_type": lambda: Result(half="not a number"),  # type: ignore[arg-type]
    "wrong_result": lambda: Other(),
    "no_result": lambda: None,
    "nan": lambda: Result(half=float("nan")),
    "inf": lambda: Result(half=float("inf")),
    "memory": _memory,
    "tensor": _tensor,
    "kill": _kill,
    "exit": lambda: os._exit(3),
    "sleep": lambda: time.sleep(3600),
    "hold_lock": _hold_lock,
}


def run(params: Params, ctx: Any) -> Iterator[tuple[int, Any]]:
    """One row, or the fault; fault `no_row` ends without a row and `second_row` fails after a first one."""
    if params.i != params.at or params.fault == "none":
        yield 0, Result(half=params.i / 2)
    elif params.fault == "second_row":
        yield 0, Result(half=params.i / 2)
        _raise()
    elif params.fault != "no_row":
        yield 0, FAULTS[params.fault]()
