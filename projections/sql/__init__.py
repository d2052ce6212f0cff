"""Statements over many rows, several of which are sent in one round trip."""
