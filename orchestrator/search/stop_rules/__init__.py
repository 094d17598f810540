"""Who goes on at a rung: one module a kind of `stop`, with its frozen rule; pure functions of whole rungs."""
