"""Writes to a SQLite file: one transaction for each group, and the upkeep of the WAL."""
