"""From a store to MLflow, and back."""
