"""Writes a group of appends by few statements of PostgreSQL."""
