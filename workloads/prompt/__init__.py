"""Measurements of what prompt tuning can and cannot do (arXiv:2411.16525)."""
