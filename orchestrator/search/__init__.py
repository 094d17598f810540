"""From completed rounds to the points that are measured next."""
