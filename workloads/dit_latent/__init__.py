"""Latent diffusion transformers: error against samples, early stopping, sampling and attention's cost (arXiv:2407.01079)."""
