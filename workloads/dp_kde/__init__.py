"""Differentially private sums of distances and kernels (arXiv:2409.01688), beside Backurs et al. (arXiv:2403.08917)."""
