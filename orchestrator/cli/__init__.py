"""The command `lawsweep`: finds the command that was asked for, runs it, and says what is wrong where something is."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from orchestrator import answers
from orchestrator.errors import SweepError

# Full collections while Ray and the rest are imported cost a run more than half a second.
RARELY = 50_000, 20, 50
# Command -> module of this package; a module is imported only when one of its commands is used or helped with.
COMMANDS = {
    "new": "starting",
    "list": "specs",
    "check": "specs",
    "check-workload": "specs",
    "freeze": "specs",
    "schema": "specs",
    "plan": "running",
    "run": "running",
    "status": "looking",
    "logs": "logs",
    "claims": "looking",
    "query": "looking",
    "report": "looking",
    "ui": "looking",
    "dashboard": "dashboard",
    "diff": "comparing",
    "audit": "comparing",
    "export": "exporting",
    "doctor": "looking",
    "sync": "keeping",
    "import": "keeping",
    "merge": "keeping",
    "compact": "keeping",
    "completion": "specs",
}


class _Lazy(click.Group):
    """A group that imports a command's module when the command is needed."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All commands, in the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"orchestrator.cli.{COMMANDS[name]}")
        return getattr(module, name.replace("-", "_") + "_command")  # type: ignore[no-any-return]

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command asked for; a wrong name is answered with the nearest."""
        from orchestrator.errors import nearest

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            context.fail(f"there is no command '{args[0]}'{nearest(args[0], COMMANDS)}")
        return super().resolve_command(context, args)


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  lawsweep run khm_capacity --size smoke        a shipped sweep, by name
  lawsweep plan sweeps/khm_codes.yaml           what a run would do, and what it costs
  lawsweep query "select d, avg(capacity) from khm_capacity group by d order by d"
  lawsweep claims khm_capacity --strict         verdicts; exit code 1 where a claim is refuted

Exit codes: 0 done, 1 a claim refuted (--strict), 2 your mistake, 3 points failed or missing, 4 an error of lawsweep itself,
5 a check is broken, 130 interrupted.""",
)
@click.version_option(package_name="lawsweep", prog_name="lawsweep")
def cli() -> None:
    """Sweeps that test theorems: a YAML file in, rows, a figure and a verdict out."""


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command line; leaves the process with the exit code."""
    gc.set_threshold(*RARELY)
    answers.open_streams()
    if "--json" in (arguments if arguments is not None else sys.argv):
        answers.keep_apart()
    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, prog_name="lawsweep", standalone_mode=False)
    except SweepError as error:
        code = complain(str(error), error.exit_code)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort:
        code = complain("interrupted.", 130)
    except click.ClickException as error:
        error.show()
        code = 2
    except BrokenPipeError:
        sys.stdout = None
        code = 0
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # whatever it is, a user reads a sentence
        from orchestrator.cli import crash

        code = complain(*crash.sentence(error))
    leave(code if isinstance(code, int) else 0, at_once=arguments is None)


def leave(code: int, at_once: bool) -> NoReturn:
    """End the process; where an error came while an executor was still coming up, without waiting for it.

    At once means without taking every module down in order, which takes Ray, torch and Polars half a second.
    """
    executor = sys.modules.get("orchestrator.driver.executors.executor")
    if at_once or (executor is not None and executor.under_way()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def complain(text: str, code: int) -> int:
    """Say on the error stream what is wrong; gives the exit code back."""
    click.echo(f"lawsweep: {text}", err=True)
    return code
