"""Runs, seen from outside their actors: reading them, waiting for their ends, checking rows."""
