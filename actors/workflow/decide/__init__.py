"""The decisions of a run: pure functions from a message to events and effects."""
