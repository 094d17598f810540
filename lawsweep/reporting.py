"""What a script calls to give its results to the sweep that runs it; without a sweep they are printed."""

from __future__ import annotations

import json
import os
from typing import Any


def report(step: int | None = None, **results: Any) -> None:
    """Give a row of results, as numbers and texts by name: to the sweep that runs the script, else to standard output.

    A NumPy scalar or a tensor of one number is that number. Raises TypeError for what is no number and no text.
    """
    row = {name: value.item() if hasattr(value, "item") else value for name, value in results.items()}
    line = json.dumps(row if step is None else {"step": int(step), **row})
    path = os.environ.get("LAWSWEEP_RESULTS")
    if path is None:
        print(line, flush=True)
        return
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
