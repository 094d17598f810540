"""Posts one JSON message to a URL."""

from __future__ import annotations

import http.client
import json
import urllib.request
from typing import Any

from orchestrator.errors import SweepError


def post(url: str, message: dict[str, Any]) -> None:
    """Send the message; SweepError where the URL is not http(s) or does not take it."""
    if not url.startswith(("http://", "https://")):
        raise SweepError(f"--notify: the URL must begin with http:// or https://, but got {url!r}; name a web hook.")
    try:
        request = urllib.request.Request(url, json.dumps(message).encode(), {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=10):
            return
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SweepError(f"--notify: {url} must take a POST of JSON, but {error}; the run itself is complete.") from error
