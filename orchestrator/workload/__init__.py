"""What a workload is, and what a point of it is given."""
