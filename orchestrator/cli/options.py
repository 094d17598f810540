"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from orchestrator.store import Store

Command = Callable[..., Any]


def sweep_names(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Completions of a spec: shipped names, those of the store, and files."""
    from orchestrator.spec import shipped

    files = [str(path) for path in Path().glob(f"{incomplete}*") if path.suffix == ".yaml" or path.is_dir()]
    store = _store_of(context)
    stored = store.sweeps() if store is not None else ()
    return [name for name in dict.fromkeys((*shipped(), *stored)) if name.startswith(incomplete)] + files


def size_names(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Completions of a size: those that the file of the sweep on the line has, and those of the store."""
    from orchestrator.errors import SweepError
    from orchestrator.spec.parsing import sizes

    # Click leaves what stands before an unfinished option in `args`, whether or not a parameter would take it.
    parsed_words = [context.params.get(name) or () for name in ("specs", "spec", "sweep")]
    references = [word for words in (*parsed_words, context.args) for word in ([words] if isinstance(words, str) else words)]
    names: list[str] = []
    store = _store_of(context)
    for reference in references:
        with suppress(SweepError):
            names += sizes(reference)
        names += [str(plan["size"]) for plan in store.plans(Path(reference).stem)] if store is not None else []
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _store_of(context: click.Context) -> Store | None:
    """The store that the line names; None where there is none."""
    from orchestrator.errors import SweepError
    from orchestrator.store import open_store

    with suppress(SweepError):
        return open_store(context.params.get("store") or os.environ.get("LAWSWEEP_STORE") or "results")
    return None


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
        callback=lambda context, param, value: os.path.expanduser(value),
        help="Folder with rows, plans, verdicts and reports.",
    )(command)


def size_option(command: Command) -> Command:
    """--size NAME."""
    return click.option(
        "--size", shell_complete=size_names, help="One of the sizes in the spec: smoke, paper or gpu in the shipped ones."
    )(command)


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
