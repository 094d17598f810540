"""Keys of a sweep file that say what a program is called with and gives."""

from __future__ import annotations

KEYS = ("command", "params", "results", "env", "cwd", "stdin", "code", "version", "measures")
