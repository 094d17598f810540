"""One JSON message to a URL, and what is said where nobody takes it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from orchestrator.cli.notify import post
from orchestrator.errors import SweepError


class Hook(BaseHTTPRequestHandler):
    """Takes messages, but refuses those posted to /closed."""

    taken: list[tuple[str, str, Any]]

    def do_POST(self) -> None:
        """Keep path, type and message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(403 if self.path == "/closed" else 204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """The URL of a web hook on this machine, and what it was sent."""
    Hook.taken = []
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Hook.taken
        server.shutdown()
        thread.join()


@pytest.fixture
def mumbling() -> Iterator[str]:
    """The URL of a server that does not speak HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(b"what?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_message_is_posted_as_json(hook: tuple[str, list[tuple[str, str, Any]]]) -> None:
    url, taken = hook
    post(f"{url}/here", {"results": [{"points": 3}]})
    assert taken == [("/here", "application/json", {"results": [{"points": 3}]})]


def test_a_hook_that_refuses_is_told(hook: tuple[str, list[tuple[str, str, Any]]]) -> None:
    with pytest.raises(SweepError, match=r"/closed must take a POST of JSON, but HTTP Error 403: Forbidden; the run itself is"):
        post(f"{hook[0]}/closed", {})


def test_a_server_that_speaks_no_http_is_told(mumbling: str) -> None:
    with pytest.raises(SweepError, match=r"must take a POST of JSON, but what\?"):
        post(mumbling, {})


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SweepError, match="Connection refused"):
        post(f"http://127.0.0.1:{port}", {})


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://localhost:port/", "http://a b/"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(SweepError, match=r"--notify: .* must take a POST of JSON, but "):
        post(url, {})


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org", "example.org", ""])
def test_only_http_is_a_web_hook(url: str) -> None:
    with pytest.raises(SweepError, match=r"--notify: the URL must begin with http:// or https://, but got .*; name a web hook"):
        post(url, {})
