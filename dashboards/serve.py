"""Serves the application on a port until it is told to end."""

from __future__ import annotations

import dataclasses
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from dashboards.web.door import SHORTEST, loopback, names
from orchestrator.errors import QueryError
from orchestrator.results.query import Results


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the pages are served: host, port, the token that requests need (none on loopback), and names it goes by too."""

    host: str
    port: int
    token: str
    hosts: frozenset[str]

    @property
    def url(self) -> str:
        """The address to open."""
        name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)
        host = f"[{name}]" if ":" in name else name
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def endpoint(host: str, port: int, token: str | None, known_as: tuple[str, ...] = ()) -> Endpoint:
    """Where to serve; a host that other machines reach demands a token, and gets a random one where none is given.

    Raises QueryError for a token that could be guessed.
    """
    if token is not None and len(token) < SHORTEST:
        raise QueryError(
            f"--token: it must have at least {SHORTEST} characters, but has {len(token)}; leave it out for a new one."
        )
    secret = token or ("" if loopback(host) else secrets.token_urlsafe(24))
    return Endpoint(host=host, port=port, token=secret, hosts=names(host) | {name.lower() for name in known_as})


def serve(results: Results, where: Endpoint, mlflow: str, say: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM, the address said first, and raise KeyboardInterrupt; QueryError: the port is taken."""
    import uvicorn

    from dashboards.app import build

    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((where.host, where.port))
        except OSError as error:
            raise QueryError(
                f"--host {where.host} --port {where.port}: they must be free and this machine's, but {error.strerror}; "
                "name others."
            ) from error
        listening.listen()
        app = build(results, where.token, where.hosts, mlflow)
        # The log of requests would hold the token of the first one.
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2)
        config.load()  # so that whoever opens the address at once waits for nothing but the page
        say(dataclasses.replace(where, port=listening.getsockname()[1]).url)
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
        if server.started:
            raise KeyboardInterrupt  # only a signal ends it, but asyncio may swallow it at its very end
