"""Executes what runs ask for: attempts at steps, their context, and the ends of runs."""
