"""Runs from outside of their actors: read from the log, their ends, those in doubt."""
