"""The commands that move, join and shrink stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import store_option, tracking_option

if TYPE_CHECKING:
    from orchestrator.store import Store


@click.command("sync")
@store_option
@tracking_option
def sync_command(store: str, tracking_uri: str | None) -> None:
    """Make MLflow say what the store says: missing runs are written, changed ones replaced."""
    from orchestrator.cli import show

    tell = show.step("sync")
    tell(f"reading {store}")
    from orchestrator.mirror import mlflow_server
    from orchestrator.store import open_store

    mirrored = mlflow_server.sync(open_store(store), tracking_uri, tell)
    show.table([{**vars(done), "seconds": f"{done.seconds:.1f}"} for done in mirrored])


@click.command("import")
@click.option("--tracking-uri", required=True, envvar="MLFLOW_TRACKING_URI", show_envvar=True, help="MLflow server to read.")
@store_option
def import_command(tracking_uri: str, store: str) -> None:
    """Build or extend a store from the tables that runs have left on an MLflow server."""
    from pathlib import Path

    from orchestrator.mirror import mlflow_server

    imported = mlflow_server.import_store(tracking_uri, Path(store))
    click.echo(f"{store}: took {', '.join(imported)} from MLflow")


@click.command("merge")
@click.argument("other", type=click.Path(exists=True, file_okay=False))
@store_option
def merge_command(other: str, store: str) -> int:
    """Take the rows, runs, plans, claims and kept texts of the store OTHER into this one, and judge and report again.

    Conflicting values are listed, and leave with 3. Runs of OTHER get numbers that follow those here.
    """
    from orchestrator.cli import show
    from orchestrator.store import open_store
    from orchestrator.store.merge import merge

    tell = show.step("merge")
    tell(f"reading {other}")
    merged = open_store(other)
    conflicts = merge(open_store(store, create=True), merged)
    click.echo(f"{store}: merged {other}; {len(conflicts):,} conflicts")
    if conflicts:
        show.table([vars(conflict) for conflict in conflicts[:50]])
    from orchestrator.sweep import judge_again

    for sentence in judge_again(open_store(store), merged.workloads(), tell):
        click.echo(sentence, err=True)
    return 3 if conflicts else 0


@click.command("compact")
@click.argument("workload", required=False)
@click.option("--shared", is_flag=True, help="Drop the shared states that no unfinished point needs, and rewrite nothing.")
@store_option
def compact_command(workload: str | None, shared: bool, store: str) -> None:
    """Rewrite the parts of each workload (or of one) as one part; every query gives the same as before."""
    from orchestrator.cli import show

    tell = show.step("compact")
    tell(f"reading {store}")
    from orchestrator.store import open_store
    from orchestrator.store.compact import compact

    if shared:
        _drop_shared(open_store(store))
        return
    show.table([vars(done) for done in compact(open_store(store), workload, tell)])


def _drop_shared(store: Store) -> None:
    """Drop the shared states that no unfinished point needs, and say what they took."""
    from orchestrator.results.status import unneeded
    from orchestrator.store.shared import SharedStates

    states, dropped = SharedStates(store), unneeded(store)
    for state in dropped:
        states.drop(state.name)
    size = sum(state.bytes for state in dropped) / 1e6
    click.echo(f"{store.path}: dropped {len(dropped):,} shared states, {size:,.1f} MB; kept {len(states.all()):,}")
