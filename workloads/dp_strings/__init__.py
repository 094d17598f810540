"""Private string distances: Hamming sketches and edit distance under one-bit privacy (arXiv:2411.05750)."""
