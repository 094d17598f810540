"""From a Spec and a workload to points with names."""

from orchestrator.plan.points import Plan, expand, first_points

__all__ = ["Plan", "expand", "first_points"]
