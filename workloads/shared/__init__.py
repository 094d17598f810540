"""What workloads of several papers need: mathematics by field, one timer, groups of points. No paper is imported here."""
