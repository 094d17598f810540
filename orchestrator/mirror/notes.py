"""Turns a sweep and its verdicts into the texts that MLflow shows."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from orchestrator.results.stored_sweep import StoredSweep

DASHBOARD_VARIABLE, DASHBOARD = "LAWSWEEP_DASHBOARD", "http://127.0.0.1:8765"  # where `lawsweep dashboard` serves


def page(sweep: str, size: str, arm: str | None = None) -> str:
    """The address of a sweep's page on the dashboard, which LAWSWEEP_DASHBOARD may move; of one arm's rows where told."""
    query = {"size": size, **({"where": f"arm:eq:{arm}"} if arm else {})}
    return f"{os.environ.get(DASHBOARD_VARIABLE, DASHBOARD).rstrip('/')}/sweep/{quote(sweep)}?{urlencode(query)}"


def note(sweep: StoredSweep, beside: str = "") -> str:
    """The sweep's question and its verdicts in Markdown, for MLflow's description of a run; a link to its page too.

    `beside` is another link, that to the page which compares its curves.
    """
    about = sweep.record
    lines = [_plain(about.get("question") or ""), "", f"Source: {_plain(about.get('source') or 'none given')}", ""]
    links = [f"[Open on the dashboard]({page(sweep.name, sweep.size)})", beside]
    lines += [" · ".join(link for link in links if link), ""]
    lines += [f"- **{v['verdict']}** {v['id']}: {_plain(v.get('says', ''))}" for v in sweep.verdicts]
    return "\n".join(lines)[:5000]


def headline(sweep: StoredSweep) -> str:
    """The sweep's question and a link to its page in Markdown, for MLflow's description of an experiment."""
    return f"{_plain(sweep.record.get('question') or sweep.name)}\n\n[Dashboard]({page(sweep.name, sweep.size)})"


def described(tags: Mapping[str, str], points: str) -> str:
    """What a curve's run is, in Markdown, with a link to its rows."""
    sweep, arm = (tags[key].replace("`", "") for key in ("sweep", "arm"))
    return f"Arm `{arm}` of sweep `{sweep}`. {points}\n\n[Open its rows on the dashboard]({tags['dashboard']})"


def stepped(x: str | None, itself: bool) -> str:
    """How the steps of MLflow's plots stand for x."""
    if x is None:
        return ". Nothing varies."
    return f". The step is `{x}`." if itself else f". The step counts the values of `{x}`; choose it as the x axis of a plot."


def _plain(text: Any) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(str(text).split()))
