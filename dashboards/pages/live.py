"""How far a sweep is: the part of its page that is asked for again and again while it runs."""

from __future__ import annotations

from starlette.requests import Request

from dashboards.blocks.sweep_card import card
from dashboards.blocks.view import View
from dashboards.data.cache import Cache

PATH = "/sweep/{name:str}/live"


def view(cache: Cache, request: Request) -> View:
    """The standing of one sweep at the size of the address."""
    return {"sweep": card(cache.sweep(request.path_params["name"], request.query_params.get("size")))}
