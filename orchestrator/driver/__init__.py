"""From points that are missing to rows that are there: packs out, outcomes in."""
