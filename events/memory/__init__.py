"""The event store in memory: the reference for all others, and the store of tests."""
