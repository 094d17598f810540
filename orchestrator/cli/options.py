"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


def sweep_names(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Completions of a spec: shipped names, and files."""
    from pathlib import Path

    from orchestrator.spec import shipped

    files = [str(path) for path in Path().glob(f"{incomplete}*") if path.suffix == ".yaml" or path.is_dir()]
    return [name for name in shipped() if name.startswith(incomplete)] + files


def workload_names(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Completions of a workload: shipped names."""
    from orchestrator.workload.describe import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def store_option(command: Command) -> Command:
    """--store DIR."""
    return click.option(
        "--store",
        default="results",
        envvar="LAWSWEEP_STORE",
        show_default=True,
        show_envvar=True,
        type=click.Path(file_okay=False),
        help="Folder with rows, plans, verdicts and reports.",
    )(command)


def size_option(command: Command) -> Command:
    """--size NAME."""
    return click.option("--size", help="One of the sizes in the spec: smoke, paper or gpu in the shipped ones.")(command)


def strict_option(command: Command) -> Command:
    """--strict."""
    says = (
        "Leave with 1 where a claim is refuted that was not foreseen to be, or where code has changed since rows were "
        "measured; refuse claims that differ from frozen ones."
    )
    return click.option("--strict", is_flag=True, help=says)(command)


def same_code_option(command: Command) -> Command:
    """--same-code."""
    says = "Note that the workload's code as it is now gives the same as the code that its rows were measured by."
    return click.option("--same-code", is_flag=True, help=says)(command)


def tracking_option(command: Command) -> Command:
    """--tracking-uri URI."""
    return click.option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", show_envvar=True, help="MLflow server; the store's own SQLite if none."
    )(command)


def spec_argument(many: bool = False) -> Callable[[Command], Command]:
    """SPEC, a path or the name of a shipped sweep."""
    if many:
        return click.argument("specs", nargs=-1, required=True, metavar="SPEC…", shell_complete=sweep_names)
    return click.argument("spec", metavar="SPEC", shell_complete=sweep_names)
