"""The parts of the contract of an event store."""
