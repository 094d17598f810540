"""How the claims of a sweep share the error that they may have together, over intervals and over looks at the data."""
