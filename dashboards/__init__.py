"""Pages over the results tables; they read tables, nothing else."""
