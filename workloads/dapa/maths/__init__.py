"""Causes, delta debugging, and small language models whose refusals can be transplanted."""
