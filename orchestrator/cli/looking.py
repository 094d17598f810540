"""The commands that look at a store: what is there, what it says, and how to browse it."""

from __future__ import annotations

import os
from typing import Any

import click

from orchestrator import answers
from orchestrator.cli.options import (
    same_code_option,
    size_option,
    spec_argument,
    store_option,
    strict_option,
    tracking_option,
)


@click.command("status")
@click.argument("sweep", required=False)
@store_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status_command(sweep: str | None, store: str, as_json: bool) -> None:
    """Say of every sweep in the store how many points are done and failed; of one SWEEP also why they failed."""
    from orchestrator.cli import show
    from orchestrator.results import status
    from orchestrator.store import open_store
    from orchestrator.store.shared import SharedStates

    opened = open_store(store)
    statuses = status.status(opened, sweep)
    if as_json:
        answers.say(answers.json_text([vars(state) for state in statuses]))
        return
    show.table([state.row() for state in statuses])
    for state in statuses:
        if state.code_change:
            click.echo(f"{state.sweep} ({state.size}): {state.code_change}")
    shared = SharedStates(opened).all()
    if shared:
        click.echo(
            f"shared states: {len(shared):,}, {sum(state.bytes for state in shared) / 1e6:,.1f} MB (lawsweep compact --shared)"
        )
    for state in statuses if sweep else ():
        for failure in state.failures:
            click.echo(f"\n{failure['status']} × {failure['points']:,}, for example point {failure['example']}:")
            click.echo(str(failure["error"] or "no text"))


@click.command("claims")
@spec_argument()
@size_option
@store_option
@strict_option
@same_code_option
@click.option("--json", "as_json", is_flag=True, help="The verdicts as JSON, with their SQL.")
def claims_command(spec: str, size: str | None, store: str, strict: bool, same_code: bool, as_json: bool) -> int:
    """Judge the claims of SPEC by the rows that the store has now, and look at its checks; leaves with 5 where one is broken.

    As JSON a check is an entry with `check` instead of `verdict`.
    """
    from orchestrator.check import bug_guards
    from orchestrator.claims import judging
    from orchestrator.claims.registry import frozen
    from orchestrator.claims.verdict import exit_code
    from orchestrator.cli import show
    from orchestrator.results.stored_sweep import open_sweep
    from orchestrator.store import elsewhere

    folder, aside = elsewhere.writable(store)
    show.aside(aside)
    sweep = open_sweep(spec, size, folder)
    if strict:
        frozen.check(sweep.spec)
    if same_code:
        sweep.accept_code()
    verdicts = [verdict.record() for verdict in judging.judge(sweep)]
    checks = [check.record() for check in bug_guards.look(sweep)]
    if as_json:
        answers.say(answers.json_text([*verdicts, *checks], indent=2))
    else:
        show.verdicts(verdicts)
        show.checks(checks)
    show.code_change(sweep.code_change, aside=as_json)
    if bug_guards.broken(checks):
        return bug_guards.EXIT
    return exit_code(verdicts, strict) or int(strict and bool(sweep.code_change))


@click.command("query")
@click.argument("sql")
@store_option
@click.option("--format", "form", type=click.Choice(["table", "json", "csv", "parquet"]), default="table", show_default=True)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write into this file instead of the terminal.")
def query_command(sql: str, store: str, form: str, output: str | None) -> None:
    """Answer SQL over the rows; each workload is a table, each sweep a view, and points, plans, claims, runs are there too.

    \b
    Examples:
      lawsweep query "select d, avg(capacity) from khm_capacity group by d order by d"
      lawsweep query "select * from khm_codes where status <> 'ok'" --format csv -o failed.csv
      lawsweep query "describe khm_capacity"
    """
    from pathlib import Path

    from orchestrator.errors import QueryError
    from orchestrator.results import query, rendering
    from orchestrator.store import open_store

    rendered = rendering.render(query.run(open_store(store), sql), form)
    if output:
        try:
            Path(output).expanduser().write_bytes(rendered if isinstance(rendered, bytes) else rendered.encode())
        except OSError as error:
            raise QueryError(
                f"--output {output}: it must be a file that can be written, but got '{error.strerror or error}'; name another."
            ) from error
    elif isinstance(rendered, bytes) and os.isatty(1):
        raise QueryError("--format parquet: the output must be a file or a pipe, but it is a terminal; add -o FILE.")
    else:
        click.echo(rendered, nl=not isinstance(rendered, bytes))


@click.command("report")
@spec_argument()
@size_option
@store_option
@same_code_option
@click.option("--out", type=click.Path(file_okay=False), help="Write the report into this folder too.")
@click.option("--json", "as_json", is_flag=True, help="Verdicts and paths as JSON.")
def report_command(spec: str, size: str | None, store: str, same_code: bool, out: str | None, as_json: bool) -> None:
    """Judge SPEC and write its report, figures included, into the store, and with --out into a folder too.

    Of a store that may only be read, a folder elsewhere takes what is new; which one is said.
    """
    from pathlib import Path

    from orchestrator.check import bug_guards
    from orchestrator.claims import judging
    from orchestrator.cli import show
    from orchestrator.report import page
    from orchestrator.results.stored_sweep import open_sweep
    from orchestrator.store import elsewhere

    folder, aside = elsewhere.writable(store)
    show.aside(aside)
    sweep = open_sweep(spec, size, folder)
    if same_code:
        sweep.accept_code()
    verdicts, checks = judging.judge(sweep), bug_guards.look(sweep)
    paths = page.paths(page.write(sweep, verdicts, Path(out).expanduser() if out else None))
    records, checked = [verdict.record() for verdict in verdicts], [check.record() for check in checks]
    if as_json:
        answers.say(
            answers.json_text({"verdicts": records, "checks": checked, "report": paths, "code_change": sweep.code_change})
        )
        return
    show.verdicts(records)
    show.checks(checked)
    show.code_change(sweep.code_change)
    for name, path in paths.items():
        click.echo(f"  {name:<9} {path}")


@click.command("ui")
@store_option
@tracking_option
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
def ui_command(store: str, tracking_uri: str | None, port: int) -> None:
    """Start MLflow's own server on this machine, on the store's database; Ctrl-C ends it."""
    from orchestrator.mirror import mlflow_server
    from orchestrator.store import open_store

    argv, environment = mlflow_server.ui(open_store(store), port, tracking_uri)
    click.echo(f"MLflow: http://127.0.0.1:{port} (Ctrl-C ends it)", err=True)
    os.execve(argv[0], argv, environment)


@click.command("doctor")
@store_option
def doctor_command(store: str) -> int:
    """Check what a run needs of this machine: versions, memory, the store; leaves with 2 where something is wrong."""
    from orchestrator.check import machine
    from orchestrator.cli import show

    checks: list[dict[str, Any]] = [vars(check) for check in machine.checks(store)]
    show.table(checks)
    return 0 if all(check["good"] == "yes" for check in checks) else 2
