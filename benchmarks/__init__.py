"""Turns one cheap function and its peers into ratios: what the engine costs beside doing the same by hand."""
