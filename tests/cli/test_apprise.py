"""How a run ended reaches a real web server and a real mail server through apprise."""

from __future__ import annotations

import email
import socket
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from orchestrator.cli import notify
from orchestrator.errors import SweepError
from tests.cli.test_notify import hook
from tests.cli.test_several import crash_with, fill_the_disk, folder, run

__all__ = ["folder", "hook"]
ENDS = {
    "well": ("halves: 3 of 3 points measured, 1 supported", "exit code 0"),
    "at an import error": ("nothing_of_that_name", "exit code 2"),
    "at a crash": ("an error of lawsweep itself, RuntimeError: boom", "exit code 4"),
    "at a full disk": ("No space left on device", "exit code 2"),
}


class Post:
    """Keeps every mail that it is given."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        self.mails.append(email.message_from_bytes(envelope.content))
        return "250 taken"


@pytest.fixture
def post() -> Iterator[tuple[str, Post]]:
    """The address of a mail server on this machine, and what it was sent."""
    kept = Post()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield f"mailto://127.0.0.1:{port}/?from=lawsweep@example.org&to=me@example.org&mode=insecure", kept
    controller.stop()


def end(how: str, folder: Path, patch: pytest.MonkeyPatch, url: str) -> None:
    """A run that ends that way, and tells it."""
    if how == "at an import error":
        (folder / "halves.py").write_text("import nothing_of_that_name\n")
    if how == "at a crash":
        crash_with(RuntimeError("boom"), patch)
    if how == "at a full disk":
        fill_the_disk(patch)
    run("halves.yaml", notify=url)


@pytest.mark.parametrize("how", ENDS)
def test_a_web_server_hears_how_it_ended(how: str, folder: Path, hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, taken = hook
    end(how, folder, monkeypatch, url.replace("http://", "json://"))
    ((_, kind, message),) = taken
    assert kind == "application/json" and message["title"] == "lawsweep"
    assert all(text in message["message"] for text in ENDS[how])


@pytest.mark.parametrize("how", ENDS)
def test_a_mail_says_how_it_ended(how: str, folder: Path, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, kept = post
    end(how, folder, monkeypatch, url)
    (mail,) = kept.mails
    parts = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_maintype() == "text"]
    text = " ".join(b" ".join(part for part in parts if isinstance(part, bytes)).decode().split())
    assert mail["To"] is not None and "me@example.org" in mail["To"] and "lawsweep" in mail["Subject"]
    assert all(word in text for word in ENDS[how]), text


def test_a_server_that_refuses_is_told(hook: Any) -> None:
    url = hook[0].replace("http://", "json://")
    with pytest.raises(SweepError, match="--notify: json must take a message, but did not"):
        notify.tell(f"{url}/closed", "done", {})
