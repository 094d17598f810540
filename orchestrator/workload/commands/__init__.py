"""A program as a workload: how a sweep file calls it, how it is run, and how its answers become rows."""
