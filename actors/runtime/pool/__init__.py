"""The threads that run actors and blocking steps: how many, in which order, never in a deadlock."""
