"""Mathematics of the efficient retrieval maps: masks, forms, kernels, bounds, counted operations and small trainings."""
