"""Writing to a SQLite file: one transaction a group, and the upkeep of the WAL."""
