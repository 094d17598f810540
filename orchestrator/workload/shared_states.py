"""Turns a key of plain values into a name, and a shared state into bytes and back, so that all who ask hold the same."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any

Key = Mapping[str, Any]
_IN_MEMORY: dict[str, bytes] = {}
"""Shared states by name, where a workload is run without a store."""


def name_of(key: Key) -> str:
    """The name of the state of a key: 32 hexadecimal digits, whatever the order in which the key is written.

    Raises ValueError for a key without a `version`, and for values that are no numbers, texts, lists or dicts of them.
    """
    if "version" not in key:
        raise ValueError(f"the key of a shared state must hold a version, but holds {', '.join(map(str, key))}; add one.")
    try:
        text = json.dumps(key, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the key of a shared state must hold plain values alone, but {error}; write numbers or texts."
        ) from error
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def packed(state: Any) -> bytes:
    """A state as bytes; ValueError where it holds more than tensors, numbers, texts, and dicts and lists of them."""
    try:
        data = as_bytes(state)
        unpacked(data)
    except (pickle.PicklingError, pickle.UnpicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"a shared state must be tensors, numbers, texts, and dicts and lists of them, but {str(error).splitlines()[0]}; "
            "leave out functions and objects."
        ) from error
    return data


def as_bytes(state: Any) -> bytes:
    """A state as bytes, whatever it holds."""
    import torch

    sink = io.BytesIO()
    torch.save(state, sink)
    return sink.getvalue()


def unpacked(data: bytes) -> Any:
    """The state of these bytes, on the CPU; a copy of its own each time."""
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def in_memory(key: Key, make: Callable[[], Any]) -> Any:
    """The state of a key where there is no store: made once a process."""
    name = name_of(key)
    if name not in _IN_MEMORY:
        _IN_MEMORY[name] = packed(make())
    return unpacked(_IN_MEMORY[name])
