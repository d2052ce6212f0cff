"""What a run does next: pure functions from a message to events and effects."""
