"""The mathematics of layers that work mode by mode: counts, products, Kronecker floors, regressions, small networks."""
