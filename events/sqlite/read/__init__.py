"""Reads a SQLite file, also the undamaged columns of a damaged row."""
