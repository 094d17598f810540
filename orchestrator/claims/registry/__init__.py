"""What is written down of claims besides their words: what they mean, where their rows were seen, what was registered."""
