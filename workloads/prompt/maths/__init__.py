"""Mathematics of prompted attention, in plain batched torch."""
