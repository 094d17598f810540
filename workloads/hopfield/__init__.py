"""Efficient modern Hopfield models: sparse, random, window, top-K, linear and random-feature retrieval (arXiv:2404.03900)."""
