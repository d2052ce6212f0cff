"""The event model: events, event types, stream names, message contexts and the hash chain."""
