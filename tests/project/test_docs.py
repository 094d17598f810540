"""What the README and the guides say is done: commands run, links lead somewhere, the guide is typed from top to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
GUIDE = ROOT / "docs" / "adding-a-workload.md"
EXECUTOR_PAGE = ROOT / "docs" / "adding-an-executor.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
FILE = re.compile(r"# (\S+\.(?:py|yaml))(, continued)?\n")
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
HEAVY = ("ray", "mlflow", "polars", "duckdb", "scipy", "sklearn")
# What a test run has not: a server that stays, a cluster.
LONG = re.compile(r"lawsweep ui|--address|ray start|--tracking-uri")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in that language."""
    return [body for name, body in BLOCK.findall(page.read_text()) if name == language]


def commands(page: Path) -> list[str]:
    """What follows a `$` in the page's console blocks, `make` left out, for that is what runs these tests."""
    lines = (line for body in blocks(page, "console") for line in body.splitlines())
    typed = (line.removeprefix("$ ").split("  #")[0].strip() for line in lines if line.startswith("$ "))
    return [line for line in typed if not line.startswith("make ")]


def is_long(command: str) -> bool:
    """Whether a command is only read by the command line, not run."""
    return LONG.search(command) is not None


def environment(folder: Path) -> dict[str, str]:
    """The environment of a terminal in which the project is installed."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    settings = {"PATH": path, "PYTHONPATH": str(folder), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in os.environ.items() if name != "LAWSWEEP_STORE"} | settings


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What comes of a command typed in that folder."""
    argv = ["bash", "-ec", command]
    return subprocess.run(argv, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=240)


def links(page: Path) -> Iterator[str]:
    """Relative links and images of a page."""
    for groups in LINK.findall(page.read_text()):
        link = "".join(groups)
        if not link.startswith(("http://", "https://", "mailto:")):
            yield link


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors(target), f"{link}: no heading of that name"


def test_every_decision_has_its_four_parts() -> None:
    parts = ("**Problem.**", "**Decision.**", "**Price.**", "**Guarded by**")
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [note.name for note in notes if any(part not in note.read_text() for part in parts)] == []


def test_every_test_that_a_page_names_is_there() -> None:
    known = {name for path in (ROOT / "tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", page.read_text())}
    assert named - known == set()


def test_every_module_that_the_architecture_names_is_there() -> None:
    named = set(re.findall(r"`((?:orchestrator|workloads)/[\w/.]+)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_architecture_is_short_and_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.parent.name for path in (ROOT / "orchestrator").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()
    assert text.count("\n") <= 150


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert {name for name in names if f"| {name} |" not in (ROOT / "README.md").read_text()} == set()


def test_a_sentence_of_the_changelog_has_at_most_25_words() -> None:
    entries = re.findall(r"^- (.+(?:\n  .+)*)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert entries and [entry for entry in entries if len(entry.split()) > 25] == []


def test_every_command_has_its_row_in_the_readme() -> None:
    from orchestrator.cli import COMMANDS

    text = (ROOT / "README.md").read_text()
    assert {name for name in COMMANDS if f"`{name}" not in text} == set()


@pytest.mark.parametrize("command", [c for page in PAGES for c in commands(page) if c.startswith("lawsweep ")])
def test_the_command_line_takes_a_command(command: str) -> None:
    from orchestrator.cli import cli

    name, *arguments = shlex.split(command)[1:]
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, f"there is no command '{name}'"
    found.make_context(name, arguments)


def written(folder: Path, body: str) -> bool:
    """Whether the block is a file, which is then written into the folder, or carried on there."""
    head = FILE.match(body)
    if head is None:
        return False
    with (folder / head[1]).open("a" if head[2] else "w") as file:
        file.write(body)
    return True


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has typed the whole guide, each command right where it stands."""
    folder = tmp_path_factory.mktemp("guide")
    for language, body in BLOCK.findall(GUIDE.read_text()):
        if language in ("python", "yaml"):
            assert written(folder, body), f"a block of the guide has no file name: {body[:60]}"
        for line in body.splitlines() if language == "console" else ():
            done = typed(line.removeprefix("$ "), folder)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return folder


@pytest.mark.slow
def test_the_guide_can_be_typed_from_its_top_to_its_end(guide: Path) -> None:
    assert {path.name for path in guide.iterdir()} >= {
        "birthday.py",
        "birthday.yaml",
        "test_birthday.py",
        "notebook.py",
        "results",
    }


@pytest.mark.slow
def test_the_guides_claims_end_as_it_says(guide: Path) -> None:
    text = (guide / "birthday.yaml").read_text()
    expected = dict(re.findall(r"id: (\w+) +# expected: (\w+)", text)) | {"pigeonhole": "supported"}
    done = typed('lawsweep query "select id, verdict from claims" --format json', guide)
    assert {row["id"]: row["verdict"] for row in json.loads(done.stdout)} == expected


@pytest.mark.slow
def test_the_guides_inline_run_imports_nothing_heavy(guide: Path) -> None:
    run = "from orchestrator.sweep import run; run('birthday.yaml', size='smoke', store='again', inline=True, progress='quiet')"
    done = typed(f'python -c "import sys; {run}; print(*[n for n in {HEAVY!r} if n in sys.modules])"', guide)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_the_page_on_executors_shows_the_one_that_is_tested() -> None:
    shown, used = blocks(EXECUTOR_PAGE, "python")
    assert shown == "# process_pool.py\n" + (ROOT / "tests" / "helpers" / "process_pool.py").read_text()
    assert used.startswith("# pooled.py\n")


@pytest.mark.slow
def test_the_page_on_executors_can_be_typed(tmp_path: Path) -> None:
    for body in blocks(EXECUTOR_PAGE, "python"):
        assert written(tmp_path, body)
    for command in commands(EXECUTOR_PAGE):
        done = typed(command, tmp_path)
        assert (done.returncode, done.stdout.split(", ")[-1].strip()) == (0, "0 missing"), done.stderr


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has typed the README's first sweep, in this process's stead of a cluster."""
    folder = tmp_path_factory.mktemp("readme")
    for sweep in ("khm_recall", "khm_capacity"):
        done = typed(f"lawsweep run {sweep} --size smoke --inline --quiet", folder)
        assert done.returncode == 0, done.stderr
    for body in (body for language in ("python", "yaml") for body in blocks(ROOT / "README.md", language)):
        written(folder, body)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in dict.fromkeys(commands(ROOT / "README.md")) if not is_long(c)])
def test_a_command_of_the_readme_does_its_work(command: str, readme: Path) -> None:
    done = typed(command.replace("lawsweep run ", "lawsweep run --inline "), readme)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_the_readmes_python_does_its_work(readme: Path) -> None:
    for body in blocks(ROOT / "README.md", "python"):
        done = typed(f"python - <<'END'\n{body}\nEND", readme)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_queries_of_the_log_run(readme: Path) -> None:
    for command in [c for c in commands(ROOT / "docs" / "LOG.md") if "khm_capacity" in c and not is_long(c)]:
        done = typed(command.replace("lawsweep run ", "lawsweep run --inline "), readme)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
