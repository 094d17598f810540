"""One judge for each kind of claim."""
