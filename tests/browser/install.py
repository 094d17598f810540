"""Sees to it that there is a Chromium for the tests of the pages: `make browser` runs this before any test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
ADVICE = "as root: apt-get install -y chromium; or: .venv/bin/python -m playwright install --with-deps chromium"


def executable() -> str | None:
    """The path of a Chromium that starts, of the system or downloaded by Playwright; None where there is none."""
    return next((path for path in _candidates() if _starts(path)), None)


def install() -> str | None:
    """The path of a Chromium, installed where there was none: Debian's package for root, else Playwright's own download."""
    path = executable()
    for name, commands in _ways():
        if path is not None:
            break
        print(f"There is no Chromium for the tests of the pages; installing {name} ...", flush=True)
        if all(_ran(command) for command in commands):
            path = executable()
    return path


def _candidates() -> list[str]:
    paths = [path for name in NAMES if (path := shutil.which(name))]
    return paths or [path for path in [_downloaded()] if path is not None]


def _downloaded() -> str | None:
    """Where Playwright's own Chromium lies, if it was downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = driver.chromium.executable_path
    return path if Path(path).is_file() else None


def _starts(path: str) -> bool:
    """Whether it is a browser: some systems have a script in its place, a download may lack libraries."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _ways() -> list[tuple[str, list[Sequence[str]]]]:
    """Ways to a Chromium on this machine, each with its commands, in the order in which they are tried."""
    download = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    ways: list[tuple[str, list[Sequence[str]]]] = [("Playwright's download", [download])]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        package = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        ways.insert(0, ("Debian's packages " + " and ".join(PACKAGES), [["apt-get", "update", "-qq"], package]))
    return ways


def _ran(command: Sequence[str]) -> bool:
    """Whether the command came to a good end; else what it says of its error is printed."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ended = subprocess.run(command, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if ended.returncode != 0:
        errors = [line.strip() for line in ended.stdout.splitlines() if line.startswith(("E:", "Error:"))]
        print(f"  it failed: {errors[0] if errors else f'exit status {ended.returncode}'}", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    if install() is None:
        sys.exit(f"The tests of the pages need a Chromium, and none could be installed. This helps, {ADVICE}")
