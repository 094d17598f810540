"""Turns an error into the text that its row keeps: short, printable, and ending in the user's own line."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from orchestrator import shipped

LONGEST = 16_000  # characters of a text that a row keeps, half of them from each end
FRAMES = 8  # of the user's code, those nearest to the error
LINKS = 3  # errors of a chain: one raised while another was handled
ENGINE = str(shipped.ROOT / "orchestrator") + "/"
LIBRARIES = tuple({str(Path(path)) + "/" for path in sysconfig.get_paths().values()})
OURS = tuple(str(shipped.folder(name)) + "/" for name in shipped.PACKAGES)
# Control characters but tab and newline: in a terminal they would move the cursor, in a page they are no text.
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"}
Place = tuple[FrameType, int]


def printable(text: str) -> str:
    """The text without control characters and surrogates, the middle left out where it is long."""
    cleaned = text.replace("\r\n", "\n").encode("utf-8", "backslashreplace").decode().translate(CONTROLS)
    if len(cleaned) <= LONGEST:
        return cleaned
    half = LONGEST // 2
    return f"{cleaned[:half]}\n… {len(cleaned) - LONGEST:,} characters are left out here …\n{cleaned[-half:]}"


def of_value(value: object) -> str:
    """How a value shows itself, where it can; texts of any length come out short."""
    return printable(traceback._safe_string(value, "value", repr))[:500]  # type: ignore[attr-defined]


def of_error(error: BaseException) -> str:
    """The error with the lines of the user's code that lead to it, after those it was raised from."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < LINKS and all(link is not other for other in chain):
        chain.append(link)
        hidden = BaseException.__suppress_context__.__get__(link)  # type: ignore[attr-defined]
        link = link.__cause__ or (None if hidden else link.__context__)
    return printable("\n\nand then:\n\n".join(_alone(link) for link in reversed(chain))).strip()


def _alone(error: BaseException) -> str:
    places = list(traceback.walk_tb(error.__traceback__))
    user_frames = _users(places)
    lines = traceback.StackSummary.extract(iter(user_frames[-FRAMES:])).format() if user_frames else []
    head = ["Traceback (most recent call last):\n"] if lines else []
    return "".join([*head, *lines, *traceback.format_exception_only(type(error), error)]).strip()


def _users(places: Sequence[Place]) -> Sequence[Place]:
    """From the first to the last line of the user's code; where none of it is the user's, what is not ours."""
    mine = [at for at, (frame, _) in enumerate(places) if _is_users(frame.f_code.co_filename)]
    if mine:
        return places[mine[0] : mine[-1] + 1]
    return [walked for walked in places if not walked[0].f_code.co_filename.startswith(ENGINE)]


def _is_users(file: str) -> bool:
    """Whether code of that file is neither the engine's nor a library's, nor made on the way."""
    return file.startswith(OURS) or not file.startswith(("<", ENGINE, *LIBRARIES))
