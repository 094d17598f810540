"""Decoupled alignment: which parts of an aligned model carry its refusals, found by delta debugging (arXiv:2406.01514)."""
