"""From rows to verdicts."""

from orchestrator.claims.judging import judge, judge_rows
from orchestrator.claims.verdict import Verdict

__all__ = ["Verdict", "judge", "judge_rows"]
