"""Turns the library that draws figures into the script that draws them in a browser: all of it, from this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

PROGRAM = "import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle('window.vegaEmbed=vegaEmbed;'))"


@lru_cache(maxsize=1)
def script() -> bytes:
    """Vega-Lite with all it needs as one script; made once for each version of vl-convert and kept in the user's cache.

    It is made by another process: it takes seconds, in which the library lets no other thread go on.
    """
    path = _folder() / f"vega-{version('vl-convert-python')}.js"
    with contextlib.suppress(OSError):
        return path.read_bytes()
    program = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True).stdout
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(program)
        beside.replace(path)
    return program


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lawsweep"
