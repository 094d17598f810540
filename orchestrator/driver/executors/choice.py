"""The executors that there are, by the name under which `Where` selects them."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.driver.executors.executor import Executor, Resources
from orchestrator.driver.executors.inline import Inline
from orchestrator.driver.executors.ray_executor import RayTune

EXECUTORS: dict[str, Callable[[Resources], Executor]] = {"ray": RayTune, "inline": Inline}
