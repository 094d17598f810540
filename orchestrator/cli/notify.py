"""Tells somebody elsewhere how a command ended: a web hook, or Slack, Discord, mail and ntfy through apprise."""

from __future__ import annotations

import http.client
import importlib
import json
import urllib.request
from typing import Any

from orchestrator.errors import SweepError

TEXTS = {"hooks.slack.com": "text", "discord.com": "content", "discordapp.com": "content"}
"""Hosts whose web hooks take a text under one name, and refuse anything else."""
EXTRA = "pip install 'lawsweep[notify]'"


def check(url: str) -> None:
    """Refuse before the first trial what could not be told at the end; SweepError says why."""
    if _service(url) is None and not url.startswith(("http://", "https://")):
        raise SweepError(
            f"--notify: the URL must begin with http:// or https://, but got {url!r}; name a web hook, or with {EXTRA} an "
            "address of apprise, such as slack://…, discord://…, mailto://… or ntfy://…"
        )


def tell(url: str, text: str, message: dict[str, Any]) -> None:
    """Send the text where somebody reads it, or the whole message where a program does; SweepError where nobody takes it."""
    check(url)
    service = _service(url)
    if service is None:
        host = url.split("/")[2] if url.count("/") > 2 else ""
        post(url, {TEXTS[host]: text} if host in TEXTS else {"text": text, **message})
    elif not service.notify(body=text, title="lawsweep"):
        raise SweepError(f"--notify: {url.split(':')[0]} must take a message, but did not; see its address, and try it alone.")


def _service(url: str) -> Any:
    """What apprise knows behind the address; None where it knows nothing, or is not installed."""
    try:
        apprise: Any = importlib.import_module("apprise")  # an extra, which not everybody has
    except ImportError:
        return None
    return apprise.Apprise.instantiate(url, suppress_exceptions=True)


def post(url: str, message: dict[str, Any]) -> None:
    """Send the message as JSON; SweepError where the URL is not http(s) or does not take it."""
    if not url.startswith(("http://", "https://")):
        raise SweepError(f"--notify: the URL must begin with http:// or https://, but got {url!r}; name a web hook.")
    try:
        request = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=10):
            return
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SweepError(f"--notify: {url} must take a POST of JSON, but {error}; the run itself is complete.") from error
