"""One name for all that stands in the files of a workload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def code_hash(contents: Mapping[str, bytes], ours: str = "") -> str:
    """The name: another one as soon as a byte of a file, or `ours`, is another."""
    hashed = hashlib.blake2b(ours.encode(), digest_size=12)
    for spot, content in sorted(contents.items()):
        hashed.update(f"\n{spot}\n".encode() + hashlib.blake2b(content).digest())
    return hashed.hexdigest()
