"""Batched mathematics of spherical codes and Hopfield retrieval; torch, numpy and scipy alone."""
