"""The list of all sweeps, the latest change first."""

from __future__ import annotations

from starlette.requests import Request

from dashboards.blocks.sweep_card import card
from dashboards.blocks.view import View
from dashboards.data.cache import Cache

PATH = "/"
TAB = "Sweeps"


def view(cache: Cache, request: Request) -> View:
    """All sweeps that a text, a state and a verdict of the address leave, the latest change first."""
    text, state, verdict = (request.query_params.get(name, "") for name in ("text", "state", "verdict"))
    cards = [card(sweep) for sweep in cache.sweeps()]
    fitting = [
        c
        for c in cards
        if text.lower() in f"{c['name']} {c['question']} {c['workload']} {c['source']}".lower()
        and state in ("", c["state"])
        and (not verdict or verdict in dict(c["tally"]))
    ]
    live = any(c["state"] == "running" or not c["counted"] for c in cards)
    return {"sweeps": fitting, "all": len(cards), "text": text, "state": state, "verdict": verdict, "live": live}
