"""The command that writes files for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator import answers
from orchestrator.cli.options import size_option, store_option, sweep_names


@click.command("export")
@click.argument("sweep", shell_complete=sweep_names)
@click.option("--out", type=click.Path(file_okay=False), help="Folder to write to; exports/SWEEP in the store if none.")
@click.option("--bundle", is_flag=True, help="Captions, data, spec, commit, environment and BibTeX too.")
@size_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON.")
def export_command(sweep: str, out: str | None, bundle: bool, size: str | None, store: str, as_json: bool) -> None:
    """Judge SWEEP and write its tables as CSV, Parquet and LaTeX and its figures as PDF.

    \b
    lawsweep export khm_codes --out paper/tables
    lawsweep export khm_codes --bundle          one folder with all that a paper's appendix needs
    """
    from orchestrator.cli import show

    tell = show.step("export")
    tell(f"judging {sweep}")
    from orchestrator.claims import judging
    from orchestrator.report import export
    from orchestrator.results.stored_sweep import open_sweep

    stored = open_sweep(sweep, size, store)
    folder = Path(out) if out else stored.store.path / "exports" / stored.name
    files = export.write(stored, judging.judge(stored), folder, bundle=bundle, tell=tell)
    if as_json:
        answers.say(answers.json_text([str(path) for path in files]))
        return
    for path in files:
        click.echo(f"  {path}")
