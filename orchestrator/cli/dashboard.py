"""The command that serves the pages on a store."""

from __future__ import annotations

import click

from orchestrator.cli.options import store_option


@click.command("dashboard")
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on; any but loopback demands a token.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--token", envvar="LAWSWEEP_TOKEN", show_envvar=True, help="What requests must bring; random off loopback if none."
)
@click.option("--known-as", multiple=True, metavar="NAME", help="Another name of this server, behind a proxy or in DNS.")
@click.option("--mlflow", default="", metavar="URL", help="Where MLflow's pages are, to link to them.")
def dashboard_command(store: str, host: str, port: int, token: str | None, known_as: tuple[str, ...], mlflow: str) -> None:
    """Serve pages on the store: sweeps, verdicts, figures, points, SQL; live while a run goes on. Ctrl-C ends it.

    \b
    Examples:
      lawsweep dashboard
      lawsweep dashboard --store shared/results --port 9000
      lawsweep dashboard --host 0.0.0.0          for other machines: with the token that it prints
    """
    from orchestrator import shipped
    from orchestrator.results.query import results

    # The engine imports no page: the pages are started by name.
    pages = shipped.module("dashboards.serve")
    stored = results(store)
    where = pages.endpoint(host, port, token, known_as)
    pages.serve(stored, where, mlflow, lambda url: click.echo(f"dashboard: {url} (Ctrl-C ends it)", err=True))
