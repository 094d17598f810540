"""Computational limits of low-rank adaptation: the polynomial method's boundary in the norm (arXiv:2406.03136)."""
