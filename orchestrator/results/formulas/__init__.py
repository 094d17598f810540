"""One formula over many rows: as a column of a table, and as SQL that gives the same values."""
