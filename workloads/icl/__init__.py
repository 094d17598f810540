"""In-context learning as gradient descent: a transformer that trains a deep network, and trained ones (arXiv:2411.16549)."""
