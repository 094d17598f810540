"""The commands that plan and run sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator import answers
from orchestrator.cli.options import same_code_option, size_option, spec_argument, store_option, strict_option, tracking_option

if TYPE_CHECKING:
    from orchestrator.cli.outcome import Outcomes
    from orchestrator.spec import Spec


@click.command("run")
@spec_argument(many=True)
@size_option
@store_option
@tracking_option
@click.option("--address", help="Address of a running Ray cluster; 'auto' for the one of this machine.")
@click.option("--inline", is_flag=True, help="Measure in this process, without Ray.")
@click.option("--retry", is_flag=True, help="Measure failed points again too.")
@click.option("--cpus", type=click.IntRange(1), help="CPUs that local Ray offers; all of the machine's if not given.")
@click.option("--gpus", type=click.IntRange(0), help="GPUs that local Ray offers; one that is not there computes on the CPU.")
@click.option("--mlflow/--no-mlflow", default=True, help="Mirror rows to MLflow at the end.")
@click.option("--workload", metavar="FILE", help="Measure this workload (a .py file) in place of the one that SPEC names.")
@click.option("--until-decided", is_flag=True, help="Add seeds where they decide a claim, within the sweep's limits.")
@strict_option
@same_code_option
@click.option("--notify", metavar="URL", help="Tell this URL how it ended: a web hook, or any of apprise.")
@click.option("--logs", is_flag=True, help="Show what the workload prints and logs, as it comes.")
@click.option("--quiet", is_flag=True, help="Print nothing but mistakes and warnings.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines on standard output.")
def run_command(specs: tuple[str, ...], **options: Any) -> int:
    """Measure what is missing of each SPEC, then judge its claims and write its report.

    The same command again resumes, repairs, extends, or does nothing.

    \b
    Examples:
      lawsweep run khm_capacity --size smoke
      lawsweep run sweeps/*.yaml --size paper --store /data/results
      lawsweep run mine.yaml --inline               (a debugger, a notebook)
      lawsweep run mine.yaml --address auto         (a running Ray cluster)
    """
    if not (options["quiet"] or options["as_json"]):
        click.echo(f"{', '.join(specs)}: reading the sweep and its workload", err=True)
    from orchestrator.cli.outcome import Outcomes

    with Outcomes(options) as outcomes:
        _run(specs, options, outcomes)
    return outcomes.exit_code


def _run(specs: tuple[str, ...], options: dict[str, Any], outcomes: Outcomes) -> None:
    """Run the sweeps; of several each for itself, so that one that fails keeps none from running."""
    from orchestrator import sweep
    from orchestrator.cli.logs import streaming

    where = _where(options)
    failed = outcomes.failed if len(specs) > 1 else None
    read_specs = []
    for name in specs:
        with sweep.for_itself(name, failed):
            read_specs.append(_read(name, options))
    settings = {name: options[name] for name in ("retry", "tracking_uri", "mlflow", "same_code", "until_decided")}
    settings["workload"] = options["workload"] and str(Path(options["workload"]).expanduser().resolve())
    with streaming(options["store"], options["logs"] and not options["inline"]):
        for result in sweep.run_all(read_specs, options["store"], where, **settings, failed=failed):
            outcomes.add(result)


def _read(name: str, options: dict[str, Any]) -> Spec:
    """The sweep of that name; with `--strict` its claims must be those that were frozen."""
    from orchestrator.results.sources.kept_sweeps import spec_of

    spec = spec_of(name, options["size"], options["store"])
    if options["strict"]:
        from orchestrator.claims.registry import frozen

        frozen.check(spec)
    return spec


def _where(options: dict[str, Any]) -> Any:
    from orchestrator.driver.measure import Where
    from orchestrator.errors import SweepError

    if options["inline"] and options["address"]:
        raise SweepError("--inline and --address: a sweep runs in this process or on a cluster, not both; leave one out.")
    if options["inline"] and (options["cpus"] or options["gpus"]):
        raise SweepError("--inline: this process offers what it has, so --cpus and --gpus must not be given; leave them out.")
    progress = "json" if options["as_json"] else "quiet" if options["quiet"] else "auto"
    executor = "inline" if options["inline"] else "ray"
    return Where(executor=executor, address=options["address"], cpus=options["cpus"], gpus=options["gpus"], progress=progress)


@click.command("plan")
@spec_argument()
@size_option
@store_option
@click.option("--pilot", is_flag=True, help="Measure a point of each shape for the time, and 4 seeds aside for the claims.")
@click.option("--resolved", is_flag=True, help="Print the spec as it will be run, sizes and defaults filled in.")
@click.option("--json", "as_json", is_flag=True, help="The plan's figures as JSON.")
def plan_command(spec: str, size: str | None, store: str, pilot: bool, resolved: bool, as_json: bool) -> None:
    """Say what a run of SPEC would do, what it would cost and which claims it could decide; nothing is written.

    Rows of the store, or of a pilot, say at how many seeds a claim is decidable.

    \b
    Examples:
      lawsweep plan khm_capacity --size paper
      lawsweep plan mine.yaml --pilot
      lawsweep plan mine.yaml --resolved
    """
    from orchestrator.check import pilot as look
    from orchestrator.claims.outlook import prospects
    from orchestrator.cli import show
    from orchestrator.driver import forecast
    from orchestrator.driver.measure import prepare
    from orchestrator.results.sources.kept_sweeps import spec_of

    sweep = spec_of(spec, size, store)
    if resolved:
        answers.say(answers.json_text(sweep.resolved(), indent=2))
        return
    _, plan = prepare(sweep)
    outlook, claims = forecast.forecast(sweep, store, pilot, plan), prospects.prospects(sweep, plan)
    measured = look.outlook(sweep, store, pilot)
    if as_json:
        by_rows = {"by_rows": measured.as_json()} if measured.rows else {}
        answers.say(answers.json_text({**outlook.as_json(), "claims": [each.as_json() for each in claims], **by_rows}))
    else:
        show.outlook(outlook)
        show.prospects(claims, measured)
