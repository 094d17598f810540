"""Mathematics of conditional diffusion: densities of known smoothness, guidance, networks and their training."""
