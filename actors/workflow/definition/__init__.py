"""Definitions of workflows: plain data, checked as a whole, compiled into an immutable plan."""
