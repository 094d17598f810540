"""The guide to adding a kind of claim is done as it says: two files and a test, in a copy of the engine, and nothing edited."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "adding-a-claim-kind.md"
FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.S | re.M)
NEEDED = ("orchestrator", "tests/helpers", "tests/contract/test_claim_kinds.py", "pyproject.toml")
FILES = {
    "orchestrator/spec/claim_kinds/invariant.py",
    "orchestrator/claims/kinds/invariant.py",
    "tests/claims/test_invariant.py",
}


def copied(folder: Path) -> None:
    """A copy of what the guide's commands need."""
    for name in NEEDED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)


@pytest.mark.slow
def test_a_kind_of_claim_is_two_files_and_a_test(tmp_path: Path) -> None:
    copied(tmp_path)
    blocks = dict(FILE.findall(GUIDE.read_text()))
    assert blocks.keys() == FILES and not any((tmp_path / name).exists() for name in FILES)
    for name, body in blocks.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(body)
    (command,) = re.findall(r"^\$ python (.+)$", GUIDE.read_text(), re.M)
    argv = [sys.executable, *command.split(), "-p", "no:cacheprovider", "-k", "invariant or folders"]
    path = {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(argv, cwd=tmp_path, env=os.environ | path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1[0-9] passed", done.stdout, re.M), done.stdout
