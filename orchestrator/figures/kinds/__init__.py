"""How a figure of each kind is drawn: one module a kind, with its `draw`; what it needs is in spec/figure_kinds."""
