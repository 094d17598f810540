"""Collects how the sweeps of one command ended: prints each, works out the exit code, and tells whoever is to be notified."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from orchestrator import answers
from orchestrator.cli import crash, notify
from orchestrator.errors import SweepError

if TYPE_CHECKING:
    from orchestrator.sweep import Result


class Outcomes:
    """The results of a command's sweeps and the errors of those that failed."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options, self._url = options, options["notify"]
        self._results: list[Result] = []
        self._errors: list[tuple[str, str, int]] = []
        if self._url:
            from orchestrator.driver.signals import FAREWELLS

            notify.check(self._url)
            FAREWELLS.append(self._farewell)

    @property
    def exit_code(self) -> int:
        """The greatest of all: a sweep that failed is not hidden by one that did not."""
        codes = [result.exit_code(self._options["strict"]) for result in self._results]
        return max([*codes, *(code for _, _, code in self._errors)], default=0)

    def add(self, result: Result) -> None:
        """A sweep came to its end."""
        from orchestrator.cli import show

        self._results.append(result)
        if self._options["as_json"]:
            answers.say(answers.json_text(result.as_json()))
        elif not self._options["quiet"]:
            show.result(result)

    def failed(self, sweep: str, error: BaseException) -> None:
        """A sweep failed; the others go on."""
        text, code = _sentence(error)
        self._errors.append((sweep, text, code))
        if self._options["as_json"]:
            answers.say(answers.json_text({"sweep": sweep, "error": text, "exit_code": code}))
        click.echo(f"lawsweep: {sweep} failed, the other sweeps go on: {text}", err=True)

    def __enter__(self) -> Outcomes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """The command ends, in order or by an error, which goes on from here."""
        if error is None:
            self.tell()
        elif not isinstance(error, SystemExit | GeneratorExit):
            self._farewell(*_sentence(error))

    def _farewell(self, text: str, code: int) -> None:
        self._errors.append(("the run", text, code))
        self.tell()

    def tell(self) -> None:
        """Notify whoever is to be; that nobody takes it is told, and changes nothing."""
        if not self._url:
            return
        errors = [{"sweep": sweep, "error": text, "exit_code": code} for sweep, text, code in self._errors]
        message = {"results": [result.as_json() for result in self._results], "failed": errors}
        url, self._url = self._url, None  # once
        try:
            notify.tell(url, self._text(), message)
        except SweepError as error:
            click.echo(f"lawsweep: {error}", err=True)
            if not self._errors:
                self._errors.append(("--notify", str(error), error.exit_code))

    def _text(self) -> str:
        """A line for each sweep, and how the command leaves."""
        lines = [_line(result) for result in self._results]
        lines += [f"{sweep} failed: {text}" for sweep, text, _ in self._errors]
        return "\n".join([*lines, f"exit code {self.exit_code}"])


def _sentence(error: BaseException) -> tuple[str, int]:
    """What to say of an error, and how it leaves."""
    if isinstance(error, SweepError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted", 130
    with contextlib.suppress(Exception):
        return crash.sentence(error)
    return type(error).__name__, crash.CODE


def _line(result: Result) -> str:
    """What became of a sweep, in a line."""
    summary, words = result.summary, [verdict["verdict"] for verdict in result.verdicts]
    tally = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    lost = ", ".join(f"{number} {status}" for status, number in summary.failures.items())
    parts = [f"{summary.measured:,} of {summary.points:,} points measured", *([f"failed: {lost}"] if lost else [])]
    parts += [f"{summary.missing:,} missing ({summary.why})"] if summary.missing else []
    return f"{summary.sweep}: {', '.join([*parts, *([tally] if tally else [])])}"
