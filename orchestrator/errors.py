"""What can go wrong, as exceptions whose text says where, what must hold, what came and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SweepError(Exception):
    """The root of every error that a user can mend; the command line prints it and leaves with `exit_code`."""

    exit_code = 2


class SpecError(SweepError):
    """A sweep file says something that cannot be run."""


class WorkloadError(SweepError):
    """A workload module breaks its contract, or cannot be found."""


class StoreError(SweepError):
    """A store cannot be read or written, or holds what this run contradicts."""


class QueryError(SweepError):
    """A query names what is not there, or asks for what it may not."""


class ClusterError(SweepError):
    """What measures has failed under a run; rows are missing, and the same command goes on."""

    exit_code = 3


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence: `; did you mean 'beta'?` with the known name closest to a wrong one, else a full stop."""
    close = get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else "."
