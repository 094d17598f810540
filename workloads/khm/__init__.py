"""Kernelized modern Hopfield models: optimal capacity and spherical codes (arXiv:2410.23126, arXiv:2404.03827)."""
