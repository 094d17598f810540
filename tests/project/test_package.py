"""What is shipped: the wheel's contents, the pinned set, and the command in an environment of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {"jinja2": "jinja2", "pyyaml": "yaml", "scikit-learn": "sklearn", "vl-convert-python": "vl_convert"}


def name(requirement: str) -> str:
    """The normalised name of a requirement."""
    found = re.match(r"[A-Za-z0-9_.\-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def pins() -> list[str]:
    """The lines of the constraints file that pin something."""
    return [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]


def imported() -> Iterator[str]:
    """Top names of all packages that our code imports."""
    for path in [
        p for folder in ("lawsweep", "orchestrator", "workloads", "dashboards") for p in (ROOT / folder).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_every_dependency_is_imported() -> None:
    given = {name(requirement) for requirement in PROJECT["dependencies"]}
    assert {MODULES.get(one, one.replace("-", "_")) for one in given} - set(imported()) == set()


def test_everything_imported_is_a_dependency() -> None:
    given = {name(requirement) for requirement in PROJECT["dependencies"]}
    known = {MODULES.get(one, one.replace("-", "_")) for one in given} | set(sys.stdlib_module_names)
    ours = {"lawsweep", "orchestrator", "workloads", "dashboards", "sweeps"}
    # Three that come with another: SQLAlchemy's errors reach us through MLflow, pydantic_core makes pydantic's, and MarkupSafe
    # is what Jinja2 escapes with. OpenDP is an extra.
    assert set(imported()) - known - ours <= {"sqlalchemy", "pydantic_core", "markupsafe", "opendp"}


def test_every_dependency_is_pinned() -> None:
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert {name(requirement) for requirement in asked} - {name(pin) for pin in pins()} == set()


def test_a_pin_is_a_plain_version() -> None:
    assert [pin for pin in pins() if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9][0-9A-Za-z.]*", pin)] == []


def test_the_citation_says_the_version() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]


def test_make_says_what_it_can_do() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in done.stdout.splitlines()} >= {
        "setup",
        "run",
        "test",
        "check",
        "calibrate",
        "style",
        "bench",
    }


def test_the_wheel_holds_sweeps_schema_and_templates(wheel: Path) -> None:
    shipped = {
        str(p.relative_to(ROOT))
        for folder in ("lawsweep", "orchestrator", "workloads", "sweeps", "dashboards")
        for p in (ROOT / folder).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert {"orchestrator/spec/schema.json", "sweeps/khm_capacity.yaml"} <= shipped
    assert shipped - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.fixture(scope="module")
def lawsweep(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in a new environment that has the wheel and, of this one, only the dependencies."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    inside = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
    )
    # A path in a .pth file: the .pth files behind it, such as that of an editable install, are not read.
    (Path(inside.stdout.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    argv = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "bin" / "lawsweep"


@pytest.mark.slow
def test_the_installed_command_lists_the_shipped_sweeps(lawsweep: Path, tmp_path: Path) -> None:
    done = subprocess.run([lawsweep, "list"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "khm_capacity" in done.stdout


@pytest.mark.slow
def test_the_installed_command_finds_a_shipped_sweep_by_name(lawsweep: Path, tmp_path: Path) -> None:
    done = subprocess.run([lawsweep, "check", "khm_capacity"], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_installed_package_is_the_wheels(lawsweep: Path, tmp_path: Path) -> None:
    code = "import orchestrator; print(orchestrator.__file__)"
    done = subprocess.run([lawsweep.with_name("python"), "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(lawsweep.parent.parent)
