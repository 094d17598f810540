"""The commands about sweep files and workloads, before anything runs."""

from __future__ import annotations

import click

from orchestrator import answers
from orchestrator.cli.options import spec_argument, workload_names


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_command(as_json: bool) -> None:
    """Name the sweeps and workloads that come with the package or are installed beside it."""
    from orchestrator.cli import show
    from orchestrator.spec import parsing
    from orchestrator.workload import describe

    sweeps = [parsing.read(name) for name in parsing.shipped()]
    rows = [{"sweep": s.name, "workload": s.workload, "sizes": ", ".join(s.sizes), "question": s.question} for s in sweeps]
    if as_json:
        answers.say(answers.json_text({"sweeps": rows, "workloads": list(describe.shipped())}))
        return
    show.table(rows)
    click.echo("\nworkloads: " + ", ".join(describe.shipped()))


@click.command("check")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC…")
@click.option("--pilot", is_flag=True, help="Measure 4 seeds of the base aside, and say what would decide each claim.")
def check_command(specs: tuple[str, ...], pilot: bool) -> None:
    """Read SPEC at its base and every size, with its workload, and refuse what cannot run; warn of claims that measure nothing,
    and of claims that will be unmet whatever is measured.

    \b
    Example:
      lawsweep check sweeps/*.yaml
    """
    from orchestrator.check import conditions, last_digits, one_source
    from orchestrator.check import pilot as look
    from orchestrator.claims.outlook import prospects
    from orchestrator.driver.measure import prepare
    from orchestrator.spec import parsing

    for name in specs:
        counts, warnings, lacking = {}, dict[str, None](), dict[str, list[str]]()
        for size in (None, *parsing.read(name).sizes):
            spec = parsing.read(name, size=size)
            workload, plan = prepare(spec)
            conditions.check(spec, workload)
            warnings |= dict.fromkeys((*one_source.warnings(spec, workload), *last_digits.warnings(spec, plan)))
            for prospect in prospects.prospects(spec, plan):
                if prospect.warning:
                    lacking.setdefault(prospect.warning, []).append(size or "base")
            counts[size or "base"] = f"{len(plan):,} points" if spec.search is None else "points as its search asks"
        click.echo(f"{name}: good; " + ", ".join(f"{size} {points}" for size, points in counts.items()))
        for warning in (*warnings, *(f"{text} (size {', '.join(sizes)})" for text, sizes in lacking.items())):
            click.echo(f"  warning: {warning}", err=True)
        if pilot:
            measured = look.outlook(parsing.read(name), None, pilot)
            click.echo(f"  {measured.rows or 'its points depend on rows, so a pilot of seeds is none of it'}")
            for each in measured.claims:
                click.echo(f"    claim {each.claim}: {each.sentence}")


@click.command("check-workload")
@click.argument("name", shell_complete=workload_names)
def check_workload_command(name: str) -> int:
    """Run the contract tests on a workload: a name, a module or a .py file; leaves with 2 where one fails.

    \b
    Examples:
      lawsweep check-workload khm.capacity
      lawsweep check-workload ./mine.py
    """
    from orchestrator.check import contract
    from orchestrator.cli import show
    from orchestrator.workload import describe

    checks = contract.check(describe.load(name))
    show.table(
        [{"check": c.name, "holds": "-" if c.passed is None else "yes" if c.passed else "NO", "found": c.text} for c in checks]
    )
    return 2 if any(c.passed is False for c in checks) else 0


@click.command("freeze")
@spec_argument()
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write here, not to NAME.frozen.json beside the file.")
def freeze_command(spec: str, output: str | None) -> None:
    """Register the claims of SPEC: write hash, date and commit of each claim, its formulas and arms, at every size.

    'run --strict' and 'claims --strict' then refuse claims that are not the registered ones. The file is never written over.

    \b
    Examples:
      lawsweep freeze mine.yaml                     (writes mine.frozen.json)
      lawsweep freeze khm_capacity -o claims/khm_capacity.frozen.json
      lawsweep run mine.yaml --strict
    """
    from pathlib import Path

    from orchestrator.claims.registry import frozen
    from orchestrator.driver.provenance import origin
    from orchestrator.spec import parsing

    where = origin(str(parsing.find(spec).resolve()))
    path, record = frozen.freeze(spec, Path(output) if output else None, where.commit, where.dirty)
    count = len({name for claims in record["sizes"].values() for name in claims})
    dirty = ", changed since" if record["dirty"] else ""
    answers.say(f"{path}: {count} claims of {record['sweep']}, hash {record['hash']}, registered {record['registered'][:10]}")
    answers.say(f"  commit {record['commit']}{dirty}; commit this file before the first run")


@click.command("schema")
@click.argument("workload", required=False, shell_complete=workload_names)
def schema_command(workload: str | None) -> None:
    """Print the JSON Schema of sweep files, for editors; for one WORKLOAD with its params and their allowed values.

    \b
    Put this line first in a sweep file and point it at the output:
      # yaml-language-server: $schema=./schema.json
    """
    from orchestrator.spec import json_schema
    from orchestrator.workload.describe import load

    click.echo(json_schema.text(load(workload) if workload else None), nl=False)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the line that switches on tab completion, for your shell's start-up file."""
    lines = {
        "bash": 'eval "$(_LAWSWEEP_COMPLETE=bash_source lawsweep)"',
        "zsh": 'eval "$(_LAWSWEEP_COMPLETE=zsh_source lawsweep)"',
        "fish": "_LAWSWEEP_COMPLETE=fish_source lawsweep | source",
    }
    click.echo(lines[shell])
