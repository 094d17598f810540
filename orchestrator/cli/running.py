"""The commands that plan and run sweeps."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestrator import answers
from orchestrator.cli.options import same_code_option, size_option, spec_argument, store_option, strict_option, tracking_option


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
@strict_option
@same_code_option
@click.option("--notify", metavar="URL", help="Post one JSON message to this URL at the end.")
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
    from orchestrator import sweep
    from orchestrator.cli import show
    from orchestrator.cli.notify import post
    from orchestrator.spec import read

    read_specs = [read(name, size=options["size"]) for name in specs]
    where = _where(options)
    results = []
    settings = {name: options[name] for name in ("retry", "tracking_uri", "mlflow", "same_code")}
    for result in sweep.run_all(read_specs, options["store"], where, **settings):
        results.append(result)
        if options["as_json"]:
            answers.say(json.dumps(result.as_json()))
        elif not options["quiet"]:
            show.result(result)
    if options["notify"]:
        post(options["notify"], {"results": [result.as_json() for result in results]})
    return max((result.exit_code(options["strict"]) for result in results), default=0)


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
@click.option("--pilot", is_flag=True, help="Measure one point of each shape first, for the estimate.")
@click.option("--resolved", is_flag=True, help="Print the spec as it will be run, sizes and defaults filled in.")
@click.option("--json", "as_json", is_flag=True, help="The plan's figures as JSON.")
def plan_command(spec: str, size: str | None, store: str, pilot: bool, resolved: bool, as_json: bool) -> None:
    """Say what a run of SPEC would do and what it would cost; nothing is written.

    \b
    Examples:
      lawsweep plan khm_capacity --size paper
      lawsweep plan mine.yaml --pilot
      lawsweep plan mine.yaml --resolved
    """
    from orchestrator.cli import show
    from orchestrator.driver import forecast
    from orchestrator.spec import read

    sweep = read(spec, size=size)
    if resolved:
        answers.say(json.dumps(sweep.resolved(), indent=2, ensure_ascii=False))
        return
    outlook = forecast.forecast(sweep, store, pilot)
    if as_json:
        answers.say(json.dumps(outlook.as_json()))
    else:
        show.outlook(outlook)
