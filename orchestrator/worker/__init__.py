"""From the points of a pack to rows, whatever the workload does."""
