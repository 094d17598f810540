"""Conditional diffusion transformers: error against samples, guidance, and latent subspaces (arXiv:2411.17522)."""
