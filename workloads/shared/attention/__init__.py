"""Attention as operators that are never held whole, exact or by polynomials of some degree."""
