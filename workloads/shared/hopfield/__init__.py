"""Spherical codes and what modern Hopfield networks retrieve from them."""
