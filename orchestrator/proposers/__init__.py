"""Turns completed rounds into the next one: a module for each way of searching, repeating and stopping, all pure functions."""
