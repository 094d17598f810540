"""Proposers: pure functions from completed rounds to the points of the next one."""
