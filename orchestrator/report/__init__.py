"""From verdicts to pages and files for a paper."""
