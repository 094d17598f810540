"""What a store says: lazy frames, SQL, the rows of one sweep with their descriptions."""
