"""Mathematics of private distance sums: budgets, noise, trees, what a query reads of them, and closed forms."""
