"""The commands that compare: two sides with each other, and what is stored with what is measured again."""

from __future__ import annotations

import json

import click

from orchestrator import answers
from orchestrator.cli.options import size_option, store_option, sweep_names


@click.command("diff")
@click.argument("left", shell_complete=sweep_names)
@click.argument("right", shell_complete=sweep_names)
@click.option("--column", "columns", multiple=True, help="A result to compare; all numbers if none is named.")
@size_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, every setting with its interval.")
def diff_command(left: str, right: str, columns: tuple[str, ...], size: str | None, store: str, as_json: bool) -> int:
    """Compare two sides, each [STORE:]SWEEP[@COLUMN=VALUE]: paired differences, boundaries moved, verdicts changed.

    \b
    lawsweep diff khm_codes khm_codes_v2
    lawsweep diff results:khm_codes /data/other:khm_codes --column delta
    lawsweep diff khm_codes@device=cpu khm_codes@device=cuda
    lawsweep diff khm_codes@commit=3f2a khm_codes@commit=81bc
    """
    from orchestrator.cli import show
    from orchestrator.results import diff

    differences = diff.diff(diff.side(left, store, size), diff.side(right, store, size), columns)
    if as_json:
        answers.say(answers.json_text(differences.as_json()))
        return 0 if differences.shared else 2
    if not differences.shared:
        sides = f"{differences.left} and {differences.right}"
        click.echo(f"{sides} share nothing: no result with a pair of rows, no boundary, no claim; name two that do.")
        return 2
    click.echo(f"{differences.left} minus {differences.right}, paired by params and seed; intervals at 95 %")
    if differences.columns:
        show.table(differences.rows())
    else:
        click.echo("they share no result")
    for note in dict.fromkeys(note for column in differences.columns for note in column.notes):
        click.echo(f"  {note}")
    if differences.boundaries:
        click.echo("boundaries")
        show.table(differences.boundaries, ["arm", "curve", "position", "position_right", "moved", "apart"])
    apart = f"; {differences.claims_apart:,} claims stand on one side alone" if differences.claims_apart else ""
    click.echo(f"verdicts changed: {len(differences.verdicts)}{apart}")
    if differences.verdicts:
        show.table(differences.verdicts)
    return 0


@click.command("audit")
@click.argument("sweep", shell_complete=sweep_names)
@click.option("--fraction", type=float, default=0.05, show_default=True, help="Share of the points that are measured again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Chooses the sample.")
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where to measure again; on both if none is named and there is a GPU."
)
@click.option("--tolerance", type=float, help="Relative; the workload's own if none, 0 is bitwise.")
@size_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def audit_command(
    sweep: str,
    fraction: float,
    seed: int,
    device: str | None,
    tolerance: float | None,
    size: str | None,
    store: str,
    as_json: bool,
) -> int:
    """Measure a random sample of a sweep's points again, alone, in one pack, on a GPU too; compare; 1 where one differs.

    \b
    lawsweep audit khm_codes --fraction 0.05
    lawsweep audit khm_codes --device cuda      what a GPU gives for points of a CPU
    """
    from orchestrator.cli import show

    tell = show.step("audit")
    tell(f"reading {sweep}")
    from orchestrator.check import audit
    from orchestrator.report import page
    from orchestrator.results.sources.kept_sweeps import original, spec_of
    from orchestrator.results.stored_sweep import open_sweep
    from orchestrator.store.store import BASE

    stored = open_sweep(sweep, size, store)
    from_file = stored.file_spec is not None and stored.file_spec.path is not None
    size = None if stored.size == BASE else stored.size
    spec = stored.spec if from_file else original(stored.store, stored.record) or spec_of(stored.name, size, store)
    audited = audit.audit(spec, stored.store, fraction=fraction, seed=seed, device=device, tolerance=tolerance, tell=tell)
    page.refresh(stored)
    if as_json:
        answers.say(answers.json_text(audited.as_json()))
    else:
        click.echo(f"{audited.sweep}: {audited.agreeing:,} of {audited.points:,} points agree")
        compared = {"sample": "by the signs of their differences", "cost": "by their steps; costs may differ"}
        for way in audited.ways:
            how = "bit for bit" if way["tolerance"] == 0 else f"within {way['tolerance']:g}"
            how = compared.get(audited.measures, how)
            click.echo(f"  {way['how']} on {way['device']}: {way['agreeing']:,} of {way['points']:,}, {how}")
        if audited.mismatches:
            show.table([{**row, "params": json.dumps(row["params"])} for row in audited.mismatches])
    return 0 if audited.passed else 1
