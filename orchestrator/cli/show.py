"""Puts results, plans and tables on the terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.wording import duration, setting

if TYPE_CHECKING:
    from orchestrator.check.pilot import Outlook
    from orchestrator.claims.outlook.prospects import Prospect
    from orchestrator.driver.forecast import Forecast
    from orchestrator.sweep import Result

WHOLE = ("claim", "verdict", "check", "is", "sweep")  # columns whose cells are never broken
GROUPS = 4  # groups of a claim that a plan lists
COLOURS = {"supported": "green", "refuted": "red", "undecided": "yellow", "unmet": "yellow", "broken": "red"}


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Rows as an aligned table; the columns are those named, else all of the first row."""
    from orchestrator.results import text_table

    names = list(columns or (rows[0] if rows else ()))
    texts = [[_cell(row.get(name)) for name in names] for row in rows]
    width = shutil.get_terminal_size().columns
    for line in text_table.lines(names, texts, width=width, whole=WHOLE, style=_coloured) if names else ():
        click.echo(line)


def aside(text: str) -> None:
    """Say on the error stream what is worth knowing beside the answer, if anything is."""
    if text:
        click.echo(text, err=True)


def step(command: str) -> Callable[[str], None]:
    """Says on the error stream what a command is at, from its first second on."""
    return lambda text: click.echo(f"{command}: {text}", err=True)


def _coloured(cell: str, text: str) -> str:
    return click.style(text, fg=COLOURS[cell]) if cell in COLOURS and text.strip() else text


def _cell(value: Any) -> str:
    """A value as a table shows it: thousands apart, nothing for what is absent."""
    from orchestrator.results.text_table import plain

    number = isinstance(value, int) and not isinstance(value, bool)
    return "" if value is None else f"{value:,}" if number else plain(str(value))


def verdicts(judged: Sequence[Mapping[str, Any]]) -> None:
    """The verdict table: claim, verdict, what was found in few words, and what was expected; below it why some are open."""
    from orchestrator.claims.outlook.remedies import why
    from orchestrator.claims.verdict import summary_parts
    from orchestrator.results.text_table import plain

    rows: list[dict[str, Any]] = []
    changes: dict[str, list[str]] = {}
    for verdict in judged:
        if verdict.get("changed"):
            changes.setdefault(verdict["changed"], []).append(verdict["id"])
        texts = dict.fromkeys(
            _group_text(finding["group"]) + text
            for finding in verdict["findings"]
            for text, _ in summary_parts(finding["numbers"])
        )
        rows.append(
            {
                "claim": verdict["id"],
                "verdict": verdict["verdict"],
                "found": "; ".join(texts) or "; ".join(verdict["reasons"]),
                "expected": verdict["expected"] + (" (foreseen: refuted)" if verdict.get("foreseen") else ""),
            }
        )
    if rows:
        table(rows)
    for text, ids in changes.items():
        click.echo(f"  {', '.join(ids)}: {text}")
    for verdict in judged:
        # Where there is a number, the table has no room for what keeps it from deciding.
        if verdict["verdict"] in ("undecided", "unmet") and any(summary_parts(f["numbers"]) for f in verdict["findings"]):
            click.echo(f"  {verdict['id']} is {verdict['verdict']}: {plain('; '.join(why(verdict)))}")


def checks(looked_at: Sequence[Mapping[str, Any]]) -> None:
    """The table of checks, below that of the claims: whether each passes, what was found, and what must hold."""
    if looked_at:
        click.echo("checks, which only a bug can break:")
        table(
            [
                {
                    "check": check["id"],
                    "is": check["check"],
                    "found": "; ".join([check["sentence"], *check["reasons"]]) if check["check"] != "passes" else "",
                    "on every row": check["holds"],
                }
                for check in looked_at
            ]
        )


def _group_text(group: Mapping[str, Any]) -> str:
    """`beta 8: ` before a group's numbers; nothing where all rows are one group."""
    values = [f"{name} {setting(value)}" for name, value in group.items() if value is not None]
    return ", ".join(values) + ": " if values else ""


def result(done: Result) -> None:
    """What a run did, its verdicts, and where to look."""
    summary = done.summary
    failed = ", ".join(f"{number} {status}" for status, number in sorted(summary.failures.items()))
    before = f", {summary.held:,} were there already" if summary.held else ""
    click.echo(
        f"{summary.sweep}: {summary.points:,} points; {summary.measured:,} measured in {duration(summary.seconds)}{before}"
        + (f"; failed: {failed}" if failed else "")
    )
    if summary.note:
        click.echo("  " + ", ".join(f"{name.replace('_', ' ')}: {value:,}" for name, value in summary.note.items()))
    if summary.missing:
        click.echo(f"  {summary.missing:,} points are missing ({summary.why}); run the same command again to finish them.")
    if summary.held_failed:
        click.echo(f"  {summary.held_failed:,} of those failed: --retry measures them again")
    if failed:
        click.echo(f"  why: lawsweep status {summary.sweep} --store {summary.store}; again: the same command with --retry")
    verdicts(done.verdicts)
    checks(done.checks)
    code_change(done.code_change)
    for name, path in (done.report or {}).items():
        click.echo(f"  {name:<9} {path}")
    if done.report:
        click.echo(f"  MLflow    lawsweep ui --store {summary.store}")
    for warning in done.warnings:
        click.echo(f"  warning: {warning}", err=True)


def code_change(sentence: str, aside: bool = False) -> None:
    """Say that rows are of other code than there is now, where they are; aside where the output is for machines."""
    if sentence:
        click.echo(f"  {sentence}", err=aside)


def outlook(expected: Forecast) -> None:
    """The figures of a plan."""
    size = f" at size {expected.size}" if expected.size else ""
    click.echo(f"{expected.sweep}{size}, workload {expected.workload}")
    arms = ", ".join(f"{arm} {number:,}" for arm, number in expected.arms.items())
    lines = {
        "points": f"{expected.points:,} ({arms})",
        "done": f"{expected.done:,}",
        "to do": f"{expected.todo:,} in {expected.shapes:,} shapes"
        if not expected.grows
        else f"about {expected.todo:,}, in rounds",
        "packs": "unknown" if expected.packs is None else f"about {expected.packs:,} for {expected.workers} workers",
        "time": _time(expected),
    }
    if expected.grows:
        lines["points"] = f"{expected.points:,} so far ({arms}), at most {expected.most:,}: rows decide which come next"
    if expected.gpu_hours:
        lines["GPU"] = f"{expected.gpu_hours:.3g} GPU-hours"
    for name, text in lines.items():
        click.echo(f"  {name:<8}{text}")


def prospects(claims: Sequence[Prospect], measured: Outlook) -> None:
    """What the plan gives each claim: its groups, what will be lacking, what only rows can tell, and what rows say."""
    by_claim = {each.claim: each.sentence for each in measured.claims}
    if measured.rows:
        click.echo(f"  rows    {measured.rows}")
    for each in claims:
        click.echo(f"  claim {each.claim}: {each.word}")
        for reason in each.reasons:
            click.echo(f"    {reason}")
        for condition in each.conditions:
            click.echo(f"    known once rows are there: {condition}")
        if each.claim in by_claim:
            click.echo(f"    {by_claim[each.claim]}")
        for group in each.groups[:GROUPS]:
            x = "" if group.x is None else f", {group.x} x"
            decades = "" if group.decades is None else f" over {group.decades:.2g} decades"
            click.echo(f"    {group.group or 'all'}: {group.rows:,} rows{x}{decades}, {group.seeds} seeds")
        if len(each.groups) > GROUPS:
            click.echo(f"    and {len(each.groups) - GROUPS} more groups")


def _time(expected: Forecast) -> str:
    if not expected.todo:
        return "none: every point is there"
    if expected.worker_seconds is None or expected.wall_seconds is None:
        unmeasured = (
            "every point of the pilot failed" if expected.basis == "pilot" else "nothing of this shape was measured yet"
        )
        return f"unknown: {unmeasured}; --pilot measures one point of each"
    alone = duration(expected.worker_seconds)
    return f"{duration(expected.wall_seconds)} on {expected.workers} workers ({alone} of one, {expected.basis})"
