"""Finds the token that guards Ray clusters, and has Ray send it; Ray itself looks for it only where it starts a cluster."""

from __future__ import annotations

import contextlib
import importlib
import os
import stat
from pathlib import Path
from typing import Any

from ray.exceptions import RayError

from orchestrator.driver.progress import say

MODE, TOKEN, FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def where() -> str:
    """Where this machine's token stands, as Ray looks for it; nothing where there is none."""
    if os.environ.get(TOKEN):
        return TOKEN
    path = Path(os.environ.get(FILE) or Path.home() / ".ray" / "auth_token")
    with contextlib.suppress(OSError):
        if path.read_text().strip():
            return str(path)
    return ""


def joined(address: str) -> str:
    """Where the token stands that is sent to the cluster; nothing where there is none, or the user has set another mode.

    'ray start' asks for a token as soon as this machine has one, and a driver sends it in that mode alone.
    """
    token = where()
    if os.environ.get(MODE, "token").lower() != "token" or not token:
        return ""
    if MODE not in os.environ:
        if _open(address):
            return ""
        os.environ[MODE] = "token"
        _told_to_ray()
    say("auto", f"joining the Ray cluster at {address} with the token of {token} ({MODE}=token)")
    return token


def _open(address: str) -> bool:
    """Whether the cluster answers without a token: its servers, which have none, could not call back one that asks for it."""
    raylet: Any = importlib.import_module("ray._raylet")  # which has no types
    services: Any = importlib.import_module("ray._private.services")
    try:
        raylet.GcsClient(address=services.canonicalize_bootstrap_address(address))
    except (RayError, RuntimeError, OSError, ValueError):  # without an answer the token is sent, and Ray says what is wrong
        return False
    return True


def _told_to_ray() -> None:
    """Let Ray, which read its settings when it was imported, read them again."""
    raylet: Any = importlib.import_module("ray._raylet")  # which has no types
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def advice(token: str) -> str:
    """What may be wrong with the token where a cluster does not answer."""
    if token:
        return f"A cluster with another token does not answer either: its nodes and this machine must share {token}."
    mode = f"; {MODE} must not be '{os.environ[MODE]}' then" if os.environ.get(MODE) else ""
    return (
        f"A cluster that asks for a token does not answer either: copy its ~/.ray/auth_token here, or name it in {FILE}{mode}."
    )


def shut() -> None:
    """Let nobody else read the token that a Ray of this machine has written."""
    path = Path.home() / ".ray" / "auth_token"
    with contextlib.suppress(OSError):
        if path.stat().st_uid == os.getuid() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
