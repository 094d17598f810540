"""Turns an error that nobody foresaw into a sentence, an exit code and a file with the rest."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path

CODE = 4
"""How a command leaves where lawsweep itself is wrong; 1 means refuted, 2 the user's mistake."""


def told(error: BaseException) -> tuple[str, int]:
    """What to say of an error, and how to leave: 2 for a file that cannot be read or written, else CODE."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}; mend the path, or name another. More: {_kept(error)}", 2
    what = plain(str(error)) or "no message"
    return (
        f"an error of lawsweep itself, {type(error).__name__}: {what}; rows that were recorded are kept. "
        f"Please report it with the file {_kept(error)}"
    ), CODE


def plain(text: str, most: int = 300) -> str:
    """The text on one line, without what could redraw a terminal, and not longer than a few lines."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[:most]} …"


def _kept(error: BaseException) -> str:
    """The name of the file that now holds the traceback; where none can be written, that is said in its place."""
    trace = "".join(traceback.format_exception(error))
    about = f"lawsweep {version('lawsweep')}, Python {platform.python_version()}, {platform.platform()}"
    text = f"{about}\n{' '.join(sys.argv)}\n\n{trace}"
    name = f"lawsweep-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (tempfile.gettempdir, os.getcwd):
        try:
            path = Path(folder()) / name
            path.write_text(text, errors="backslashreplace")
        except OSError:
            continue
        return str(path)
    return "that could not be written, as no folder takes it"
