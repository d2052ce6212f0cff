"""Executes the effects of runs: attempts at steps, their context, and the ends of runs."""
