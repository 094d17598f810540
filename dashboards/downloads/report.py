"""The report of a sweep as `lawsweep report` wrote it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse

from dashboards.data.cache import Cache
from dashboards.web.door import SANDBOX
from orchestrator.errors import StoreError

PATH = "/sweep/{name:str}/report"


def answer(cache: Cache, request: Request) -> HTMLResponse:
    """The report at the size of the address, else the latest; it reaches nothing from where it is shown."""
    name, size = request.path_params["name"], request.query_params.get("size", "")
    folder = f"{name}.{size}" if size else name
    path = cache.store.path / "reports" / folder / "report.html"
    if "/" in folder or folder.startswith(".") or not path.exists():
        raise StoreError(
            f"sweep '{name}': the store must hold its report, but has none; write it with 'lawsweep report {name}'."
        )
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": SANDBOX})
