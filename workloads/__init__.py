"""What is measured: one package a paper, and `shared` for what two papers need."""
