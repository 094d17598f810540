"""NdLinear (arXiv:2503.17353): layers that work mode by mode, what they can hold, learn and cost."""
