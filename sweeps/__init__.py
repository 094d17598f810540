"""The sweep files that come with the package: one question each, found by name."""
