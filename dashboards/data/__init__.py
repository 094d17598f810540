"""From a store to what pages show of it, kept while the store stays as it is; SQL of whoever looks is checked here."""
