"""The diffusion of points into noise and back: networks that predict it, the run that trains them, distances of samples."""
