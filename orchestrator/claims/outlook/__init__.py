"""What the claims of a sweep can come to, before it is measured and while it is undecided."""
