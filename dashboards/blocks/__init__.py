"""What several pages are made of: addresses, cards, tables, charts; each turns rows or verdicts into plain values."""
