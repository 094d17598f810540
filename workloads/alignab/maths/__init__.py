"""The mathematics of the package: worlds, fronts, losses, a diffusion over types and angles, and its alignment."""
