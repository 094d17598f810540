"""Asks a workload which of a plan's points it refuses, so that they are told before the first trial."""

from __future__ import annotations

from orchestrator.errors import SpecError
from orchestrator.plan.points import Plan
from orchestrator.spec import Spec


def refuse(spec: Spec, plan: Plan, needs: bool = False) -> None:
    """Hand the params of every planned point to the workload's own `refuse`, once for all seeds; nothing where it has none.

    What a point needs and this machine has not (an ImportError) counts with `needs` alone: a sweep may be read, checked and
    planned without it. Raises SpecError with what the workload said.
    """
    workload = plan.workload
    refuses = getattr(workload.module, "refuse", None)
    if refuses is None:
        return
    points = dict.fromkeys(zip(*plan.params.values(), strict=True))
    for values in points:
        params = dict(zip(plan.params, values, strict=True))
        try:
            refuses(workload.module.Params(**workload.inside(params)))
        except ImportError as error:
            if needs:
                raise SpecError(f"{spec.where()}: {error}") from error
        except ValueError as error:
            raise SpecError(f"{spec.where()}: {error}") from error
