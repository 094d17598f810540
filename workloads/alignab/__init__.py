"""Preference training towards several energies at once, in the style of AlignAb: worlds whose best trade-offs are known."""
