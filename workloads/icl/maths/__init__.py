"""The mathematics of in-context descent."""
